//! `ossget cat`: an object on standard output.

use crate::asked::{Asked, Bounds};
use crate::environment::Environment;
use crate::hi::usage;
use crate::low::{CatArgs, GetArgs, OutputArgs, ReadingArgs};
use crate::one_source::tell;
use crate::output::Screen;
use crate::runtime::{Waits, runtime};
use crate::source::Source;
use ossget::{Error, ErrorKind, Integrity};
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use tokio::task::block_in_place;

/// Runs the command and returns its exit code.
pub(crate) fn run(low: &CatArgs, environment: &Environment) -> u8 {
    let source = Source::read(&low.source, &low.reach.naming);
    let bounds = Bounds::new(low.reach.connect_timeout, low.reading.retry_max_time)
        .bandwidth(low.reading.bandwidth_limit);
    let asked =
        |source| Asked::new(source, &low.reach.identity, &low.reach.request, bounds, environment);
    tell(source, &OutputArgs::default(), environment, |source, screen| {
        copy(asked(source)?, &low.reading, screen)
    })
}

/// `ossget get SRC -`.
pub(crate) fn run_get(low: &GetArgs, source: Source, environment: &Environment) -> u8 {
    tell(source, &low.output, environment, |source, screen| {
        if low.output.json || low.output.report.is_some() || low.safety.checksum.is_some() {
            return Err(usage("--json, --report and --checksum do not go with DEST `-`")
                .with_hint("download to a file"));
        }
        let transfer = &low.transfer;
        let bounds = Bounds::new(transfer.connect_timeout, transfer.retry_max_time)
            .bandwidth(transfer.bandwidth_limit);
        let asked = Asked::new(source, &low.identity, &low.request, bounds, environment)?;
        copy(asked, &ReadingArgs::of(low), screen)
    })
}

fn copy(asked: Asked, low: &ReadingArgs, screen: &mut Screen) -> Result<(), Error> {
    for warning in &asked.warnings {
        screen.warn(warning);
    }
    let runtime = runtime(Waits::Never)?;
    let copied = runtime.block_on(async {
        match low.process.clone().or_else(|| asked.process.clone()) {
            Some(_) if low.range.is_some() || low.require_crc => {
                Err(usage("--range and --require-crc do not go with a URL that processes"))
            }
            Some(style) => copy_processed(asked, style, low).await,
            None => copy_object(asked, low).await,
        }
    });
    runtime.shutdown_background();
    if copied? == Some(Integrity::UnverifiedByServer) {
        screen.warn(UNVERIFIED);
    }
    Ok(())
}

/// Copies the object; `None` where nobody wants the rest.
async fn copy_object(asked: Asked, low: &ReadingArgs) -> Result<Option<Integrity>, Error> {
    let mut reader = low.apply(asked.client.read(asked.object)).open().await?;
    while let Some(chunk) = reader.chunk().await? {
        // What is fetched ahead goes on meanwhile: each part has a task of its own.
        if block_in_place(|| write(&chunk))?.is_break() {
            return Ok(None);
        }
    }
    Ok(block_in_place(flush)?.is_continue().then(|| reader.integrity()))
}

/// Copies what the service makes of the object; `None` where nobody wants the rest.
async fn copy_processed(
    asked: Asked,
    style: String,
    low: &ReadingArgs,
) -> Result<Option<Integrity>, Error> {
    let reading = asked.client.read_processed(asked.object, style);
    let mut reader = low.apply_processed(reading).open().await?;
    while let Some(chunk) = reader.chunk().await? {
        if block_in_place(|| write(&chunk))?.is_break() {
            return Ok(None);
        }
    }
    Ok(block_in_place(flush)?.is_continue().then_some(Integrity::UnverifiedByServer))
}

/// Writes to standard output; breaks off where nobody reads it any more, which is no error.
fn write(chunk: &[u8]) -> Result<ControlFlow<()>, Error> {
    written(io::stdout().lock().write_all(chunk))
}

/// Writes what standard output still holds back: at the end of the process nobody would learn that
/// it could not be written.
fn flush() -> Result<ControlFlow<()>, Error> {
    written(io::stdout().lock().flush())
}

fn written(result: io::Result<()>) -> Result<ControlFlow<()>, Error> {
    match result {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => {
            let what = "standard output cannot be written";
            Err(Error::new(ErrorKind::Storage, what).with_source(error))
        }
    }
}

const UNVERIFIED: &str = "the service gives no CRC-64: nothing says that the bytes are right";
