//! What the end-to-end tests share: the built binaries, a simulator, a folder, and looks at what
//! a run left there.

#![deny(unsafe_code)]

mod binaries;
mod checkpoint;
#[cfg(target_os = "linux")]
mod disk;
pub mod keys;
#[cfg(target_os = "linux")]
mod memory;
mod rig;
mod rng;
mod skip;
#[cfg(target_os = "linux")]
mod system;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod trace;
mod wait;

pub use binaries::binary;
pub use checkpoint::{Remains, remains};
#[cfg(target_os = "linux")]
pub use disk::{Disk, Format, PowerCut, Tmpfs};
#[cfg(target_os = "linux")]
pub use memory::peak_memory;
pub use rig::{Ended, Rig, covered, difference, difference_in, names_in, total_len};
pub use rng::Rng;
pub use skip::skipped;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub use trace::{Call, Verdict, can_trace, trace};
pub use wait::wait_until;
