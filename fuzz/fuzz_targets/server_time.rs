//! Drives `ossget_fuzz::server_time`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ossget_fuzz::server_time(bytes));
