//! One piece of work a run, the same each time, for `cargo xtask instructions` to count: a thousand
//! requests signed.

use http::{HeaderMap, HeaderValue, Method};
use ossget_sign::{Credentials, Request, SignError, Signer};
use std::time::{Duration, UNIX_EPOCH};

const REQUESTS: u64 = 1000;

fn main() -> Result<(), SignError> {
    match std::env::args().nth(1).as_deref() {
        Some("v4") => sign(&Signer::v4("cn-hangzhou")?),
        Some("v1") => sign(&Signer::v1()),
        // Asked by `cargo test --benches` and the like.
        _ => Ok(()),
    }
}

/// A second apart each, as attempts of a long download are.
fn sign(signer: &Signer) -> Result<(), SignError> {
    let credentials = Credentials::new("exampleid", "examplesecret")?;
    let mut headers = HeaderMap::new();
    headers.insert("range", HeaderValue::from_static("bytes=0-8388607"));
    headers.insert("x-oss-range-behavior", HeaderValue::from_static("standard"));
    let request = Request {
        method: &Method::GET,
        bucket: Some("examplebucket"),
        key: Some("exampledir/exampleobject.txt"),
        query: &[],
        headers: &headers,
    };
    for second in 0..REQUESTS {
        let time = UNIX_EPOCH + Duration::from_secs(1_741_507_507 + second);
        std::hint::black_box(signer.sign(&request, &credentials, time)?);
    }
    Ok(())
}
