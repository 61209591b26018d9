//! The wire between two nodes: encoded requests and answers, in turns.

use super::*;

/// Changes the frames of an answer on the wire; see [`Pair::pull_with`].
pub(in crate::sync) type Meddle<'a> = &'a mut dyn FnMut(u64, Vec<Vec<u8>>) -> Vec<Vec<u8>>;

/// Fetches from one node into another, over a wire that `meddle` changes. Received data is made durable. The
/// puller's library is unchanged until its [`restart`](Node::restart).
pub(in crate::sync) fn fetch_from(
    source: &Node,
    puller: &Node,
    want: Want,
    options: Options,
    meddle: Meddle<'_>,
) -> Result<Pulled> {
    fetch_noting(source, puller, want, options, meddle, &mut Vec::new())
}

/// The same; records the requests in `asked`.
pub(super) fn fetch_noting(
    source: &Node,
    puller: &Node,
    want: Want,
    options: Options,
    meddle: Meddle<'_>,
    asked: &mut Vec<Bytes>,
) -> Result<Pulled> {
    let store: Arc<dyn Objects> = Arc::clone(&puller.store) as _;
    let channel = match &want {
        Want::Channel(channel) => channel.clone(),
        Want::Release(_) => LIVE.to_owned(),
    };
    let mut fetch = Fetch::new(store, puller.library.clone(), want, NOW_MS, options)?;
    let went = run(source, &puller.id, &mut fetch, meddle, asked);
    match went {
        Ok((bytes_out, bytes_in)) => {
            let report = fetch.report().clone();
            if report.done {
                adopt(puller, &channel, &report)?;
            }
            Ok(Pulled { report, bytes_out, bytes_in })
        }
        Err(error) => {
            fetch.suspend()?;
            Err(error)
        }
    }
}

/// Stores the statements of a fetch that is done, and moves the channel if that is onward, as a node does.
fn adopt(node: &Node, channel: &str, report: &Report) -> Result<()> {
    let before = node.stored();
    let mut library = before.clone();
    for outcome in library.offer_all(&report.statements, NOW_MS) {
        let _ = outcome?;
    }
    let record = |said: &Statement| match before.statement(&said.id()) {
        None => Some(Record::from(said)),
        Some(known) => (known != said).then(|| Record::countersigned(said)),
    };
    let kept = report.statements.iter().filter_map(|said| library.statement(&said.id()));
    let mut records: Vec<_> = kept.filter_map(record).collect();
    let refs = node.ledger.refs()?;
    let here = refs.iter().find(|at| at.library == library.id() && at.channel == channel);
    let onward = takeable(&library, channel, here).into_iter();
    let moved = onward.filter(|takeable| Some(takeable.release) == report.release).map(|to| {
        let channel = channel.to_owned();
        let (statement, release, sequence) = (to.statement, to.release, to.sequence);
        Record::Ref(RefMove { library: library.id(), channel, statement, release, sequence })
    });
    records.extend(moved.take(1));
    if !records.is_empty() {
        node.ledger.append(records)?;
    }
    Ok(())
}

/// Carries requests and answers until there is no further request. Returns the bytes that went out and came
/// in; of a stopped answer only the frames before the stop are counted.
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
        // Answers take turns frame by frame, so that the frames of two outstanding answers are mixed.
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

/// The result of a pull.
#[derive(Clone, Debug)]
pub(in crate::sync) struct Pulled {
    pub(in crate::sync) report: Report,
    pub(in crate::sync) bytes_out: usize,
    pub(in crate::sync) bytes_in: usize,
}

/// The frames that `node` sends to `peer`, a refusal included.
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
