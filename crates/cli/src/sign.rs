//! `ossget sign`: a URL for others.

use crate::asked::{Asked, Waits};
use crate::environment::Environment;
use crate::exit;
use crate::get::runtime;
use crate::hi::usage;
use crate::low::{OutputArgs, RequestArgs, SignArgs};
use crate::output::{Failed, Screen, json_line, print, shown};
use crate::source::{Named, Source};
use ossget::{Error, ObjectUrl};
use serde::Serialize;
use std::time::UNIX_EPOCH;

/// Runs the command and returns its exit code.
pub(crate) fn run(low: &SignArgs, environment: &Environment) -> u8 {
    let mut screen = Screen::on_stderr(&OutputArgs::default(), environment);
    let source = Source::read(&low.source, &low.naming);
    let name = source.shown.clone();
    let told = sign(low, source, environment, &mut screen).and_then(|url| {
        print(&if low.json { json(&name, &url) } else { format!("{}\n", url.expose()) })
    });
    match told {
        Ok(()) => exit::DONE,
        Err(error) => {
            let exit_code = exit::code(error.kind(), None);
            screen.failure(&Failed { error, kept: None, exit_code }, &shown(&name));
            exit_code
        }
    }
}

fn sign(
    low: &SignArgs,
    source: Source,
    environment: &Environment,
    screen: &mut Screen,
) -> Result<ObjectUrl, Error> {
    if let Ok(Named::Url(_)) = source.named {
        return Err(usage("SRC is a URL: URLs are signed for oss://bucket/key only"));
    }
    let request = RequestArgs { request_payer: low.request_payer, ..RequestArgs::default() };
    let asked = Asked::new(source, &low.identity, &request, Waits::default(), environment)?;
    for warning in &asked.warnings {
        screen.warn(warning);
    }
    let runtime = runtime()?;
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
