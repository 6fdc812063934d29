//! The decisions of a resumable parallel download, without I/O: which parts there are, what a
//! response is worth, what a failure means, what a checkpoint says and when it may be believed.
//!
//! Nothing here reads a clock, a file, a socket or a source of randomness; all that comes in as
//! values. Object bytes never enter. Nothing panics on any input.
//!
//! - [`ByteRange`], [`PartPlan`], [`PartSet`]: what is fetched, and what of it is done;
//! - [`ObjectIdentity`], [`judge`]: whether a response is of the object and of the range asked for;
//! - [`Failure`], [`Backoff`], [`retry_after`]: what to do about one that is not;
//! - [`Crc64`], [`combine`], [`CrcAccumulator`]: the CRC of an object from those of its parts;
//! - [`Header`], [`Bind`], [`SlotCodec`]: the checkpoint file; [`admit`]: what to do with one found;
//! - [`session::Session`]: the state machine that ties them together.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

extern crate alloc;

mod backoff;
mod checkpoint;
mod content_range;
mod crc64;
mod decimal;
mod failure;
mod identity;
mod part_set;
mod plan;
mod range;
mod resume;
mod retry_pace;
mod rng;
pub mod session;
mod sip;
mod verdict;

pub use backoff::{Backoff, MAX_RETRY_AFTER, retry_after};
pub use checkpoint::{
    Bind, Checkpoint, CheckpointError, CheckpointField, HEADER_LEN, Header, LoadSummary, Locator,
    SLOT_LEN, SLOTS_OFFSET, SessionId, Slot, SlotCodec, SourceKind, file_len,
};
pub use content_range::{ContentRange, ContentRangeError};
pub use crc64::{Crc64, CrcAccumulator, combine, crc64};
pub use failure::Failure;
pub use identity::{IdentityField, ObjectIdentity};
pub use part_set::PartSet;
pub use plan::{MAX_PARTS, PartIndex, PartPlan, PartSize, PartSizeError};
pub use range::{ByteRange, RangeHeader};
pub use resume::{Admission, ExtentRequest, FreshReason, RefuseReason, Wanted, admit, same_object};
pub use retry_pace::RetryPace;
pub use rng::Jitter;
pub use sip::{siphash24, siphash24_words};
pub use verdict::{Expectation, Rejection, ResponseHead, Verdict, judge, parse_crc64};

use decimal::decimal;
