//! Items that are never published, whatever their names and wherever they are: secret keys, tickets, backups
//! of homes, and [homes](crate::home), which hold keys; and the records that a node keeps outside its home.
//!
//! A key file is recognised by its heading ([`KEY_HEADING`], which every writer of a key file uses), or by
//! the armor of an encrypted key; a backup by its heading ([`BACKUP_HEADING`]) and the armor behind it.

use std::path::Path;

use memchr::memmem;

use crate::{
    error::{Error, Result},
    home::{Protected, home_around},
    limits::{BACKUP_HEAD_BYTES, KEY_FILE_BYTES, TICKET_BYTES},
    rights::raised,
    statement::ticket::PREFIX,
};

/// The beginning of a key file; 64 hexadecimal digits follow.
pub const KEY_HEADING: &str = "chuan-secret-key-1 ";
/// The beginning of an encrypted key file.
pub const KEY_ARMOR: &str = "-----BEGIN AGE ENCRYPTED FILE-----";

/// The beginning of a backup of a home; a line end and [`KEY_ARMOR`] follow.
pub const BACKUP_HEADING: &str = "chuan-home-backup-1";

/// The value of the first field, `format`, of a record of signed statements, which is JSON. A node keeps it
/// in the folder of its user, outside the home; it names the machine and counts the releases of each key.
pub const RECORD_FORMAT: &str = "chuan-signed-record-1";

/// The beginning of every version of a record, without white space and without its number.
const ANY_RECORD: &[u8] = b"{\"format\":\"chuan-signed-record-";
/// The heading of every version of a backup, without its number.
const ANY_BACKUP: &[u8] = b"chuan-home-backup-";
/// The heading of every version of a key file, without its number.
const ANY_HEADING: &[u8] = b"chuan-secret-key-";
/// Hexadecimal digits of a key.
const KEY_DIGITS: usize = 64;
/// Minimum number of base32 digits of a ticket: the parts of a fixed length alone have more than 250.
const TICKET_DIGITS: usize = 128;

/// Why a file with a key is left out.
const IS_KEY: &str = "it holds a secret key of chuan";
/// Why a file with a ticket is left out.
const IS_TICKET: &str = "it has a ticket of chuan, which holds a secret";
/// Why a backup of a home is left out.
const IS_BACKUP: &str = "it is a backup of a chuan home, with its secret keys";
/// Why a record of signed statements is left out.
const IS_RECORD: &str = "it is a record of chuan about this machine and its keys";
/// Why a home is left out.
pub(super) const IS_HOME: &str = "it is a home of chuan, with its secret keys";

/// Why the content of a small file is not published, if it holds a secret.
pub(super) fn secret_in(bytes: &[u8]) -> Option<&'static str> {
    if holds_key(bytes) {
        Some(IS_KEY)
    } else if is_ticket(bytes) || holds_ticket(bytes) {
        Some(IS_TICKET)
    } else {
        secret_at_start(bytes)
    }
}

/// Why a file that is too large to be searched is not published, if its first bytes show that.
pub(super) fn secret_at_start(bytes: &[u8]) -> Option<&'static str> {
    let head = bytes.get(..bytes.len().min(BACKUP_HEAD_BYTES)).unwrap_or_default();
    let mut characters = head.iter().filter(|byte| !byte.is_ascii_whitespace());
    if ANY_RECORD.iter().all(|byte| characters.next() == Some(byte)) {
        return Some(IS_RECORD);
    }
    memmem::find_iter(head, ANY_BACKUP)
        .any(|at| {
            let rest = head.get(at + ANY_BACKUP.len()..).unwrap_or_default();
            rest.trim_ascii_start_of(u8::is_ascii_digit).trim_ascii_start().starts_with(KEY_ARMOR.as_bytes())
        })
        .then_some(IS_BACKUP)
}

/// Why an item with this name, or a link with this target, is not published, if it is a secret.
pub(super) fn secret_name(text: &[u8]) -> Option<&'static str> {
    secret_in(text).map(|_| "its name or target holds a secret of chuan")
}

/// Whether the bytes are a ticket and nothing else. A damaged ticket, or one that a mail program wrapped or
/// that is in capitals, is also a ticket.
fn is_ticket(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut characters = text.iter().filter(|byte| !byte.is_ascii_whitespace()).map(u8::to_ascii_lowercase);
    if !PREFIX.bytes().all(|byte| characters.next() == Some(byte)) {
        return false;
    }
    characters.clone().all(is_base32) && (TICKET_DIGITS..=TICKET_BYTES).contains(&characters.count())
}

/// Whether a line of the text begins as a ticket does and has nothing else, whatever is before and behind it:
/// `chuan invite` prints a ticket behind lines for people, and `chuan join` reads that. The ticket may go on
/// in the lines behind it.
fn holds_ticket(bytes: &[u8]) -> bool {
    let lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).map(without_quotes);
    let mut lines = lines.filter(|line| !line.is_empty()).peekable();
    while let Some(line) = lines.next() {
        let start = line.get(..PREFIX.len()).filter(|start| start.eq_ignore_ascii_case(PREFIX.as_bytes()));
        let rest = start.and_then(|_| line.get(PREFIX.len()..)).filter(|rest| is_digits(rest));
        let Some(rest) = rest else { continue };
        let mut digits = rest.len();
        while let Some(more) = lines.next_if(|line| is_digits(line)) {
            digits += more.len();
        }
        if (TICKET_DIGITS..=TICKET_BYTES).contains(&digits) {
            return true;
        }
    }
    false
}

/// The line without white space, quotes and marks of quoted mail around it.
fn without_quotes(line: &[u8]) -> &[u8] {
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    let is_around = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`' | b'>');
    let line = line.trim_ascii_start_of(is_around);
    let behind = line.iter().rev().take_while(|byte| is_around(byte)).count();
    line.get(..line.len() - behind).unwrap_or_default()
}

fn is_digits(line: &[u8]) -> bool {
    line.iter().all(|byte| is_base32(byte.to_ascii_lowercase()))
}

/// Whether the byte is a digit of a ticket, in lower case.
const fn is_base32(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'2'..=b'7')
}

/// Whether the bytes, the content of a small file, hold a secret key.
fn holds_key(bytes: &[u8]) -> bool {
    let is_plain = memmem::find_iter(bytes, ANY_HEADING).any(|at| {
        let rest = bytes.get(at + ANY_HEADING.len()..).unwrap_or_default();
        let rest = rest.trim_ascii_start_of(u8::is_ascii_digit);
        // A mail program wraps the line, and marks it as quoted or as continued.
        let is_between = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'=');
        let digits = rest.iter().filter(|byte| !is_between(byte));
        digits.take_while(|byte| byte.is_ascii_hexdigit()).take(KEY_DIGITS).count() == KEY_DIGITS
    });
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii_start();
    is_plain || (bytes.len() as u64 <= KEY_FILE_BYTES && text.starts_with(KEY_ARMOR.as_bytes()))
}

trait TrimStart {
    /// The bytes after the leading bytes for which `is` holds.
    fn trim_ascii_start_of(&self, is: impl Fn(&u8) -> bool) -> &Self;
}

impl TrimStart for [u8] {
    fn trim_ascii_start_of(&self, is: impl Fn(&u8) -> bool) -> &[u8] {
        let end = self.iter().take_while(|byte| is(byte)).count();
        self.get(end..).unwrap_or_default()
    }
}

/// Refuses a source that is a home or lies inside one, under any path.
pub(super) fn refuse_home(source: &Path, protected: &Protected) -> Result<()> {
    let context = || format!("opening the source {}", source.display());
    let real = raised(|| source.canonicalize()).map_err(|error| Error::io(context(), error))?;
    match home_around(&real, protected) {
        None => Ok(()),
        Some(folder) => Err(Error::Invalid(format!(
            "{} is, or lies inside, the chuan home {}: a home is never published, since it holds secret keys; publish \
             another folder",
            source.display(),
            folder.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> String {
        format!("chuan-secret-key-{number} {}\n", "0f".repeat(32))
    }

    /// Symptom: `publish ~` published `.local/state/chuan`, with the id of the machine and the number of
    /// releases of each key.
    #[test]
    fn records_of_signed_statements_are_recognised() {
        for text in [
            format!("{{\n  \"format\": \"{RECORD_FORMAT}\",\n  \"machine\": \"1\"}}"),
            "{\"format\":\"chuan-signed-record-99\"}".to_owned(),
        ] {
            assert_eq!(secret_in(text.as_bytes()), Some(IS_RECORD), "{text}");
            assert_eq!(secret_at_start(text.as_bytes()), Some(IS_RECORD), "{text}");
        }
        for text in [RECORD_FORMAT.to_owned(), format!("{{\"about\": \"{RECORD_FORMAT}\"}}"), "{}".to_owned()]
        {
            assert_eq!(secret_in(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn keys_are_recognised_by_their_content() {
        for text in [
            key(1),
            key(12),
            format!("\u{feff}{}", key(1)),
            format!("my root key, keep safe:\n\n  {}", key(1)),
            key(1).replace(' ', "  \t").to_uppercase().replace("CHUAN-SECRET-KEY", "chuan-secret-key"),
            format!("{KEY_ARMOR}\nYWdl\n"),
            format!("\r\n {KEY_ARMOR}\r\n"),
        ] {
            assert!(holds_key(text.as_bytes()), "{text:?} was taken");
        }
        let digits = "0f".repeat(32);
        for text in [
            String::new(),
            "chuan-secret-key-1 <64 hexadecimal digits: the Ed25519 seed>".to_owned(),
            format!("chuan-secret-key-1 {}", &digits[..62]),
            format!("chuan-secret-key {digits}"),
            digits.clone(),
            format!("to encrypt, see {KEY_ARMOR}"),
            format!("{KEY_ARMOR}\n{}", "x".repeat(5000)),
        ] {
            assert!(!holds_key(text.as_bytes()), "{text:?} was left out");
        }
    }

    #[test]
    fn backups_are_recognised_by_their_heading_and_armor() {
        let backup = format!("{BACKUP_HEADING}\n{KEY_ARMOR}\nYWdl\n");
        for text in [backup.clone(), format!("\u{feff}\r\n{backup}"), backup.replace("-1", "-27")] {
            for long in [String::new(), "x".repeat(200_000)] {
                let text = format!("{text}{long}");
                assert_eq!(secret_in(text.as_bytes()), Some(IS_BACKUP));
                assert_eq!(secret_at_start(text.as_bytes()), Some(IS_BACKUP));
            }
        }
        for text in [
            format!("a backup begins with {BACKUP_HEADING} and with {KEY_ARMOR}"),
            BACKUP_HEADING.to_owned(),
            format!("{}{backup}", "x".repeat(BACKUP_HEAD_BYTES)),
        ] {
            assert_eq!(secret_at_start(text.as_bytes()), None, "{text:.80} was left out");
        }
    }
}
