//! All of the crate's unsafe code: what no library has a safe wrapper for.
#![allow(unsafe_code, reason = "it is kept together here")]

pub(crate) mod pieces;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) mod writeback;
