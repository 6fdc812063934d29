//! Drives `ossget_fuzz::endpoint`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ossget_fuzz::endpoint(bytes));
