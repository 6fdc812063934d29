//! Downloads through the public API, against the simulator.

mod recovering;
mod rig;
mod whole;
