//! Every committed fuzz input, and every seed, through the fuzz targets: a found bug stays found.

#[path = "../../fuzz/src/lib.rs"]
#[expect(clippy::expect_used, clippy::panic, reason = "a fuzz target reports by panicking")]
#[expect(unreachable_pub, reason = "the file is a crate of its own elsewhere")]
mod targets;

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

#[test]
fn every_corpus_input_is_clean() -> Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let folder = corpus.join(name);
        let mut taken = 0;
        for item in
            fs::read_dir(&folder).with_context(|| format!("no corpus for {name} in {}", folder.display()))?
        {
            taken += u32::from(target(&fs::read(item?.path())?));
        }
        // Else the format has moved on and the corpus has not: `cargo run -p chuan-tests --bin seeds`.
        ensure!(taken > 0, "nothing in the corpus of {name} is taken");
    }
    Ok(())
}
