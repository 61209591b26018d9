//! libFuzzer's entry to the target `page`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = chuan_fuzz::targets::PAGE.run(bytes);
});
