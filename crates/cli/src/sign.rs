//! `ossget sign`: a URL for others.

use crate::asked::{Asked, Bounds};
use crate::environment::Environment;
use crate::hi::usage;
use crate::low::{OutputArgs, RequestArgs, SignArgs};
use crate::one_source::tell;
use crate::output::{Screen, json_line, print};
use crate::runtime::{Waits, runtime};
use crate::source::{Named, Source};
use ossget::{Error, ObjectUrl};
use serde::Serialize;
use std::time::UNIX_EPOCH;

/// Runs the command and returns its exit code.
pub(crate) fn run(low: &SignArgs, environment: &Environment) -> u8 {
    let source = Source::read(&low.source, &low.naming);
    let name = source.shown.clone();
    tell(source, &OutputArgs::default(), environment, |source, screen| {
        let url = sign(low, source, environment, screen)?;
        print(&if low.json { json(&name, &url) } else { format!("{}\n", url.expose()) })
    })
}

fn sign(
    low: &SignArgs,
    source: Source,
    environment: &Environment,
    screen: &mut Screen,
) -> Result<ObjectUrl, Error> {
    if let Ok(Named::Url(_) | Named::Store(_)) = source.named {
        return Err(usage("SRC is not in OSS: URLs are signed for oss://bucket/key only"));
    }
    let request = RequestArgs { request_payer: low.request_payer, ..RequestArgs::default() };
    let asked = Asked::new(source, &low.identity, &request, Bounds::default(), environment)?;
    for warning in &asked.warnings {
        screen.warn(warning);
    }
    let runtime = runtime(Waits::Never)?;
    let result = runtime.block_on(asked.client.sign_url(&asked.object, &low.query, low.expires));
    runtime.shutdown_background();
    result
}

fn json(source: &str, url: &ObjectUrl) -> String {
    let expires = url.expires().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let expires = expires.map(|at| at.as_secs());
    json_line(&Line { v: 1, source, url: &url.expose(), expires })
}

/// What `--json` writes.
#[derive(Debug, Serialize)]
struct Line<'a> {
    v: u8,
    source: &'a str,
    url: &'a str,
    /// Seconds since 1970; `null` for a URL that needs no signature.
    expires: Option<u64>,
}
