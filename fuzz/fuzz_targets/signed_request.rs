//! Drives `ossget_fuzz::signed_request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ossget_fuzz::signed_request(bytes));
