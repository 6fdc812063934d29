//! `ossget doctor`: what works on the way to an object, step by step, and what does not.

use crate::asked::{Asked, Bounds};
use crate::environment::Environment;
use crate::low::{DoctorArgs, OutputArgs};
use crate::one_source::tell;
use crate::output::{json_line, print, shown, whole_message};
use crate::runtime::{Waits, runtime};
use crate::source::Source;
use ossget::{ByteRange, Error, ErrorKind, ExtentRequest, ObjectStat};
use serde::Serialize;
use std::fmt::Write as _;
use std::net::ToSocketAddrs as _;
use std::time::{Duration, Instant, SystemTime};

/// Runs the command and returns its exit code: that of the first step that failed.
pub(crate) fn run(low: &DoctorArgs, environment: &Environment) -> u8 {
    let source = Source::read(&low.source, &low.reach.naming);
    tell(source, &OutputArgs::default(), environment, |source, _| {
        let mut examined = Vec::new();
        let outcome = examine(low, source, environment, &mut examined);
        let printed = print(&if low.json { json(&examined) } else { text(&examined) });
        outcome.and(printed)
    })
}

/// A step and what was found.
#[derive(Debug, Serialize)]
struct Step {
    v: u8,
    step: &'static str,
    ok: bool,
    found: String,
    milliseconds: u64,
}

/// Goes on until a step fails: what follows could only fail for the same reason.
fn examine(
    low: &DoctorArgs,
    source: Source,
    environment: &Environment,
    steps: &mut Vec<Step>,
) -> Result<(), Error> {
    let bounds = Bounds::new(low.reach.connect_timeout, Some(PATIENCE));
    let asked = step(steps, "configuration", || {
        let asked =
            Asked::new(source, &low.reach.identity, &low.reach.request, bounds, environment)?;
        let found = format!("credentials: {}", asked.account);
        Ok((asked, found))
    })?;
    let runtime = runtime(Waits::Never)?;
    step(steps, "credentials", || {
        let found = runtime.block_on(asked.credentials.credentials())?;
        let found = match found {
            Some(pair) if pair.token().is_some() => "temporary, with a security token",
            Some(_) => "an access key pair",
            None if asked.signs_itself => "not tried by themselves: the request does",
            None => "none: requests are not signed",
        };
        Ok(((), found.to_owned()))
    })?;
    if let Some(host) = asked.client.host() {
        step(steps, "name lookup", || Ok(((), look_up(&host))))?;
    }
    let stat = step(steps, "request", || {
        let stat = runtime.block_on(asked.client.stat(&asked.object, PATIENCE))?;
        let found = format!("{} bytes, ETag {}", stat.identity.size, etag(&stat));
        Ok((stat, found))
    })?;
    step(steps, "clock", || Ok(((), clock(&stat)?)))?;
    step(steps, "checksum", || {
        let found = match stat.identity.crc64 {
            Some(_) => "the object has a CRC-64 to compare with",
            None => "the object has none: nothing of the service's can confirm a download",
        };
        Ok(((), found.to_owned()))
    })?;
    step(steps, "ranges", || {
        let size = stat.identity.size;
        let Some(last) = ByteRange::new(size.saturating_sub(1), size).filter(|it| !it.is_empty())
        else {
            return Ok(((), "not tried: the object is empty".to_owned()));
        };
        let reading = asked.client.read(asked.object.clone()).range(ExtentRequest::Slice(last));
        runtime.block_on(async {
            let mut reader = reading.retry_max_time(PATIENCE).open().await?;
            while reader.chunk().await?.is_some() {}
            Ok(((), "the last byte came, pinned to this content".to_owned()))
        })
    })
}

/// Carries out a step and notes what came of it.
fn step<T>(
    steps: &mut Vec<Step>,
    name: &'static str,
    work: impl FnOnce() -> Result<(T, String), Error>,
) -> Result<T, Error> {
    let begun = Instant::now();
    let (found, outcome) = match work() {
        Ok((value, found)) => (found, Ok(value)),
        Err(error) => (whole_message(&error), Err(error)),
    };
    let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    steps.push(Step { v: 1, step: name, ok: outcome.is_ok(), found, milliseconds });
    outcome
}

/// No failure by itself: a proxy may know names that nobody here does.
fn look_up(host: &str) -> String {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match (bare, 443).to_socket_addrs() {
        Ok(found) => {
            let mut addresses: Vec<String> = found.map(|it| it.ip().to_string()).collect();
            addresses.dedup();
            format!("{host} is {}", addresses.join(", "))
        }
        Err(error) => format!("{host} is not known here, perhaps to a proxy: {error}"),
    }
}

/// Half of what the service tolerates already deserves a word.
fn clock(stat: &ObjectStat) -> Result<String, Error> {
    let Some(server) = stat.date else {
        return Ok("not known: the service does not tell the time".to_owned());
    };
    let now = SystemTime::now();
    let off = now.duration_since(server).or_else(|_| server.duration_since(now));
    match off.unwrap_or_default() {
        off if off < TOLERATED / 2 => Ok(format!("{} s off the service's", off.as_secs())),
        off => {
            let what = format!("the clock is {} s off the service's", off.as_secs());
            Err(Error::new(ErrorKind::Config, what).with_hint("set the clock of this machine"))
        }
    }
}

fn etag(stat: &ObjectStat) -> &str {
    stat.identity.etag.as_deref().unwrap_or("none")
}

fn text(steps: &[Step]) -> String {
    let mut text = String::new();
    for Step { step, ok, found, milliseconds, .. } in steps {
        let verdict = if *ok { "ok" } else { "FAILED" };
        let found = shown(found);
        writeln!(text, "{step:<14} {verdict:<7} {milliseconds:>6} ms  {found}")
            .expect("writing to a string cannot fail");
    }
    text
}

fn json(steps: &[Step]) -> String {
    steps.iter().map(json_line).collect()
}

/// The service refuses what was signed 15 minutes before or after its own time.
const TOLERATED: Duration = Duration::from_secs(15 * 60);
const PATIENCE: Duration = Duration::from_secs(20);
