//! Faults of the network and of servers, by number of the fault catalogue: what the bytes on the
//! wire may be, and what the library makes of them.
#![allow(clippy::unwrap_used, reason = "clippy knows the test functions, not what they share")]

mod answers;
mod connection;
mod errors;
mod framing;
mod identity;
mod matrix;
mod rig;
mod service;
mod throttling;
