//! The wire between two nodes: requests and answers as bytes, in turns.

use super::*;

/// What arrives of an answer; see [`Pair::pull_with`].
pub(in crate::sync) type Meddle<'a> = &'a mut dyn FnMut(u64, Vec<Vec<u8>>) -> Vec<Vec<u8>>;

/// Fetches from one node into another, over a wire that `meddle` makes worse. What came is made durable; the puller's
/// library is as it was until its [`restart`](Node::restart).
pub(in crate::sync) fn fetch_from(
    source: &Node,
    puller: &Node,
    want: Want,
    options: Options,
    meddle: Meddle<'_>,
) -> Result<Pulled> {
    fetch_noting(source, puller, want, options, meddle, &mut Vec::new())
}

/// The same; notes in `asked` what is asked.
pub(super) fn fetch_noting(
    source: &Node,
    puller: &Node,
    want: Want,
    options: Options,
    meddle: Meddle<'_>,
    asked: &mut Vec<Bytes>,
) -> Result<Pulled> {
    let store: Arc<dyn Objects> = Arc::clone(&puller.store) as _;
    let ledger: Arc<dyn Ledger> = Arc::clone(&puller.ledger) as _;
    let mut fetch = Fetch::new(store, ledger, puller.library.clone(), want, NOW_MS, options)?;
    let went = run(source, &puller.id, &mut fetch, meddle, asked);
    match went {
        Ok((bytes_out, bytes_in)) => Ok(Pulled { report: fetch.report().clone(), bytes_out, bytes_in }),
        Err(error) => {
            fetch.suspend()?;
            Err(error)
        }
    }
}

/// Carries requests and answers until nothing is asked any more. Gives the bytes that went out and came in: of an answer that
/// is stopped, only what was taken of it.
fn run(
    source: &Node,
    puller: &NodeId,
    fetch: &mut Fetch,
    meddle: Meddle<'_>,
    asked: &mut Vec<Bytes>,
) -> Result<(usize, usize)> {
    let (mut bytes_out, mut bytes_in) = (0, 0);
    let mut answers: Vec<(u64, std::vec::IntoIter<Vec<u8>>, Assembler)> = Vec::new();
    loop {
        while let Some((id, request)) = fetch.poll_request()? {
            assert!(answers.len() < 2, "too many requests under way");
            let encoded = Frame::Request(request).encode()?;
            bytes_out += encoded.len();
            asked.push(encoded.payload.clone());
            let request = Request::decode(&encoded.payload)?;
            let frames = meddle(id, answer(source, puller, request).iter().map(to_bytes).collect());
            answers.push((id, frames.into_iter(), Assembler::default()));
        }
        if answers.is_empty() {
            return Ok((bytes_out, bytes_in));
        }
        // Answers take turns, frame by frame, so that two under way are mixed.
        let (id, mut frames, mut assembler) = answers.remove(0);
        match frames.next() {
            Some(bytes) => {
                bytes_in += bytes.len();
                assembler.push(bytes.into());
                while let Some(frame) = assembler.next()? {
                    fetch.handle(id, frame)?;
                }
                answers.push((id, frames, assembler));
                while let Some(stopped) = fetch.poll_stop() {
                    answers.retain(|(id, ..)| *id != stopped);
                }
            }
            None if assembler.is_between() => fetch.handle_end(id)?,
            None => return Err(Error::Peer("the stream was cut".into())),
        }
    }
}

/// What a pull came to.
#[derive(Clone, Debug)]
pub(in crate::sync) struct Pulled {
    pub(in crate::sync) report: Report,
    pub(in crate::sync) bytes_out: usize,
    pub(in crate::sync) bytes_in: usize,
}

/// What `node` sends to `peer`, a refusal included.
pub(in crate::sync) fn answer(node: &Node, peer: &NodeId, request: Request) -> Vec<Frame> {
    let mut frames = Vec::new();
    let went = Answer::new(Arc::clone(&node.store) as _, &*node.ledger, &node.library, request, peer, NOW_MS)
        .and_then(|answer| {
            answer.run(&mut |frame| {
                frames.push(frame);
                true
            })
        });
    if let Err(error) = went {
        frames.push(Frame::Error(Refusal::of(&error)));
    }
    frames
}

pub(in crate::sync) fn to_bytes(frame: &Frame) -> Vec<u8> {
    let encoded = frame.encode().unwrap();
    [encoded.head, encoded.payload].concat()
}
