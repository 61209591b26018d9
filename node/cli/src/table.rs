//! Plain aligned tables: no lines, two spaces between columns, widths in terminal cells (a Chinese character
//! takes two).

use unicode_width::UnicodeWidthStr;

/// The alignment of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Rows of text under headings.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings. A heading that begins with `>` aligns its column to the right.
    pub(super) fn new(headings: &[&str]) -> Self {
        let columns =
            headings.iter().map(|h| if h.starts_with('>') { Align::Right } else { Align::Left }).collect();
        let first = headings.iter().map(|heading| heading.trim_start_matches('>').to_owned()).collect();
        Self { columns, rows: vec![first] }
    }

    /// Adds a row.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
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
        let mut table = Table::new(&["NAME", ">SIZE", "ID"]);
        table.row(["流浪地球".into(), "1".into(), "a".into()]);
        table.row(["film".into(), "1,234".into(), String::new()]);
        assert_eq!(table.lines(), ["NAME       SIZE  ID", "流浪地球      1  a", "film      1,234"]);
    }
}
