//! The header page of a checkpoint, damaged or made up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ossget_core::{HEADER_LEN, Header, siphash24};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check(&sealed(bytes));
});

fn check(page: &[u8]) {
    let Ok(header) = Header::decode(page) else { return };
    let again = header.encode().expect("what was decoded fits a page");
    assert_eq!(Header::decode(&again), Ok(header));
}

/// A page of these bytes with the beginning and the tag that make the decoder read on.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut page = bytes.to_vec();
    page.resize(HEADER_LEN, 0);
    page[..PREFIX.len()].copy_from_slice(PREFIX);
    let session: [u8; 16] = page[SESSION..SESSION + 16].try_into().expect("16 bytes");
    let tag = siphash24(&session, &page[..HEADER_LEN - 8]);
    page[HEADER_LEN - 8..].copy_from_slice(&tag.to_le_bytes());
    page
}

/// Magic, major and minor version.
const PREFIX: &[u8] = b"OSSGETC1\x01\x00\x00\x00";
const SESSION: usize = 64;
