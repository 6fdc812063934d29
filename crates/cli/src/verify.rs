//! `ossget verify`: a local file compared with an object.

use crate::environment::Environment;
use crate::exit;
use crate::hi::HiVerify;
use crate::low::{OutputArgs, VerifyArgs};
use crate::output::{
    Failed, Screen, bytes, integrity, json_line, print, seconds, shown, whole_message,
};
use crate::runtime::{Waits, runtime};
use crate::source::Source;
use ossget::{Error, ErrorKind, Verdict, Verified};
use serde::Serialize;

/// Runs the command and returns its exit code.
pub(crate) fn run(low: &VerifyArgs, environment: &Environment) -> u8 {
    let output = OutputArgs { quiet: low.quiet, json: low.json, ..OutputArgs::default() };
    let mut screen = Screen::on_stderr(&output, environment);
    let source = Source::read(&low.source, &low.naming);
    let from = source.shown.clone();
    let outcome = match compare(low, source, environment, &mut screen) {
        Ok(verified) => Outcome::of(verified),
        Err(error) => Outcome {
            exit_code: exit::code(error.kind(), None),
            verified: None,
            error: Some(error),
        },
    };
    let printed = print(&match (&outcome.verified, &outcome.error) {
        _ if low.json => json(low, &from, &outcome),
        (Some(verified), None) if !low.quiet => same(low, &from, verified),
        _ => String::new(),
    });
    let Outcome { error, exit_code, .. } = outcome;
    let place = format!("{} against {}", shown(&low.file.to_string_lossy()), shown(&from));
    // A difference is worse than not being able to tell of it.
    let (error, exit_code) = match (error, printed) {
        (None, Err(error)) => (Some(error), exit::code(ErrorKind::Storage, None)),
        (error, _) => (error, exit_code),
    };
    if let Some(error) = error {
        screen.failure(&Failed { error, kept: None, exit_code }, &place);
    }
    exit_code
}

/// What came of it.
#[derive(Debug)]
struct Outcome {
    verified: Option<Verified>,
    error: Option<Error>,
    exit_code: u8,
}

impl Outcome {
    fn of(verified: Verified) -> Self {
        let (error, exit_code) = judge(&verified);
        Self { verified: Some(verified), error, exit_code }
    }
}

fn compare(
    low: &VerifyArgs,
    source: Source,
    environment: &Environment,
    screen: &mut Screen,
) -> Result<Verified, Error> {
    let HiVerify { credentials, warnings, verification } = HiVerify::new(low, source, environment)?;
    for warning in warnings {
        screen.warn(&warning);
    }
    let runtime = runtime(Waits::Never)?;
    let result = runtime.block_on(async {
        credentials.credentials().await?;
        verification.await
    });
    runtime.shutdown_background();
    result
}

/// What a verdict means: the error to tell, if any, and the exit code. A file that cannot be
/// compared is not known to be wrong, so that no alarm is raised for it.
fn judge(verified: &Verified) -> (Option<Error>, u8) {
    let differs = |what: String| {
        let error = Error::new(ErrorKind::Integrity, what).with_hint("download the object again");
        (Some(error), exit::code(ErrorKind::Integrity, None))
    };
    match verified.verdict {
        Verdict::Same(_) => (None, exit::DONE),
        Verdict::LengthDiffers => differs(format!(
            "the file differs: it has {} bytes, the object {}",
            verified.bytes, verified.object_bytes
        )),
        Verdict::CrcDiffers => differs(format!(
            "the file differs: its CRC-64 is {}, the object's {}",
            number(verified.crc64),
            number(verified.object_crc64)
        )),
        Verdict::ChecksumDiffers => differs("the file does not have the given digest".to_owned()),
        _ => {
            let what = "the file cannot be verified: it has the object's length, but the service \
                        gives no CRC-64";
            let hint = "give a digest that is known from elsewhere with --checksum";
            (Some(Error::new(ErrorKind::Service, what).with_hint(hint)), exit::CANNOT_TELL)
        }
    }
}

fn same(low: &VerifyArgs, source: &str, verified: &Verified) -> String {
    let by = match verified.object_crc64 {
        Some(crc64) => format!("CRC-64 {crc64}"),
        None => "by the given digest".to_owned(),
    };
    let file = shown(&low.file.to_string_lossy());
    format!("{file}: {}, same as {}, {by}\n", bytes(verified.bytes), shown(source))
}

fn number(crc64: Option<u64>) -> String {
    crc64.map_or_else(|| "unknown".to_owned(), |crc64| crc64.to_string())
}

fn json(low: &VerifyArgs, source: &str, outcome: &Outcome) -> String {
    let (verified, error) = (outcome.verified.as_ref(), outcome.error.as_ref());
    let line = Line {
        v: 1,
        file: low.file.to_string_lossy().into_owned(),
        source,
        result: verified.map_or("failed", result),
        integrity: verified.and_then(|verified| match verified.verdict {
            Verdict::Same(how) => Some(integrity(how)),
            _ => None,
        }),
        bytes: verified.map(|verified| verified.bytes),
        object_bytes: verified.map(|verified| verified.object_bytes),
        crc64: verified.and_then(|verified| verified.crc64).map(|crc64| crc64.to_string()),
        object_crc64: verified.and_then(|it| it.object_crc64).map(|crc64| crc64.to_string()),
        etag: verified.and_then(|verified| verified.etag.as_deref()),
        seconds: verified.map(|verified| seconds(verified.elapsed)),
        kind: error.filter(|_| verified.is_none()).map(|error| exit::name(error.kind())),
        message: error.map(whole_message),
        exit_code: outcome.exit_code,
    };
    json_line(&line)
}

const fn result(verified: &Verified) -> &'static str {
    match verified.verdict {
        Verdict::Same(_) => "same",
        Verdict::LengthDiffers => "length_differs",
        Verdict::CrcDiffers => "crc64_differs",
        Verdict::ChecksumDiffers => "checksum_differs",
        _ => "unverifiable",
    }
}

/// What `--json` writes.
#[derive(Debug, Serialize)]
struct Line<'a> {
    v: u8,
    file: String,
    source: &'a str,
    result: &'static str,
    integrity: Option<&'static str>,
    bytes: Option<u64>,
    object_bytes: Option<u64>,
    crc64: Option<String>,
    object_crc64: Option<String>,
    etag: Option<&'a str>,
    seconds: Option<f64>,
    kind: Option<String>,
    message: Option<String>,
    exit_code: u8,
}
