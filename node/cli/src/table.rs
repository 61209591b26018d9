//! Plain aligned tables: no lines, two spaces between columns, widths in terminal cells (a Chinese character
//! takes two).

use unicode_width::UnicodeWidthStr;

use super::escape::line;

/// The alignment of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// The heading of a column.
#[derive(Debug)]
pub(super) struct Heading {
    align: Align,
    text: String,
}

/// A column that is aligned to the left.
pub(super) fn left(text: String) -> Heading {
    Heading { align: Align::Left, text }
}

/// A column that is aligned to the right, for numbers.
pub(super) fn right(text: String) -> Heading {
    Heading { align: Align::Right, text }
}

/// Rows of text under headings.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub(super) fn new(headings: &[Heading]) -> Self {
        let columns = headings.iter().map(|heading| heading.align).collect();
        let first = headings.iter().map(|heading| heading.text.clone()).collect();
        Self { columns, rows: vec![first] }
    }

    /// Adds a row. A line break in a cell is shown as its code: a cell never begins a line.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.iter().map(|cell| line(cell)).collect());
    }

    /// The lines of the table, without trailing spaces.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut widths = vec![0; self.columns.len()];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let line = |row: &Vec<String>| {
            let cells: Vec<_> = row
                .iter()
                .zip(&widths)
                .zip(&self.columns)
                .map(|((cell, width), align)| pad(cell, *width, *align))
                .collect();
            cells.join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}

/// Fills `text` up to `width` cells.
pub(super) fn pad(text: &str, width: usize, align: Align) -> String {
    let blanks = " ".repeat(width.saturating_sub(text.width()));
    match align {
        Align::Left => format!("{text}{blanks}"),
        Align::Right => format!("{blanks}{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_names_keep_columns_straight() {
        let mut table = Table::new(&[left("NAME".into()), right("SIZE".into()), left("ID".into())]);
        table.row(["流浪地球".into(), "1".into(), "a".into()]);
        table.row(["film".into(), "1,234".into(), String::new()]);
        assert_eq!(table.lines(), ["NAME       SIZE  ID", "流浪地球      1  a", "film      1,234"]);
        let mut table = Table::new(&[left("名称".into()), right("大小".into()), left("标识".into())]);
        table.row(["a".into(), "1".into(), "b".into()]);
        assert_eq!(table.lines(), ["名称  大小  标识", "a        1  b"]);
    }
}
