//! Serves a range of a file: writes it to standard output, each byte verified.
//!
//! ```text
//! cargo run --example range -- HOME LIBRARY PATH 0-1048575
//! ```

use std::{
    error::Error,
    io::{self, Write},
};

use chuan::{Node, command::ByteRange, handle::Channel};

/// Writes a range of a file of the channel `live` to `out`.
pub(crate) async fn run(
    node: &Node,
    library: &str,
    path: &str,
    range: ByteRange,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let library = node.library(library).await?;
    let file = library.file(Channel::LIVE, path).await?;
    let (start, len) = range.within(file.len())?;
    eprintln!("bytes {start} to {} of {}, etag \"{}\"", start + len, file.len(), file.etag());
    let mut reader = file.reader(start..start + len);
    while let Some(bytes) = reader.next().await? {
        out.write_all(&bytes)?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [home, library, path, range] = args.as_slice() else {
        return Err("usage: range HOME LIBRARY PATH A-B".into());
    };
    let node = Node::open(home).await?;
    run(&node, library, path, range.parse()?, &mut io::stdout()).await?;
    node.close().await;
    Ok(())
}
