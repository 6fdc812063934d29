//! What the end-to-end tests share: the built binaries, a simulator, a folder, and looks at what
//! a run left there.

#![forbid(unsafe_code)]

mod binaries;
mod checkpoint;
mod rig;

pub use binaries::binary;
pub use checkpoint::{Remains, remains};
pub use rig::{Ended, Rig, covered, total_len};
