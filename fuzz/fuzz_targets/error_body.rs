//! Drives `ossget_fuzz::error_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ossget_fuzz::error_body(bytes));
