//! The primitives of a statement's canonical form: little-endian integers, counted lists, checked names. All
//! input is untrusted: no allocation beyond the input's length, no panic, one form for each value.

use std::{net::SocketAddr, num::NonZeroU16};

use crate::{
    error::{Error, Result},
    limits::{ADDRESS_BYTES, NAME_BYTES},
    statement::key::PublicKey,
    text::is_invisible,
};

/// Takes fields off the front of untrusted bytes.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, which error texts call `what`.
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    /// An error about the bytes that are read.
    pub(crate) fn invalid(&self, why: impl std::fmt::Display) -> Error {
        Error::Invalid(format!("malformed {}: {why}", self.what))
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| self.invalid("it is cut short"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| self.invalid("it is cut short"))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    pub(crate) fn bool(&mut self) -> Result<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.invalid(format!("a flag is {other}, not 0 or 1"))),
        }
    }

    /// A key. Only its form is checked; the first signature check under it shows whether it is a point.
    pub(crate) fn key(&mut self) -> Result<PublicKey> {
        PublicKey::from_form(self.array()?)
    }

    /// A string of ≤ `max` bytes after its length in two bytes.
    pub(crate) fn string(&mut self, max: usize) -> Result<String> {
        let len = usize::from(self.u16()?);
        if len > max {
            return Err(self.invalid(format!("a text of {len} bytes; at most {max} are allowed")));
        }
        let bytes = self.bytes(len)?;
        let text = std::str::from_utf8(bytes).map_err(|_| self.invalid("a text is not UTF-8"))?;
        Ok(text.to_owned())
    }

    /// A list of ≤ `max` items after its count in one byte. Allocates for items that are really there, not
    /// for the count.
    pub(crate) fn list<T>(
        &mut self,
        max: usize,
        mut item: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let count = usize::from(self.u8()?);
        if count > max {
            return Err(self.invalid(format!("a list of {count} items; at most {max} are allowed")));
        }
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// The bytes that are not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Fails where bytes are left over.
    pub(crate) fn finish(self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.invalid(format!("{} bytes are left over", self.rest.len())))
    }
}

/// Appends a text in the form that [`Reader::string`] reads; the caller has checked its length.
pub(crate) fn put_string(out: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Appends a list in the form that [`Reader::list`] reads; the caller has checked its count.
pub(crate) fn put_list<T>(out: &mut Vec<u8>, items: &[T], mut item: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(u8::try_from(items.len()).unwrap_or(u8::MAX));
    for each in items {
        item(out, each);
    }
}

/// Fails unless `items` ascend strictly: then a set has one form, and no item is in it twice.
pub(crate) fn check_ascending<T: Ord>(items: &[T], what: &str) -> Result<()> {
    if items.is_sorted_by(|left, right| left < right) {
        return Ok(());
    }
    Err(Error::Invalid(format!("{what} must be sorted and named once each")))
}

/// Fails where a list is longer than its bound.
pub(crate) fn check_count(count: usize, max: usize, what: &str) -> Result<()> {
    if count <= max {
        return Ok(());
    }
    Err(Error::Invalid(format!("{count} {what}; at most {max} are allowed")))
}

/// Fails on an invalid name of a library, channel or node. A name has 1 to [`NAME_BYTES`] bytes, no white
/// space, control or invisible characters, none of the characters with a meaning in command lines and
/// addresses (`@ / \ : *`), and does not begin with `-` or `.`.
pub(crate) fn check_name(name: &str, what: &str) -> Result<()> {
    let refuse = |why: &str| Err(Error::Invalid(format!("{what} `{}` {why}", name.escape_debug())));
    if name.is_empty() || name.len() > NAME_BYTES {
        return refuse(&format!("must have 1 to {NAME_BYTES} bytes"));
    }
    if name.starts_with(['-', '.']) {
        return refuse("must not begin with `-` or `.`");
    }
    if name.chars().any(|c| c.is_whitespace() || c.is_control() || is_invisible(c) || "@/\\:*".contains(c)) {
        return refuse("must not contain white space, invisible characters or any of `@ / \\ : *`");
    }
    Ok(())
}

/// Fails on an invalid address to dial, as people and hints write it: 1 to [`ADDRESS_BYTES`] printable ASCII
/// characters. Whether it can be reached shows only when it is dialled.
pub fn check_address(address: &str) -> Result<()> {
    let printable = address.bytes().all(|byte| byte.is_ascii_graphic());
    if address.is_empty() || address.len() > ADDRESS_BYTES || !printable {
        return Err(Error::Invalid(format!(
            "the address `{}` is not 1 to {ADDRESS_BYTES} printable characters",
            address.escape_debug()
        )));
    }
    Ok(())
}

/// Checks that a node can be dialled at an address: `IP:PORT`, `[IPv6]:PORT` or `NAME:PORT`. Whether a node
/// answers there is not known.
///
/// # Errors
///
/// [`Error::Invalid`] that names the address and shows a right one.
pub fn check_reachable(address: &str) -> Result<()> {
    check_address(address)?;
    let is_name = |host: &str| {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        !host.is_empty() && host.bytes().all(is_fit)
    };
    let has_port = |port: &str| port.parse::<NonZeroU16>().is_ok();
    let is_fit = match address.parse::<SocketAddr>() {
        Ok(address) => address.port() != 0,
        Err(_) => address.rsplit_once(':').is_some_and(|(host, port)| is_name(host) && has_port(port)),
    };
    if is_fit {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "no node can be reached at `{address}`: write HOST:PORT, such as mirror.example.org:4040, 192.0.2.7:4040 or \
         [2001:db8::7]:4040"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symptom: a ticket with the address `films.example.org` was made, and every join with it failed.
    #[test]
    fn an_address_that_cannot_work_is_refused() {
        for good in ["mirror.example.org:4040", "192.0.2.7:1", "[2001:db8::7]:4040", "node_1:65535"] {
            check_reachable(good).unwrap();
        }
        for bad in [
            "",
            "films.example.org",
            "http://films.example.org:4040",
            "films.example.org:4040/",
            ":4040",
            "x:0",
            "127.0.0.1:0",
            "x:65536",
            "::1:4040",
            "[::1]",
            "x:",
        ] {
            assert!(check_reachable(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names() {
        for good in ["films", "电影", "live", "node-1.lan", "a_b", &"x".repeat(NAME_BYTES)] {
            check_name(good, "a name").unwrap();
        }
        let long = "x".repeat(NAME_BYTES + 1);
        for bad in [
            "",
            &long,
            "-x",
            ".x",
            "a b",
            "a@b",
            "a/b",
            "a\\b",
            "a:b",
            "a\n",
            "a\u{202e}b",
            "a*",
            "a\u{200b}",
        ] {
            assert!(check_name(bad, "a name").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_count_alone_allocates_nothing() {
        let mut reader = Reader::new(&[255], "thing");
        assert!(reader.list(255, Reader::u64).unwrap_err().to_string().contains("cut short"));
    }
}
