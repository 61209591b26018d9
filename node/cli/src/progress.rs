//! Progress on standard error: a bar, a line every few seconds, or JSON lines.

use std::{
    io::{self, IsTerminal, Write as _},
    time::{Duration, Instant},
};

use chuan_api::{
    event::Progress,
    human,
    json::{self, ProgressLine},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    args::ProgressMode,
    escape,
    flags::typed,
    language::{span, translated, word},
};
use crate::text;

/// Time between two plain lines, and before the first: short work prints none.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Shows progress and notes.
#[derive(Debug)]
pub(super) enum Meter {
    Bar(ProgressBar),
    /// The time of the last line, and the bytes that were done then.
    Plain {
        last: Instant,
        bytes: u64,
    },
    Json,
    Silent,
}

impl Meter {
    /// The meter for these options. `quiet` silences progress and notes, unless JSON lines were requested.
    pub(super) fn new(mode: ProgressMode, quiet: bool, json: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        match mode {
            ProgressMode::Json => Meter::Json,
            ProgressMode::None => Meter::Silent,
            _ if quiet => Meter::Silent,
            ProgressMode::Bar => Meter::bar(),
            ProgressMode::Plain => Meter::plain(),
            ProgressMode::Auto if json => Meter::Silent,
            ProgressMode::Auto if terminal => Meter::bar(),
            ProgressMode::Auto => Meter::plain(),
        }
    }

    fn bar() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(style(false));
        Meter::Bar(bar)
    }

    fn plain() -> Self {
        Meter::Plain { last: Instant::now(), bytes: 0 }
    }

    /// Shows the progress of the work.
    pub(super) fn progress(&mut self, progress: &Progress) {
        match self {
            Meter::Bar(bar) => {
                if let Some(total) = progress.bytes_total
                    && bar.length() != Some(total)
                {
                    bar.set_length(total);
                    bar.set_style(style(true));
                }
                bar.set_prefix(word(&progress.phase));
                bar.set_message(saved(progress));
                bar.set_position(progress.bytes_done);
            }
            Meter::Plain { last, bytes } => {
                let since = last.elapsed();
                if since >= PLAIN_INTERVAL {
                    let done = progress.bytes_done.saturating_sub(*bytes);
                    (*last, *bytes) = (Instant::now(), progress.bytes_done);
                    print(&line(progress, done, since.as_secs_f64()));
                }
            }
            Meter::Json => print(&json::object(&ProgressLine::progress(progress)).to_string()),
            Meter::Silent => {}
        }
    }

    /// Shows a line for people.
    pub(super) fn note(&mut self, note: &str, quiet: bool) {
        let line = || escape::line(&typed(&translated(note)));
        match self {
            Meter::Bar(bar) => bar.suspend(|| print(&line())),
            Meter::Json => {
                print(&escape::json(&json::object(&ProgressLine::note(&typed(note))).to_string()));
            }
            _ if quiet => {}
            _ => print(&line()),
        }
    }

    /// Removes the bar, so that the answer begins on a clean line.
    pub(super) fn finish(&mut self) {
        if let Meter::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn style(known: bool) -> ProgressStyle {
    ProgressStyle::with_template(&template(known)).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn template(known: bool) -> String {
    if known {
        let left = text!("time-left", time = "{eta}");
        format!(
            "{{prefix}} {{wide_bar}} {{binary_bytes}}/{{binary_total_bytes}} {{binary_bytes_per_sec}}{left}{{msg}}"
        )
    } else {
        "{prefix} {spinner} {binary_bytes} {binary_bytes_per_sec}{msg}".to_owned()
    }
}

fn saved(progress: &Progress) -> String {
    match progress.bytes_saved {
        0 => String::new(),
        saved => text!("held-already", size = human::bytes(saved)),
    }
}

/// A line of plain progress. `recent` bytes were done in the `seconds` since the last line, held ones
/// included: held content may take time, too, and what follows goes at the speed of now.
fn line(progress: &Progress, recent: u64, seconds: f64) -> String {
    let (phase, done) = (word(&progress.phase), human::bytes(progress.bytes_done));
    let rate = human::rate(recent, seconds);
    let text = match progress.bytes_total.map(human::bytes) {
        Some(total) => text!("progress-of", phase = phase, done = done, total = total, rate = rate),
        None => text!("progress", phase = phase, done = done, rate = rate),
    };
    let left = progress.bytes_total.map(|total| total.saturating_sub(progress.bytes_done));
    let left = left.and_then(|left| eta(recent, left, seconds));
    let left = left.map(|left| text!("time-left", time = span(left))).unwrap_or_default();
    text + &left + &saved(progress)
}

fn eta(done: u64, left: u64, seconds: f64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    (done > 0).then(|| seconds * left as f64 / done as f64)
}

/// Writes a line to standard error. Ignores errors: a closed standard error does not stop the command.
fn print(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_has_totals_rate_and_time_left() {
        let progress = Progress {
            phase: "pull".into(),
            bytes_done: 1 << 30,
            bytes_total: Some(3 << 30),
            bytes_saved: 1 << 20,
            ..Progress::default()
        };
        let expected = "pull: 1.00 GiB of 3.00 GiB, 102 MiB/s, 20 s left, 1.00 MiB held already";
        assert_eq!(line(&progress, 1 << 30, 10.0), expected);
        // Symptom: a publish of content that is held already had hours left, and took a minute.
        let held = Progress { bytes_saved: 1 << 30, ..progress.clone() };
        assert!(line(&held, 1 << 30, 10.0).contains("102 MiB/s, 20 s left"));
        let unknown = Progress { bytes_total: None, bytes_saved: 0, ..progress };
        assert_eq!(line(&unknown, 1 << 30, 10.0), "pull: 1.00 GiB, 102 MiB/s");
    }

    #[test]
    fn templates_parse() {
        for known in [false, true] {
            ProgressStyle::with_template(&template(known)).unwrap();
        }
    }
}
