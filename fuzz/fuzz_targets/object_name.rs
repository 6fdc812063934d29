//! Drives `ossget_fuzz::object_name`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ossget_fuzz::object_name(bytes));
