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
        let mut count = 0;
        for item in fs::read_dir(&folder).with_context(|| format!("no corpus for {name} in {}", folder.display()))? {
            target(&fs::read(item?.path())?);
            count += 1;
        }
        ensure!(count > 0, "the corpus of {name} is empty");
    }
    Ok(())
}
