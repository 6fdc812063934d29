//! Downloads onto a file system in user space that does what it is told: loses what was not
//! synced, fails, is slow, has no locks.

mod disk;
mod fault;
mod model;
mod mount;
mod run;
mod scene;
mod serve;
mod story;
mod trouble;

pub(crate) use fault::{CHANGES, Effect, Fault, Operation, Role};
pub(crate) use model::{Pages, Tearing};
pub(crate) use scene::{Download, Scene, Site};
pub(crate) use story::{Tally, tell};
pub(crate) use trouble::Trouble;
