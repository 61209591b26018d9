//! The text that an operator hands to a person who is to join: addresses, the library, and a key to prove.
//!
//! The text is `chuan1` and base32 (RFC 4648, lower case, unpadded) of
//!
//! ```text
//! version u8 = 1
//! | address count u8, ≤ 16 | addresses × (len u16, printable ASCII), each once, in the order to try
//! | issuer [32] | library [32] | label (len u16, UTF-8) | root version u64 | expires_ms i64
//! | redeemer count u8, 1 to 32 | redeemers × [32], sorted
//! | secret seed [32] | ticket statement [32]
//! | checksum [8]: BLAKE3 of `chuan1` and all bytes before it
//! ```
//!
//! The terms of a ticket are in the `ticket` statement that it names ([`TicketTerms`]), signed by an
//! operator; the text adds the secret half of the key that the statement names. The secret is never sent: see
//! [`Proof`](super::proof::Proof). The checksum tells a text that was damaged or cut short in copying from
//! one that is complete but wrong; it protects against no attacker.

use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;

use crate::{
    error::{Error, Result},
    id::{LibraryId, NodeId, StatementId, ticket_checksum},
    limits::{ADDRESS_BYTES, ADDRESSES, NAME_BYTES, TICKET_BYTES, TICKET_REDEEMERS},
    statement::{
        TicketTerms,
        key::Key,
        wire::{Reader, check_address, check_ascending, check_count, check_name, put_list, put_string},
    },
};

/// The first characters of every ticket of this version.
pub const PREFIX: &str = "chuan1";

const FAMILY: &str = "chuan";
const VERSION: u8 = 1;
/// Bytes of the checksum at the end.
const CHECKSUM_LEN: usize = 8;

/// An invitation to a library. Holds a secret: its `Debug` does not show it, its text does.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The addresses of the redeemers, the best first.
    pub addresses: Vec<String>,
    /// The node that made it.
    pub issuer: NodeId,
    /// The library.
    pub library: LibraryId,
    /// The library's name when the ticket was made.
    pub label: String,
    /// The root version that the issuer knew.
    pub root_version: u64,
    /// The time until which it may be redeemed, in ms since 1970, as in its statement.
    pub expires_ms: i64,
    /// The nodes that may redeem it, sorted, as in its statement.
    pub redeemers: Vec<NodeId>,
    /// The key whose public half the statement names.
    pub key: Key,
    /// The ticket statement.
    pub statement: StatementId,
}

impl Ticket {
    /// Reads pasted text. White space, quotes and the marks of a quoted mail are ignored, and so is the case
    /// of letters: a mail wraps lines, and a dictated ticket has capitals. The errors say what to do.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > 4 * TICKET_BYTES {
            return Err(damaged());
        }
        let text: String = text.chars().filter(|c| !is_around(*c)).map(|c| c.to_ascii_lowercase()).collect();
        let encoded = text.strip_prefix(PREFIX).ok_or_else(|| not_a_ticket(&text))?;
        if text.len() > TICKET_BYTES {
            return Err(damaged());
        }
        let bytes = BASE32_NOPAD.decode(encoded.to_ascii_uppercase().as_bytes()).map_err(|_| damaged())?;
        let (content, checksum) = bytes.split_last_chunk::<CHECKSUM_LEN>().ok_or_else(damaged)?;
        if *checksum != checksum_of(content) {
            return Err(damaged());
        }
        Self::decode(content)
            .map_err(|error| Error::Invalid(format!("{error}; ask for a new one with `chuan invite`")))
    }

    /// The text. Fails where a field breaks a rule.
    pub fn to_text(&self) -> Result<String> {
        self.check_form()?;
        let mut bytes = vec![VERSION];
        put_list(&mut bytes, &self.addresses, |out, address| put_string(out, address));
        bytes.extend_from_slice(self.issuer.as_bytes());
        bytes.extend_from_slice(self.library.as_bytes());
        put_string(&mut bytes, &self.label);
        bytes.extend_from_slice(&self.root_version.to_le_bytes());
        bytes.extend_from_slice(&self.expires_ms.to_le_bytes());
        put_list(&mut bytes, &self.redeemers, |out, node| out.extend_from_slice(node.as_bytes()));
        bytes.extend_from_slice(self.key.seed());
        bytes.extend_from_slice(self.statement.as_bytes());
        bytes.extend_from_slice(&checksum_of(&bytes));
        Ok(format!("{PREFIX}{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()))
    }

    /// Fails where the ticket has expired at `now_ms`: saves the joiner a connection; the redeemer decides.
    pub fn check_time(&self, now_ms: i64) -> Result<()> {
        if now_ms < self.expires_ms {
            return Ok(());
        }
        let ago = Age(now_ms.saturating_sub(self.expires_ms));
        Err(Error::Denied(format!("the ticket expired {ago} ago; ask for a new one with `chuan invite`")))
    }

    /// Fails where the statement that the ticket names is for another key.
    pub fn check_key(&self, terms: &TicketTerms) -> Result<()> {
        if self.key.public() == terms.key {
            return Ok(());
        }
        Err(wrong_key())
    }

    fn decode(content: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(content, "ticket");
        let version = reader.u8()?;
        if version != VERSION {
            return Err(reader.invalid(format!("unknown version {version}: a newer chuan made it")));
        }
        let ticket = Self {
            addresses: reader.list(ADDRESSES, |reader| reader.string(ADDRESS_BYTES))?,
            issuer: NodeId::from_bytes(reader.array()?),
            library: LibraryId::from_bytes(reader.array()?),
            label: reader.string(NAME_BYTES)?,
            root_version: reader.u64()?,
            expires_ms: reader.i64()?,
            redeemers: reader.list(TICKET_REDEEMERS, |reader| Ok(NodeId::from_bytes(reader.array()?)))?,
            key: Key::from_seed(reader.array()?),
            statement: StatementId::from_bytes(reader.array()?),
        };
        reader.finish()?;
        ticket.check_form()?;
        Ok(ticket)
    }

    fn check_form(&self) -> Result<()> {
        let invalid = |why: &str| Err(Error::Invalid(format!("malformed ticket: {why}")));
        check_name(&self.label, "the library name")?;
        check_count(self.addresses.len(), ADDRESSES, "addresses")?;
        check_count(self.redeemers.len(), TICKET_REDEEMERS, "redeemers of a ticket")?;
        check_ascending(&self.redeemers, "the redeemers of a ticket")?;
        if self.redeemers.is_empty() {
            return invalid("it names no node that may redeem it");
        }
        for (place, address) in self.addresses.iter().enumerate() {
            check_address(address)?;
            if self.addresses.iter().take(place).any(|earlier| earlier == address) {
                return invalid("an address is listed twice");
            }
        }
        if self.root_version == 0 || self.expires_ms <= 0 {
            return invalid("its root version and expiry start above zero");
        }
        Ok(())
    }
}

impl FromStr for Ticket {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

/// The error for a ticket that is complete but whose key is not the one that its statement names.
pub(crate) fn wrong_key() -> Error {
    Error::Denied(
        "the ticket's key is not the one that its statement names, so someone changed the ticket; ask for a new one with `chuan invite`"
            .into(),
    )
}

/// Whether a character is no part of a ticket, and often copied with one: white space, a byte order mark,
/// quotes, the `>` of a quoted mail.
fn is_around(c: char) -> bool {
    c.is_whitespace() || "\u{feff}\u{200b}\"'`>“”‘’".contains(c)
}

fn checksum_of(content: &[u8]) -> [u8; CHECKSUM_LEN] {
    ticket_checksum(&[PREFIX.as_bytes(), content].concat())
}

fn damaged() -> Error {
    Error::Invalid(
        "the ticket is damaged or cut short; copy the whole line again, or ask for a new one with `chuan invite`"
            .into(),
    )
}

fn not_a_ticket(text: &str) -> Error {
    let newer =
        text.strip_prefix(FAMILY).and_then(|rest| rest.chars().next()).is_some_and(|c| c.is_ascii_digit());
    if newer {
        return Error::Invalid(
            "the ticket was made by a newer chuan; install that version, or ask for a ticket made with yours"
                .into(),
        );
    }
    Error::Invalid(format!(
        "this is not a ticket, which begins with `{PREFIX}`; ask for one with `chuan invite`"
    ))
}

/// A span of time in ms, for people.
struct Age(i64);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0 / 60_000;
        match minutes {
            0..120 => write!(f, "{minutes} min"),
            120..2880 => write!(f, "{} hours", minutes / 60),
            _ => write!(f, "{} days", minutes / 1440),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        Ticket {
            addresses: vec!["192.0.2.7:4433".into(), "[2001:db8::7]:4433".into()],
            issuer: NodeId::from_bytes([1; 32]),
            library: LibraryId::from_bytes([2; 32]),
            label: "films".into(),
            root_version: 1,
            expires_ms: 1_793_086_400_000,
            redeemers: vec![NodeId::from_bytes([1; 32])],
            key: Key::from_seed([5; 32]),
            statement: StatementId::from_bytes([6; 32]),
        }
    }

    /// The form of every ticket that was ever handed out: a change here breaks them.
    const GOLDEN: &str = "chuan1aeba4abrhezc4mbogixdoorugqztgeqalmzdambrhjsgeob2hi3v2orugqztgaibaeaqcaibaeaqcaibaeaqcaibae\
                          aqcaibaeaqcaibaeaqcaibaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibakadgnfwg24ybaaaaaaaaaa\
                          aaajshpsqqcaaaaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcbifaucqkbifaucqkbifaucqkbifau\
                          cqkbifaucqkbifaucqkbifaydambqgaydambqgaydambqgaydambqgaydambqgaydambqgaydnjoo7tamwykxq";

    #[test]
    fn text_golden() {
        assert_eq!(ticket().to_text().unwrap(), GOLDEN);
    }

    #[test]
    fn reads_back() {
        let text = ticket().to_text().unwrap();
        let read = Ticket::parse(&format!("  {text}\n")).unwrap();
        assert_eq!(read.to_text().unwrap(), text);
        // From a file with a byte order mark, from a chat with quotes, from a quoted mail.
        let (start, end) = text.split_at(100);
        for copied in [format!("\u{feff}{text}"), format!("“{text}”"), format!("> {start}\n> {end}\n")] {
            assert_eq!(Ticket::parse(&copied).unwrap().to_text().unwrap(), text);
        }
        assert_eq!(read.addresses, ticket().addresses);
        assert_eq!(read.key.public(), ticket().key.public());
    }

    /// Symptom: a ticket from a mail was refused as damaged. Cause: the mail had wrapped its line, or had put
    /// it in capitals.
    #[test]
    fn white_space_and_case_are_forgiven() {
        let text = ticket().to_text().unwrap();
        let lines: Vec<String> = text.as_bytes().chunks(76).map(|line| format!("> {line:?}")).collect();
        assert!(Ticket::parse(&lines.join("\n")).is_err(), "marks of a quotation are not white space");
        let characters: Vec<char> = text.to_uppercase().chars().collect();
        for (width, end) in [(76, "\r\n"), (1, " "), (10, "\n\t"), (40, "\u{a0}\u{2028}")] {
            let wrapped: Vec<String> = characters.chunks(width).map(|line| line.iter().collect()).collect();
            let wrapped = format!("\n {}{end}", wrapped.join(end));
            assert_eq!(Ticket::parse(&wrapped).unwrap().to_text().unwrap(), text, "{width}");
        }
        // White space counts against the bound of what is read.
        assert!(Ticket::parse(&format!("{text}{}", " ".repeat(4 * TICKET_BYTES))).is_err());
    }

    #[test]
    fn every_changed_character_is_refused() {
        let text = ticket().to_text().unwrap();
        for place in 0..text.len() {
            for bit in 0..7 {
                let mut bytes = text.clone().into_bytes();
                bytes[place] ^= 1 << bit;
                let changed = String::from_utf8(bytes).unwrap();
                if changed.eq_ignore_ascii_case(&text) {
                    assert_eq!(Ticket::parse(&changed).unwrap().to_text().unwrap(), text);
                    continue;
                }
                let error = Ticket::parse(&changed).unwrap_err().to_string();
                let expected = if place < PREFIX.len() { "ticket" } else { "damaged or cut short" };
                assert!(error.contains(expected) && error.contains("ask for"), "{place}: {error}");
            }
        }
    }

    #[test]
    fn every_cut_is_refused() {
        let text = ticket().to_text().unwrap();
        for len in 0..text.len() {
            let error = Ticket::parse(&text[..len]).unwrap_err().to_string();
            assert!(error.contains("chuan invite"), "{len}: {error}");
        }
        assert!(Ticket::parse(&format!("{text}a")).is_err());
        assert!(Ticket::parse(&format!("{text}{text}")).is_err());
    }

    #[test]
    fn says_what_is_wrong() {
        let text = ticket().to_text().unwrap();
        let error = |text: &str| Ticket::parse(text).unwrap_err().to_string();
        assert!(error("hello").contains("is not a ticket"));
        assert!(error(&text.replacen("chuan1", "chuan2", 1)).contains("newer chuan"));
        assert!(error(&"chuan1".repeat(TICKET_BYTES)).contains("damaged"));

        let late = ticket().check_time(1_793_086_400_000 + 3 * 3_600_000).unwrap_err().to_string();
        assert!(late.contains("expired 3 hours ago") && late.contains("chuan invite"), "{late}");
        ticket().check_time(1_793_086_399_999).unwrap();
    }

    #[test]
    fn a_whole_ticket_that_breaks_a_rule_is_refused() {
        let broken: [fn(&mut Ticket); 7] = [
            |t| t.redeemers.clear(),
            |t| t.redeemers = vec![NodeId::from_bytes([1; 32]); 2],
            |t| t.addresses = vec!["a:1".into(); 2],
            |t| t.addresses = vec!["a b".into()],
            |t| t.addresses = (0..=ADDRESSES).map(|n| format!("h:{n}")).collect(),
            |t| t.label = "a b".into(),
            |t| t.expires_ms = 0,
        ];
        for (place, spoil) in broken.iter().enumerate() {
            let mut ticket = ticket();
            spoil(&mut ticket);
            assert!(ticket.to_text().is_err(), "{place}");
        }
    }

    #[test]
    fn the_largest_fits() {
        let mut ticket = ticket();
        ticket.label = "x".repeat(NAME_BYTES);
        ticket.addresses = (0..ADDRESSES).map(|n| format!("{n:0ADDRESS_BYTES$}")).collect();
        ticket.redeemers =
            (0..TICKET_REDEEMERS).map(|n| NodeId::from_bytes([u8::try_from(n).unwrap(); 32])).collect();
        let text = ticket.to_text().unwrap();
        assert_eq!(Ticket::parse(&text).unwrap().redeemers.len(), TICKET_REDEEMERS);
    }

    #[test]
    fn debug_keeps_the_secret() {
        assert!(!format!("{:?}", ticket()).contains("[5, 5, 5"));
    }
}
