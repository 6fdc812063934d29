//! A simulator with a bucket.

use ossget::{Client, Credentials, StaticCredentials};
use ossget_testkit::Simulator;

pub(crate) const BUCKET: &str = "examplebucket";

/// A simulator with a bucket.
pub(crate) async fn simulator() -> Simulator {
    Simulator::builder().bucket(BUCKET).credentials("id", "secret").start().await
}

/// A client of its own for the simulator.
pub(crate) fn client(sim: &Simulator) -> Client {
    let credentials = StaticCredentials::new(Credentials::new("id", "secret").unwrap());
    Client::builder(sim.endpoint(), credentials).region("cn-hangzhou").build().unwrap()
}
