//! Drives `ossget_fuzz::server_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ossget_fuzz::server_answer(bytes));
