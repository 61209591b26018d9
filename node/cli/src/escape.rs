//! Text that others wrote, for a terminal: names of files, texts of peers, fields of statements. All output
//! passes here, except the bytes of content.
//!
//! Control characters move the cursor or hide text, and characters that change the direction of text make a
//! line read as another one. They are shown as their codes. Line breaks of an answer's own layout stay.

use std::io::{self, Write};

/// Whether a character must not reach a terminal.
fn is_active(c: char) -> bool {
    let is_direction = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    // The separators begin a new line on some terminals.
    c.is_control() || is_direction || matches!(c, '\u{2028}' | '\u{2029}')
}

fn escaped(text: &str, is_plain: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match is_active(c) && !is_plain(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

/// One line: line breaks are escaped too.
pub(super) fn line(text: &str) -> String {
    escaped(text, |_| false)
}

/// Several lines.
pub(super) fn lines(text: &str) -> String {
    escaped(text, |c| c == '\n')
}

/// JSON: the same characters as JSON escapes, so that the text has the same meaning.
pub(super) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Outside of strings, JSON has only line breaks of these.
        match is_active(c) && !c.is_ascii_control() || c == '\u{7f}' {
            true => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => out.push(c),
        }
    }
    out
}

/// Standard error for the log. With `colours`, the escape sequences that the log itself writes stay; it
/// escapes those in texts.
#[derive(Debug)]
pub(super) struct LogWriter {
    pub(super) colours: bool,
}

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = escaped(&String::from_utf8_lossy(bytes), |c| c == '\n' || (self.colours && c == '\u{1b}'));
        io::stderr().write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_escaped() {
        let text = "skipped: esc\u{1b}[31m\n\u{202e}电影 (é)\u{2066}\u{85}";
        assert_eq!(line(text), "skipped: esc\\u{1b}[31m\\n\\u{202e}电影 (é)\\u{2066}\\u{85}");
        assert_eq!(lines(text), "skipped: esc\\u{1b}[31m\n\\u{202e}电影 (é)\\u{2066}\\u{85}");
    }

    /// Each of them, at both ends of its range: a list that lacks one would pass a test of two.
    #[test]
    fn no_active_character_reaches_a_terminal() {
        let active = [
            '\u{0}', '\u{1f}', '\u{7f}', '\u{80}', '\u{9f}', '\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}',
            '\u{2029}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}',
        ];
        for c in active {
            assert_eq!(line(&format!("a{c}b")), format!("a{}b", c.escape_default()));
        }
        for c in [' ', '~', '\u{a0}', '\u{200d}', '\u{2027}', '\u{202f}', '\u{2065}', '\u{206a}'] {
            assert_eq!(line(&format!("a{c}b")), format!("a{c}b"), "{}", c.escape_default());
        }
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value = serde_json::json!({ "path": "a\u{202e}\u{7f}\u{9b}\n电影\u{1b}" });
        let shown = json(&value.to_string());
        assert!(shown.chars().all(|c| !is_active(c)), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
