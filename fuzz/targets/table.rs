//! libFuzzer's entry to the target `table`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = chuan_fuzz::targets::TABLE.run(bytes);
});
