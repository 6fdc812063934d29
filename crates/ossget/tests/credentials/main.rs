//! The sources of credentials against real files, real programs and services on the loopback
//! interface, and downloads whose credentials change on the way.
#![allow(clippy::unwrap_used, reason = "clippy knows the test functions, not what they share")]

mod chain;
mod metadata;
mod process;
mod profiles;
mod rig;
mod rotation;
mod sts;
mod uri;
