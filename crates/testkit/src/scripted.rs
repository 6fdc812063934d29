//! A small server for one object that does with each response exactly what a script says.
//!
//! The [`Simulator`](crate::Simulator) is the service with faults; this is the opposite: a socket, in
//! plain text or over TLS, whose bytes a test decides one by one. Left alone it answers HEAD and ranged
//! GET of any key as the service does, without looking at signatures.
//!
//! A [`Script`] is a list of [`Step`]s along the right response, which counts from the first byte of
//! the status line. Whatever a step does, it does at exactly the [`Place`] it names.
//!
//! ```
//! use ossget_testkit::scripted::{Ending, Place, Script, ScriptedServer, Step};
//! use ossget_testkit::{Content, On};
//!
//! # fn example() -> std::io::Result<()> {
//! let server = ScriptedServer::start(Content::generated(1, 1_000_000))?;
//! // The first response that holds byte 500,000 of the object ends before it.
//! let cut = [Step::UpTo(Place::Object(500_000)), Step::End(Ending::Rst)];
//! server.script(On::get().covering(500_000), Script::new(cut));
//! // ... download from server.endpoint() ...
//! assert!(server.exchanges().iter().all(|exchange| exchange.sent <= 500_000));
//! # Ok(())
//! # }
//! ```

mod answer;
mod connection;
mod script;
mod server;
mod tls;

pub use connection::Exchange;
pub use script::{Ending, Place, Script, Step};
pub use server::{ScriptedServer, ScriptedServerBuilder};
pub use tls::{Authority, Certificate};
