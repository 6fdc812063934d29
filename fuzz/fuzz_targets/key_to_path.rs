//! Drives `ossget_fuzz::key_to_path`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ossget_fuzz::key_to_path(bytes));
