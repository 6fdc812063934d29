//! Drives `ossget_fuzz::session_events`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ossget_fuzz::session_events(bytes));
