//! Classes as text: their names if there are several, and the number of classes that are not granted to this
//! node.

use std::io::{self, Write};

use chuan_api::outcome::ClassRow;
use unicode_width::UnicodeWidthStr;

use super::{Align, bytes, counted, pad};

/// One line per class, if there are several.
pub(super) fn several(out: &mut impl Write, classes: &[ClassRow]) -> io::Result<()> {
    if classes.len() < 2 {
        return Ok(());
    }
    let width = classes.iter().map(|class| class.name.width()).max().unwrap_or_default();
    classes.iter().try_for_each(|class| {
        let name = pad(&class.name, width, Align::Left);
        writeln!(out, "  {name}  {}, {}", counted(class.files, "file"), bytes(class.bytes))
    })
}

/// The classes that a listing does not show.
pub(super) fn absent(out: &mut impl Write, classes: u64) -> io::Result<()> {
    match classes {
        0 => Ok(()),
        1 => writeln!(out, "1 class is not granted here"),
        several => writeln!(out, "{several} classes are not granted here"),
    }
}

/// The classes that are granted and that the release does not have.
pub(super) fn not_in_release(out: &mut impl Write, classes: &[String]) -> io::Result<()> {
    classes.iter().try_for_each(|class| {
        writeln!(out, "! class {class} is granted here, and the release has no such class")
    })
}

/// The classes that were left out for the age of the channel.
pub(super) fn stale(out: &mut impl Write, classes: &[String]) -> io::Result<()> {
    classes.iter().try_for_each(|class| {
        writeln!(
            out,
            "! class {class} was left out: the channel is older than it allows; name the release by its number to read it"
        )
    })
}

/// The classes of a channel's release in a table.
pub(super) fn names(classes: &[String], absent: u64) -> String {
    let names = classes.join(",");
    match absent {
        0 => names,
        absent => format!("{names} ({absent} not granted)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_class_is_not_listed() {
        let class = |name: &str| ClassRow { name: name.into(), files: 2, bytes: 5, ..ClassRow::default() };
        let text = |classes: &[ClassRow], missing| {
            let mut out = Vec::new();
            several(&mut out, classes).unwrap();
            absent(&mut out, missing).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(&[class("default")], 0), "");
        let two = text(&[class("default"), class("电影")], 2);
        assert_eq!(two, "  default  2 files, 5 B\n  电影     2 files, 5 B\n2 classes are not granted here\n");
        assert_eq!(names(&["a".into(), "b".into()], 1), "a,b (1 not granted)");
    }
}
