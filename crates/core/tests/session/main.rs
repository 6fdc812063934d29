//! What a session decides, one behaviour a test.

mod deciding;
mod fetching;
mod play;
mod soup;
