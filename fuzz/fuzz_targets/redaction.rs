//! Drives `ossget_fuzz::redaction`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ossget_fuzz::redaction(bytes));
