//! The download as a state machine without I/O.
//!
//! A [`Session`] decides; a driver acts. The driver reports what happened as [`Event`]s with the
//! time, takes [`Action`]s until there are none, and comes back at the [`Deadline`] at the
//! latest. Object bytes never enter here.
//!
//! # Laws
//!
//! 1. The same events in the same order give the same actions.
//! 2. recorded ⊆ durable ⊆ stored: a slot is written only after a sync *begun after* its part was
//!    stored has returned success, and a part with a slot is fetched again only after the slot is
//!    void, durably.
//! 3. At most `parallel` attempts are begun, and no byte belongs to two live attempts.
//! 4. Publishing needs every part stored, every kept part checked and the combined CRC equal to
//!    the server's, or the server's explicitly absent.
//! 5. Any event in any phase is safe. Without a pending action and an outstanding report there is
//!    a deadline, or the session is over.
//! 6. A failed attempt keeps what it wrote: the next one asks only for the rest.

mod action;
mod attempt;
mod commit;
mod commit_window;
mod config;
mod deadline;
mod doubt;
mod event;
mod handlers;
mod judgement;
mod limit;
mod machine;
mod moment;
mod progress;
mod ramp;
mod rehash;
mod retry;
mod schedule;
mod transfer;
mod watch;
mod window;

#[cfg(feature = "mutants")]
mod mutant;

pub use action::{Action, Integrity, Outcome, PrepareMode, Remains, SlotWrite, StopReason};
pub use attempt::AttemptId;
pub use commit::CommitId;
pub use config::{CrcPolicy, OnChange, Recording, ResumePolicy, ResumeVerify, SessionConfig};
pub use deadline::{Deadline, DeadlineReason};
pub use event::{Event, Examination, Handled, Piece, PreparedPartial, StorageTask};
pub use machine::Session;
pub use moment::Moment;
#[cfg(feature = "mutants")]
pub use mutant::Mutant;
pub use progress::{Phase, Progress};
