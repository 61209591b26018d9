//! libFuzzer's entry to [`chuan_fuzz::segment`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = chuan_fuzz::segment(bytes);
});
