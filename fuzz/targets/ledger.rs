//! libFuzzer's entry to [`chuan_fuzz::ledger`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    chuan_fuzz::ledger(bytes);
});
