//! Properties that hold for any input. One program, so that it is linked once.

mod backoff;
mod checkpoint;
mod content_range;
mod crc64;
mod part_set;
mod plan;
mod sip;
mod verdict;
