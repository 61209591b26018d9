//! A limit with a list of exceptions that may only shrink.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

/// Places that a message shows of each problem.
const SHOWN: usize = 5;

/// The places that a rule counts, by the name of the struct, file or type that they are counted for.
pub(super) type Found = BTreeMap<String, Vec<String>>;

/// Fails if a name has more than `most` places and more than its listed exception, and if an exception is
/// larger than necessary.
pub(super) fn check(rule: &str, most: usize, listed: &[(&str, usize)], found: &Found) -> Result<()> {
    let mut problems = Vec::new();
    for (name, places) in found {
        let exception = listed.iter().find(|(listed, _)| *listed == name.as_str());
        let limit = exception.map_or(most, |(_, limit)| *limit);
        if places.len() > limit {
            let shown: Vec<&str> = places.iter().take(SHOWN).map(String::as_str).collect();
            let shown = shown.join("\n    ");
            problems.push(format!("{name} has {}, the maximum is {limit}:\n    {shown}", places.len()));
        }
    }
    for (name, limit) in listed {
        let number = found.get(*name).map_or(0, Vec::len);
        if number <= most {
            problems.push(format!("{name} needs no exception any more: remove its entry"));
        } else if number < *limit {
            problems.push(format!("{name} has only {number} now: lower its entry"));
        }
    }
    ensure!(problems.is_empty(), "{rule}:\n{}", problems.join("\n"));
    Ok(())
}

/// The listed name that `file` begins with, such as the name of its folder; else `file` itself.
pub(super) fn name_of(file: &str, listed: &[(&str, usize)]) -> String {
    let folder = listed.iter().find(|(listed, _)| file.starts_with(*listed));
    folder.map_or(file, |(listed, _)| *listed).to_owned()
}
