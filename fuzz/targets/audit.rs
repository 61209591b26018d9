//! libFuzzer's entry to [`chuan_fuzz::audit`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    chuan_fuzz::audit(bytes);
});
