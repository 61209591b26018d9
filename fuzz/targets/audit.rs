//! libFuzzer's entry to the target `audit`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = chuan_fuzz::targets::AUDIT.run(bytes);
});
