//! An OSS simulator, fault scripts and mocks, for testing what talks to Alibaba Cloud OSS.
//!
//! The [`Simulator`] is an HTTP server on the loopback interface that checks signatures (V4 and
//! V1, header and query form), keeps objects of any size without storing them, follows the
//! service's range, precondition and listing rules, takes uploads in one piece and in parts, copies,
//! tags and deletions, and breaks off, stalls, slows down or lies exactly where a script of
//! [`Fault`]s tells it to. The official SDKs accept it.
//!
//! ```
//! use ossget_testkit::{Close, Content, Fault, On, Simulator};
//!
//! # async fn example() {
//! let sim = Simulator::builder().bucket("examplebucket").start().await;
//! sim.put_object("exampledir/exampleobject.txt", Content::generated(1, 1 << 40));
//! sim.fault(On::get().nth(3), Fault::CutAfter { bytes: 65_536, how: Close::Rst });
//! // ... download from sim.endpoint() with the key pair testid, testsecret ...
//! assert!(sim.requests().iter().all(|request| request.ended));
//! # }
//! ```
//!
//! The binary `ossget-sim` is the same server for other processes; [`FaultSpec`] documents the text
//! form of faults. The module [`scripted`] is a smaller server, in plain text or over TLS, that plays
//! a script of bytes for each request, [`loopback`] a still smaller one that answers by a function,
//! as services do that hand out credentials. The module [`mock`] mounts objects on wiremock for
//! applications' own tests.

#![forbid(unsafe_code)]

mod account;
mod buckets;
mod call;
mod claim;
mod clock;
mod conditions;
mod content;
mod control;
mod copying;
mod data_dir;
mod deletion;
mod document;
mod fault;
pub mod file_system;
mod generated;
mod gf2;
mod joined;
mod log;
pub mod loopback;
mod metadata;
pub mod mock;
mod multipart;
mod objects;
mod operations;
mod pace;
mod processing;
mod range;
mod refusal;
mod reply;
pub mod scripted;
mod service;
mod simulator;
mod spec;
mod store;
mod tagging;
mod tags;
mod terms;
mod upload_lists;
mod uploads;
mod wire;
mod xml;

pub use claim::SignatureForm;
pub use content::Content;
pub use fault::{Close, Fault, On};
pub use log::RequestRecord;
pub use service::Control;
pub use simulator::{Simulator, SimulatorBuilder};
pub use spec::{FaultSpec, ObjectSpec, SpecError, parse_size};
pub use store::Versioning;
