//! The hyper transport against servers on loopback.
#![cfg(feature = "hyper")]
#![allow(clippy::unwrap_used, reason = "clippy knows the test functions, not what they share")]

mod faults;
mod proxy;
mod reuse;
mod server;
mod shape;
mod sized;
mod socks;
mod tls;
