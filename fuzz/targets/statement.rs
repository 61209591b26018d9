//! libFuzzer's entry to [`chuan_fuzz::statement`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    chuan_fuzz::statement(bytes);
});
