//! Standard output: text or one JSON object; rows and bytes are written as they arrive. A reader that closes
//! the pipe (`| head`) ends the work; that is no error.

use std::io::{self, StdoutLock, Write};

use chuan_api::{
    exit::Failure,
    outcome::{Outcome, Row},
};
use serde_json::Value;

use super::{escape, flags::typed, render};

/// The writer of answers.
#[derive(Debug)]
pub(super) struct Output<W = io::BufWriter<StdoutLock<'static>>> {
    out: W,
    json: bool,
    /// The field of the JSON object that holds the rows.
    rows_name: Option<&'static str>,
    rows: u64,
    /// Whether bytes of content were written.
    content: bool,
    closed: bool,
}

impl Output {
    /// The process's standard output. `command` decides the name of the field for rows.
    pub(super) fn stdout(json: bool, command: &str) -> Self {
        Self::new(io::BufWriter::new(io::stdout().lock()), json, command)
    }
}

impl<W: Write> Output<W> {
    fn new(out: W, json: bool, command: &str) -> Self {
        Self { out, json, rows_name: Outcome::rows_name(command), rows: 0, content: false, closed: false }
    }

    /// Whether the reader has closed the pipe. Then all writes do nothing.
    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes one line of a listing.
    pub(super) fn row(&mut self, row: &Row) -> Result<(), Failure> {
        let first = self.rows == 0;
        self.rows += 1;
        if !self.json {
            return self.text(|out| render::row(out, row));
        }
        let Some(name) = self.rows_name else { return Ok(()) };
        self.write(|out| {
            if first {
                write!(out, "{{\"{name}\":[")?;
            } else {
                out.write_all(b",")?;
            }
            out.write_all(b"\n")?;
            out.write_all(escape::json(&row.object().to_string()).as_bytes())
        })
    }

    /// Writes content.
    pub(super) fn data(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.content = true;
        self.write(|out| out.write_all(data))
    }

    /// Writes the answer and flushes.
    pub(super) fn outcome(&mut self, outcome: &Outcome) -> Result<(), Failure> {
        match (self.json, outcome) {
            // The answer is bytes: an object after them would be read as content.
            (_, Outcome::Cat(_)) => {}
            (_, Outcome::AuditExport(exported)) if exported.file.is_none() => {}
            (true, _) => self.object(&outcome.object())?,
            (false, _) => self.text(|out| {
                let mut text = Vec::new();
                render::outcome(&mut text, outcome)?;
                out.write_all(typed(&String::from_utf8_lossy(&text)).as_bytes())
            })?,
        }
        self.flush()
    }

    /// Writes a failure under JSON, on a line of its own, and flushes. Rows or content before it stay an
    /// unfinished object.
    pub(super) fn failure(&mut self, failure: &Failure) -> Result<(), Failure> {
        if self.json {
            let lead = if self.rows > 0 || self.content { "\n" } else { "" };
            let object = escape::json(&failure.object().to_string());
            self.write(|out| writeln!(out, "{lead}{object}"))?;
        }
        self.flush()
    }

    /// Writes a line of text, or an object of its own under JSON, and flushes.
    pub(super) fn line(&mut self, text: &str, object: &Value) -> Result<(), Failure> {
        let line = if self.json { escape::json(&object.to_string()) } else { escape::line(text) };
        self.write(|out| writeln!(out, "{line}"))?;
        self.flush()
    }

    fn object(&mut self, object: &Value) -> Result<(), Failure> {
        let object = escape::json(&object.to_string());
        let Some(name) = self.rows_name else { return self.write(|out| writeln!(out, "{object}")) };
        let opened = self.rows > 0;
        self.write(|out| {
            if !opened {
                write!(out, "{{\"{name}\":[")?;
            }
            // The fields of the object follow the list; its opening brace is already written.
            let fields = object.strip_prefix('{').unwrap_or("}");
            let comma = if fields == "}" { "" } else { "," };
            writeln!(out, "]{comma}{fields}")
        })
    }

    /// Writes out the buffer.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.write(Write::flush)
    }

    /// Writes text for people.
    fn text(&mut self, render: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<(), Failure> {
        self.write(|out| {
            let mut text = Vec::new();
            render(&mut text)?;
            out.write_all(escape::lines(&String::from_utf8_lossy(&text)).as_bytes())
        })
    }

    fn write(&mut self, write: impl FnOnce(&mut W) -> io::Result<()>) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        match write(&mut self.out) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            result => result.map_err(|error| Failure::io("write to standard output", error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chuan_api::outcome::{Differed, Listed};

    fn change(path: &str) -> Row {
        Row::Change { path: path.into(), change: "added".into(), size_old: None, size_new: Some(1) }
    }

    #[test]
    fn rows_and_answer_make_one_object() {
        for rows in 0..3 {
            let mut output = Output::new(Vec::new(), true, "diff");
            for row in 0..rows {
                output.row(&change(&row.to_string())).unwrap();
            }
            output.outcome(&Outcome::Diff(Differed { added: rows, ..Differed::default() })).unwrap();
            let object: Value = serde_json::from_slice(&output.out).unwrap();
            assert_eq!(object["changes"].as_array().unwrap().len() as u64, rows);
            assert_eq!(object["added"], rows);
        }
    }

    #[test]
    fn a_failure_after_rows_is_still_the_last_line() {
        let mut output = Output::new(Vec::new(), true, "ls");
        output.row(&change("a")).unwrap();
        output.failure(&Failure::missing("gone")).unwrap();
        let text = String::from_utf8(output.out).unwrap();
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(last["error"]["exit"], 3);
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut output = Output::new(Closed, false, "ls");
        output.row(&change("a")).unwrap();
        assert!(output.is_closed());
        output.outcome(&Outcome::Ls(Listed::default())).unwrap();
    }
}
