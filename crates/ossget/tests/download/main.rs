//! Downloads through the public API, against the simulator.

mod asking;
mod recovering;
mod rig;
mod whole;
