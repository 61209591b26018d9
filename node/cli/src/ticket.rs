//! The ticket of `join`: from standard input, a file, a variable or the command line. A ticket holds a
//! secret, and other users of a machine can see the arguments of a process.

use std::{
    env,
    fs::File,
    io::{self, Read},
};

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
    Ok(Command::Join(Join { ticket, ticket_file: None }))
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
