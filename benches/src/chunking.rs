//! The chunker compared with the crate whose cut points it guarantees, on the same bytes in memory, one
//! thread each.

use anyhow::{Result, ensure};
use chuan_benches::process::timed;
use chuan_engine::chunk::{Profile, cut};
use chuan_tests::rng::Rng;
use fastcdc::v2020::{FastCDC, Normalization};

use crate::report::{Figure, Report};

const MOST_BYTES: u64 = 256 << 20;

pub(crate) fn run(report: &mut Report, bytes: u64) -> Result<()> {
    let data = Rng::new(1).bytes(usize::try_from(bytes.min(MOST_BYTES))?);
    let profile = Profile::Video;
    let (ours, our_time) = timed(|| {
        let mut rest = data.as_slice();
        let mut cuts = 0u64;
        while !rest.is_empty() {
            let (_, after) = rest.split_at(cut::next(profile, rest).min(rest.len()));
            rest = after;
            cuts += 1;
        }
        Ok(cuts)
    })?;
    let (theirs, their_time) = timed(|| {
        let level = Normalization::Level1;
        let sizes = (profile.min(), profile.avg(), profile.max());
        Ok(FastCDC::with_level(&data, sizes.0, sizes.1, sizes.2, level).count() as u64)
    })?;
    ensure!(ours == theirs, "the chunker cut {ours} chunks, the crate {theirs}: they must be the same");
    report.add(Figure::Chunker, data.len() as u64, our_time, their_time);
    Ok(())
}
