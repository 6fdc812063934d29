//! The bodies of the fuzz targets: what must hold of any input, as plain functions.
//!
//! libFuzzer drives them through `fuzz_targets/`, which needs `cargo-fuzz`; the tests of this
//! crate drive them with the seeds and with random changes of these, on any. A body panics where
//! something does not hold.

#![deny(unsafe_code)]
#![allow(clippy::missing_panics_doc, reason = "a body panics where what it says does not hold")]

mod allocation;
mod answers;
mod canned;
mod checkpoints;
mod input;
mod names;
mod resuming;
mod secrets;
mod sessions;
mod signing;
mod wire;

pub use answers::{content_range, error_body, response_head, server_answer, server_time};
pub use checkpoints::{checkpoint_header, checkpoint_load, checkpoint_slots, load_seeds};
pub use names::{endpoint, key_to_path, object_name};
pub use resuming::checkpoint_resume;
pub use secrets::{environment, redaction};
pub use sessions::{part_plan, session_events};
pub use signing::signed_request;
pub use wire::wire;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, also that of the folder of its seeds.
    pub name: &'static str,
    /// Its body.
    pub body: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "checkpoint_header", body: checkpoint_header },
    Target { name: "checkpoint_slots", body: checkpoint_slots },
    Target { name: "checkpoint_load", body: checkpoint_load },
    Target { name: "checkpoint_resume", body: checkpoint_resume },
    Target { name: "response_head", body: response_head },
    Target { name: "content_range", body: content_range },
    Target { name: "error_body", body: error_body },
    Target { name: "server_time", body: server_time },
    Target { name: "server_answer", body: server_answer },
    Target { name: "endpoint", body: endpoint },
    Target { name: "object_name", body: object_name },
    Target { name: "key_to_path", body: key_to_path },
    Target { name: "signed_request", body: signed_request },
    Target { name: "session_events", body: session_events },
    Target { name: "part_plan", body: part_plan },
    Target { name: "redaction", body: redaction },
    Target { name: "environment", body: environment },
    Target { name: "wire", body: wire },
];
