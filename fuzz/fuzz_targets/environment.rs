//! Drives `ossget_fuzz::environment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ossget_fuzz::environment(bytes));
