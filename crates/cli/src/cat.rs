//! `ossget cat`: an object on standard output.

use crate::asked::{Asked, Waits};
use crate::environment::Environment;
use crate::get::runtime;
use crate::hi::usage;
use crate::low::{CatArgs, GetArgs, OutputArgs, ReadingArgs};
use crate::one_source::tell;
use crate::output::Screen;
use crate::source::Source;
use ossget::{Error, ErrorKind, Integrity, Reading};
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use tokio::task::block_in_place;

/// Runs the command and returns its exit code.
pub(crate) fn run(low: &CatArgs, environment: &Environment) -> u8 {
    let source = Source::read(&low.source, &low.reach.naming);
    let waits = Waits::new(low.reach.connect_timeout, low.reading.retry_max_time);
    let asked =
        |source| Asked::new(source, &low.reach.identity, &low.reach.request, waits, environment);
    tell(source, &OutputArgs::default(), environment, |source, screen| {
        copy(asked(source)?, |reading| low.reading.apply(reading), screen)
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
        let waits = Waits::new(transfer.connect_timeout, transfer.retry_max_time);
        let asked = Asked::new(source, &low.identity, &low.request, waits, environment)?;
        copy(asked, |reading| ReadingArgs::of(low).apply(reading), screen)
    })
}

fn copy(
    asked: Asked,
    adjust: impl FnOnce(Reading) -> Reading,
    screen: &mut Screen,
) -> Result<(), Error> {
    for warning in &asked.warnings {
        screen.warn(warning);
    }
    let runtime = runtime()?;
    let reading = adjust(asked.client.read(asked.object));
    let copied: Result<_, Error> = runtime.block_on(async {
        let mut reader = reading.open().await?;
        while let Some(chunk) = reader.chunk().await? {
            // What is fetched ahead goes on meanwhile: each part has a task of its own.
            if block_in_place(|| write(&chunk))?.is_break() {
                return Ok(None);
            }
        }
        Ok(Some(reader.integrity()))
    });
    runtime.shutdown_background();
    if copied? == Some(Integrity::UnverifiedByServer) {
        screen.warn("the service gives no CRC-64: nothing says that the bytes are right");
    }
    Ok(())
}

/// Writes to standard output; breaks off where nobody reads it any more, which is no error.
fn write(chunk: &[u8]) -> Result<ControlFlow<()>, Error> {
    match io::stdout().lock().write_all(chunk) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => {
            let what = "standard output cannot be written";
            Err(Error::new(ErrorKind::Storage, what).with_source(error))
        }
    }
}
