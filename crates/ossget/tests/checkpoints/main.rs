//! What unfinished downloads leave, as the functions of `ossget::checkpoint` tell, remove and
//! clean it.
#![allow(clippy::unwrap_used, reason = "clippy knows the test functions, not what they share")]

mod cleaning;
mod elsewhere;
mod listing;
mod removing;
mod rig;
mod showing;
