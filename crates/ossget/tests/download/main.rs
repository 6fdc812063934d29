//! Downloads through the public API, against the simulator.
#![allow(clippy::unwrap_used, reason = "clippy knows the test functions, not what they share")]

mod asking;
mod bandwidth;
mod direct;
mod memory;
mod opening;
mod panicking;
mod processed;
mod recovering;
mod refusing;
mod rig;
mod slow_sync;
mod slow_write;
mod starting_over;
mod there;
mod trusting;
mod unsynced;
mod whole;
