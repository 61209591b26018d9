//! Classes as text: their names if there are several, and the number of classes that are not granted to this
//! node.

use std::io::{self, Write};

use chuan_api::outcome::ClassRow;
use unicode_width::UnicodeWidthStr;

use super::{Align, bytes, counted, pad, together};
use crate::{say, text};

/// One line per class, if there are several.
pub(super) fn several(out: &mut impl Write, classes: &[ClassRow]) -> io::Result<()> {
    if classes.len() < 2 {
        return Ok(());
    }
    let width = classes.iter().map(|class| class.name.width()).max().unwrap_or_default();
    classes.iter().try_for_each(|class| {
        let name = pad(&class.name, width, Align::Left);
        let content = text!("class-content", files = counted(class.files, "file"), size = bytes(class.bytes));
        writeln!(out, "  {name}  {content}")
    })
}

/// The classes that a listing does not show.
pub(super) fn absent(out: &mut impl Write, classes: u64) -> io::Result<()> {
    match classes {
        0 => Ok(()),
        classes => writeln!(out, "{}", counted(classes, "class not granted")),
    }
}

/// The classes that are granted and that the release does not have.
pub(super) fn not_in_release(out: &mut impl Write, classes: &[String]) -> io::Result<()> {
    classes.iter().try_for_each(|class| say!(out, "class-not-in-release", class = class))
}

/// The classes that were left out for the age of the channel.
pub(super) fn stale(out: &mut impl Write, classes: &[String]) -> io::Result<()> {
    classes.iter().try_for_each(|class| say!(out, "class-stale", class = class))
}

/// The classes of a channel's release in a table.
pub(super) fn names(classes: &[String], absent: u64) -> String {
    let names = together(classes);
    match absent {
        0 => names,
        absent => text!("class-names", names = names, number = absent),
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
        assert_eq!(
            two,
            "  default  2 files, 5 B\n  电影     2 files, 5 B\n2 classes are not granted, and not here\n"
        );
        assert_eq!(names(&["a".into(), "b".into()], 1), "a,b (1 not here)");
    }
}
