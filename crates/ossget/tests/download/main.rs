//! Downloads through the public API, against the simulator.

mod asking;
mod memory;
mod recovering;
mod rig;
mod slow_sync;
mod whole;
