//! libFuzzer's entry to [`chuan_fuzz::root`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    chuan_fuzz::root(bytes);
});
