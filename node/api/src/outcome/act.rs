//! The kind of an answer: of a command that changes something, or to a question; with rows or without.

use super::Outcome;

impl Outcome {
    /// Whether it is the answer of a command that changes something, and not of a question: a quiet command
    /// does not show it where all went well.
    pub fn is_act(&self) -> bool {
        match self {
            Outcome::Publish(published) => !published.dry_run,
            Outcome::Pull(pulled) => !pulled.dry_run,
            Outcome::Restore(restored) => !restored.dry_run,
            Outcome::LedgerKept(kept) => kept.done,
            Outcome::Join(_)
            | Outcome::Rotate(_)
            | Outcome::Rebuild(_)
            | Outcome::Channel(_)
            | Outcome::Fresh(_)
            | Outcome::Member(_)
            | Outcome::Offer(_)
            | Outcome::Statements(_)
            | Outcome::HomeBackedUp(_)
            | Outcome::HomeRestored(_)
            | Outcome::HomeMoved(_) => true,
            _ => false,
        }
    }

    /// The field of the `--json` object that holds the rows, for commands that have rows.
    pub fn rows_name(command: &str) -> Option<&'static str> {
        match command {
            "ls" => Some("entries"),
            "diff" | "restore" => Some("changes"),
            "audit tail" | "audit show" => Some("records"),
            _ => None,
        }
    }
}
