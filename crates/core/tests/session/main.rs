//! What a session decides, one behaviour a test.

mod deciding;
mod doubting;
mod fetching;
mod play;
mod searching;
mod soup;
mod surviving;
mod watching;
