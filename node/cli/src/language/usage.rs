//! Errors of the command line in Chinese, from the kind and the context of an error of `clap`.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use super::{listed, translated};
use crate::text;

/// The error as lines for people, without the word "error" before it.
pub(crate) fn lines(error: &Error) -> String {
    let mut lines = vec![headline(error)];
    lines.extend(tips(error));
    if let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) {
        let usage = super::help::finished(&usage.to_string());
        lines.push(format!("\n{}", usage.trim_end()));
    }
    lines.push(format!("\n{}", text!("usage-more")));
    lines.join("\n")
}

fn headline(error: &Error) -> String {
    let (argument, value) = (all(error, ContextKind::InvalidArg), all(error, ContextKind::InvalidValue));
    match error.kind() {
        ErrorKind::UnknownArgument => text!("usage-unknown-argument", argument = argument),
        ErrorKind::InvalidSubcommand => {
            text!("usage-unknown-command", command = all(error, ContextKind::InvalidSubcommand))
        }
        ErrorKind::InvalidValue if value.is_empty() => text!("usage-no-value", argument = argument),
        ErrorKind::InvalidValue => {
            text!("usage-invalid-value", value = value, argument = argument)
                + &possible(&all(error, ContextKind::ValidValue))
        }
        ErrorKind::ValueValidation => {
            let why = error.source().map(|source| translated(&source.to_string()).into_owned());
            let why = why.unwrap_or_else(|| text!("usage-invalid"));
            text!("usage-refused-value", value = value, argument = argument, why = why)
        }
        ErrorKind::MissingRequiredArgument => text!("usage-missing", arguments = argument),
        ErrorKind::ArgumentConflict => {
            let other = all(error, ContextKind::PriorArg);
            if other == argument {
                text!("usage-twice", argument = argument)
            } else {
                text!("usage-conflict", argument = argument, other = other)
            }
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            text!("usage-no-command") + &possible(&all(error, ContextKind::ValidSubcommand))
        }
        ErrorKind::TooManyValues => {
            text!("usage-too-many-values", value = value, argument = argument)
        }
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            text!("usage-number-of-values", argument = argument)
        }
        ErrorKind::NoEquals => text!("usage-no-equals", argument = argument),
        ErrorKind::InvalidUtf8 => text!("usage-not-utf8"),
        // Errors that the grammar of this program cannot have: as `clap` writes them.
        _ => error.to_string().lines().next().unwrap_or_default().to_owned(),
    }
}

fn possible(values: &str) -> String {
    if values.is_empty() { String::new() } else { text!("usage-possible", values = values) }
}

fn tips(error: &Error) -> Vec<String> {
    let mut tips = Vec::new();
    for kind in [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue] {
        let near = all(error, kind);
        if !near.is_empty() {
            tips.push(format!("  {}", text!("usage-near", names = near)));
        }
    }
    tips
}

/// The values of a context, in one text.
fn all(error: &Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(value)) => value.clone(),
        Some(ContextValue::Strings(values)) => listed(values),
        Some(ContextValue::StyledStr(value)) => value.to_string(),
        _ => String::new(),
    }
}
