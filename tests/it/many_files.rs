//! A library of many small files. `CHUAN_FILES=100000` runs it at full size; the ordinary run is smaller.

use std::env;

use anyhow::{Context, Result, ensure};
use chuan_tests::{media, pair::Pair, program::number};

#[test]
fn many_small_files_publish_pull_and_restore_and_nothing_new_reads_nothing() -> Result<()> {
    let files = match env::var("CHUAN_FILES") {
        Ok(text) => text.parse().context("CHUAN_FILES is no number")?,
        Err(_) => 6_000,
    };
    let pair = Pair::new()?;
    media::small_files(&pair.library, files, 1)?;
    let published = pair.publish()?;
    ensure!(number(&published, "files")? == files, "{published}");
    wait_until_settled();
    // The first scan saw files younger than two seconds, which may still change unnoticed; the second scan is
    // the reference.
    pair.publish()?;
    let again = pair.publish()?;
    ensure!(number(&again, "bytes_read")? == 0, "a publish of nothing new read content: {again}");
    let seconds = again.get("seconds").and_then(serde_json::Value::as_f64).context("no `seconds`")?;
    ensure!(seconds < 3.0, "a publish of nothing new took {seconds} s");
    let _server = pair.connect()?;
    pair.pull()?;
    pair.check_restored()
}

/// A scan trusts only file times that are at least two seconds old.
fn wait_until_settled() {
    std::thread::sleep(std::time::Duration::from_millis(2100));
}
