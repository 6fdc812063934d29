//! Drives `ossget_fuzz::response_head`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ossget_fuzz::response_head(bytes));
