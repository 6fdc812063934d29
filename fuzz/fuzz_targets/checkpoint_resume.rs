//! Drives `ossget_fuzz::checkpoint_resume`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ossget_fuzz::checkpoint_resume(bytes));
