//! How many locks a struct has: a struct with many locks has no clear owner of its state.

use std::collections::BTreeMap;

use anyhow::Result;

use super::{
    ratchet::check,
    source::{after_word, enclosed, first_word, parts, product},
};

/// Maximum number of fields with a lock in a struct.
const LOCKS: usize = 2;
/// Structs with more, and their number.
const EXCEPTIONS: &[(&str, usize)] = &[];

#[test]
fn a_struct_has_at_most_two_locks() -> Result<()> {
    let mut found = BTreeMap::new();
    for source in product()? {
        for text in after_word(&source.code, "struct") {
            let Some(open) = text.find(['(', '{', ';']) else { continue };
            let body = enclosed(text.get(open..).unwrap_or_default());
            let locks = parts(body).into_iter().filter(|field| is_lock(field));
            let locks: Vec<_> = locks.map(|field| field.trim().to_owned()).collect();
            found.insert(format!("{} {}", source.file, first_word(text)), locks);
        }
    }
    check("fields with a Mutex or RwLock in a struct", LOCKS, EXCEPTIONS, &found)
}

/// Whether the type of a field has a lock in it, of `std` or of `tokio`.
fn is_lock(field: &str) -> bool {
    ["Mutex<", "RwLock<"].iter().any(|lock| field.contains(lock))
}
