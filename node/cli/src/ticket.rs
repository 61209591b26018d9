//! The ticket of `join`: from standard input, a file, a variable or the command line. A ticket holds a
//! secret, and other users of a machine can see the arguments of a process. The text may be all that `invite`
//! printed: the ticket begins at the line with its prefix.

use std::{
    env,
    fs::File,
    io::{self, Read},
};

use chuan::engine::statement::{Ticket, ticket::PREFIX};
use chuan_api::{
    command::{Command, Join},
    exit::{Failure, Result},
};

/// The variable with the ticket.
const VARIABLE: &str = "CHUAN_TICKET";
/// The argument in place of a ticket that is read from standard input.
const FROM_INPUT: &str = "-";
/// Most bytes that are read: a long ticket, wrapped and with marks of line ends.
const MOST_BYTES: u64 = 64 * 1024;

/// The command with the text of its ticket, if it is a `join`. Blocks on standard input.
///
/// # Errors
///
/// No ticket is given, or it cannot be read.
pub(super) fn resolve(command: Command) -> Result<Command> {
    let Command::Join(join) = command else { return Ok(command) };
    let ticket = match &join.ticket_file {
        Some(path) => {
            let opened = File::open(path);
            read(opened.map_err(|error| Failure::io(format!("open {}", path.display()), error))?)
                .map_err(|failure| failure.about(path))?
        }
        None if join.ticket == FROM_INPUT => read(io::stdin().lock())?,
        None if join.ticket.is_empty() => env::var(VARIABLE).map_err(|_| {
            Failure::usage(format!(
                "no ticket is given; pipe it into `chuan join -`, name its file with --ticket-file, or set {VARIABLE}"
            ))
        })?,
        None => join.ticket,
    };
    Ok(Command::Join(Join { ticket: ticket_in(&ticket).to_owned(), ticket_file: None }))
}

/// The ticket in a text: the first line that begins with its prefix, and the lines behind it where the ticket
/// is wrapped. The whole text where no line begins so: the error then says what a ticket looks like.
fn ticket_in(text: &str) -> &str {
    let is_beginning = |line: &&str| {
        let start = line.trim_start().get(..PREFIX.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
    };
    let Some(line) = text.lines().find(is_beginning) else { return text };
    match Ticket::parse(line) {
        Ok(_) => line,
        Err(_) => text.find(line).and_then(|at| text.get(at..)).unwrap_or(text),
    }
}

fn read(source: impl Read) -> Result<String> {
    let mut text = String::new();
    let read = source.take(MOST_BYTES).read_to_string(&mut text);
    read.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => Failure::invalid("this is not a ticket: it is not text"),
        _ => Failure::io("read the ticket", error),
    })?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use chuan::engine::{
        id::{LibraryId, StatementId},
        statement::Key,
    };

    use super::*;

    /// Symptom: `chuan invite films > ticket.txt; chuan join - < ticket.txt` ended with "this is not a
    /// ticket": the text begins with two lines for people.
    #[test]
    fn a_ticket_is_found_in_the_text_around_it() {
        let key = Key::from_seed([1; 32]);
        let issuer = key.public().node();
        let ticket = Ticket {
            addresses: vec!["192.0.2.1:4040".into()],
            issuer,
            library: LibraryId::of(b"l"),
            label: "films".into(),
            root_version: 1,
            expires_ms: 1,
            redeemers: vec![issuer],
            key,
            statement: StatementId::of(b"t"),
        };
        let text = ticket.to_text().unwrap();
        let (one, two) = text.split_at(40);
        let lines = [
            text.clone(),
            format!("ticket for films, for 1 node:\n! a note\n{text}\n"),
            format!("ticket for films:\r\n  {}\r\nGreetings\r\n", text.to_uppercase()),
            format!("ticket for films:\n{one}\n{two}\n"),
        ];
        for given in lines {
            let found = Ticket::parse(ticket_in(&given)).unwrap();
            assert_eq!(found.to_text().unwrap(), text, "{given}");
        }
        assert_eq!(ticket_in("no ticket here"), "no ticket here");
    }
}
