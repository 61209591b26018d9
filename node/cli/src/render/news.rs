//! The content that a pull brought beside a new release, as text.

use std::io::{self, Write};

use chuan_api::{human::bytes, outcome::Pulled};

use super::{counted, short, translated};
use crate::say;

/// The release, and whether it is new here. `fresh` is the age of the channel.
pub(super) fn verdict(out: &mut impl Write, pulled: &Pulled, fresh: &str) -> io::Result<()> {
    let Pulled { library_name: name, sequence, release, .. } = pulled;
    match pulled.chunks_fetched > 0 || !pulled.classes_new.is_empty() {
        _ if pulled.changed => {
            say!(out, "pulled", name = name, sequence = sequence, release = release, fresh = fresh)
        }
        true => say!(out, "completed", name = name, sequence = sequence, release = release, fresh = fresh),
        false => {
            say!(out, "pull-nothing-new", name = name, sequence = sequence, release = release, fresh = fresh)
        }
    }
}

/// The sources before the last one that sent a part of the data.
pub(super) fn other_sources(out: &mut impl Write, pulled: &Pulled) -> io::Result<()> {
    pulled.lag.asked.iter().filter(|asked| asked.node != pulled.from).try_for_each(|asked| {
        let Some(size) = asked.chunk_bytes.map(bytes) else { return Ok(()) };
        let node = short(&asked.node);
        match asked.message.as_deref().map(translated) {
            Some(why) => say!(out, "pulled-part-failed", size = size, node = node, why = why),
            None => say!(out, "pulled-part", size = size, node = node),
        }
    })
}

/// The release that the command names was complete before.
pub(super) fn here_already(out: &mut impl Write, pulled: &Pulled) -> io::Result<()> {
    say!(out, "here-already", name = pulled.library_name, sequence = pulled.sequence)
}

/// Classes that came since a grant gives them to this node, and damage that was repaired.
pub(super) fn arrived(out: &mut impl Write, pulled: &Pulled) -> io::Result<()> {
    pulled.classes_new.iter().try_for_each(|class| say!(out, "class-arrived", class = class))?;
    match pulled.objects_repaired {
        0 => Ok(()),
        damaged => say!(out, "repaired", objects = counted(damaged, "damaged object")),
    }
}

/// That the missing chunks of a dry run do not fit.
pub(super) fn room(out: &mut impl Write, pulled: &Pulled) -> io::Result<()> {
    match (pulled.usable_bytes, pulled.chunk_bytes_missing) {
        (Some(usable), Some(missing)) if missing > usable => say!(out, "no-room", size = bytes(usable)),
        _ => Ok(()),
    }
}

/// Nothing newer came: another node may have it.
pub(super) fn from(out: &mut impl Write, pulled: &Pulled) -> io::Result<()> {
    match pulled.is_behind() {
        true => say!(out, "pull-from", name = pulled.library_name),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symptom: "nothing new" after a granted class came, and after a damaged chunk was fetched again.
    #[test]
    fn a_pull_without_a_new_release_says_what_came() {
        let text = |pulled: &Pulled| {
            let mut out = Vec::new();
            verdict(&mut out, pulled, "").unwrap();
            arrived(&mut out, pulled).unwrap();
            room(&mut out, pulled).unwrap();
            String::from_utf8(out).unwrap()
        };
        let classes = Pulled { classes_new: vec!["masters".into()], ..Pulled::default() };
        assert_eq!(text(&classes), "completed @0 \ngranted class masters arrived\n");
        let mended = Pulled { objects_repaired: 1, chunks_fetched: 1, ..Pulled::default() };
        assert_eq!(text(&mended), "completed @0 \n1 damaged object fetched again\n");
        assert_eq!(text(&Pulled::default()), "nothing new: @0 \n");
        let short = Pulled { usable_bytes: Some(5), chunk_bytes_missing: Some(6), ..Pulled::default() };
        assert_eq!(text(&short), "nothing new: @0 \n! that does not fit: the store can take 5 B\n");
    }
}
