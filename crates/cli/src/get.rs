//! `ossget get`: one object.

use crate::cat;
use crate::environment::Environment;
use crate::exit;
use crate::hi::{HiArgs, usage};
use crate::low::GetArgs;
use crate::output::{
    self, Ending, Failed, Kept, Lines, Mailbox, Names, Note, Screen, Story, Verbosity,
};
use crate::runtime::runtime;
use crate::signals::{self, Interrupt, Run};
use crate::source::Source;
use ossget::{Download, DownloadEvent, Downloaded, Error, ErrorKind};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// Runs the command and returns its exit code.
pub(crate) fn run(low: &GetArgs, environment: &Environment) -> u8 {
    let source = Source::read(&low.source, &low.naming);
    if low.destination == "-" && low.more.is_empty() {
        return cat::run_get(low, source, environment);
    }
    let names = names(low, &source);
    let screen = Screen::on_stderr(&low.output, environment);
    let (lines, unwritable) = match lines(low, &source) {
        Ok(lines) => (lines, None),
        Err(error) => (Lines::new(output::stdout_lines(&low.output)), Some(error)),
    };
    let mut story = Story::new(names, screen, lines).patience(low.transfer.retry_max_time);
    let ready = match unwritable {
        Some(error) => Err(error),
        None => HiArgs::new(low, source, environment).and_then(|hi| {
            let runtime = runtime(hi.waits())?;
            Ok((hi, runtime))
        }),
    };
    let (hi, runtime) = match ready {
        Ok(ready) => ready,
        Err(error) => return end(&mut story, error),
    };
    let mailbox = Arc::new(Mailbox::default());
    log_to(&mailbox, Verbosity::of(&low.output));
    let Ok(teller) = story.tell(Arc::clone(&mailbox)) else {
        // Without a thread to tell anything there is nobody to tell that either.
        return exit::code(ErrorKind::Internal, None);
    };
    if Verbosity::of(&low.output) >= Verbosity::Verbose {
        mailbox.post(Note::Log(format!("credentials: {}", hi.account)));
    }
    for message in &hi.warnings {
        let message = message.clone();
        mailbox.post(Note::Event(DownloadEvent::Warning { message }));
    }
    let download = hi.download();
    let run = Arc::new(Run::default());
    if let Err(error) = signals::catch(download.handle(), Arc::clone(&run)) {
        let message = format!("signals cannot be caught: {error}");
        mailbox.post(Note::Event(DownloadEvent::Warning { message }));
    }
    let code = runtime.block_on(async {
        let result = fetch(&hi, download, Arc::clone(&mailbox)).await;
        let (ending, code) = ending(result, &hi, run.interrupt());
        run.ended(code);
        mailbox.post(Note::Ending(Box::new(ending)));
        let told = tokio::task::spawn_blocking(move || teller.join());
        match run.interrupt() {
            // Whoever wants an end does not wait for a reader that does not read.
            Some(_) => drop(tokio::time::timeout(LAST_WORDS, told).await),
            None => drop(told.await),
        }
        code
    });
    runtime.shutdown_background();
    code
}

/// Downloads.
async fn fetch(
    hi: &HiArgs,
    download: Download,
    mailbox: Arc<Mailbox>,
) -> Result<Downloaded, Error> {
    // Asked for before anything is done, so that a download without any changes nothing.
    hi.credentials.credentials().await?;
    download.on_event(move |event| mailbox.post(Note::of(event))).await
}

fn ending(
    result: Result<Downloaded, Error>,
    hi: &HiArgs,
    interrupt: Option<Interrupt>,
) -> (Ending, u8) {
    match result {
        Ok(done) => (Ending::Done(done.into()), exit::DONE),
        Err(error) => {
            let exit_code = exit::code(error.kind(), interrupt);
            let kept = if error.is_resumable() { kept(hi) } else { None };
            (Ending::Failed(Failed { error, kept, exit_code }), exit_code)
        }
    }
}

/// What the next run finds. The checkpoint itself is asked: this run may have missed what became
/// of the files.
fn kept(hi: &HiArgs) -> Option<Kept> {
    let destination = file_of(&hi.destination, &hi.object.file_name());
    // Where a link is not followed there is nothing kept beside it.
    let destination = destination.canonicalize().unwrap_or(destination);
    let found = ossget::checkpoint::show(&destination, hi.checkpoint_dir.clone()).ok()??;
    // What was cut off is counted as recorded until it is looked for.
    let whole = found.partial_len.is_some_and(|len| len >= found.bytes_total);
    whole.then_some(Kept { bytes: found.bytes_recorded, total: found.bytes_total })
}

/// The file that a destination means: in a directory, the last component of the key.
fn file_of(destination: &Path, name: &str) -> PathBuf {
    let is_dir = destination.as_os_str().as_encoded_bytes().ends_with(b"/");
    match is_dir || destination.is_dir() {
        true => destination.join(name),
        false => destination.to_owned(),
    }
}

/// Ends before anything was begun.
fn end(story: &mut Story, error: Error) -> u8 {
    let exit_code = exit::code(error.kind(), None);
    story.end(&Ending::Failed(Failed { error, kept: None, exit_code }));
    exit_code
}

/// The lines that the user wants, unless they would overwrite the destination.
fn lines(low: &GetArgs, source: &Source) -> Result<Lines, Error> {
    let typed = Path::new(&low.destination);
    let within = typed.join(source.file_name().unwrap_or_default());
    let report = low.output.report.as_deref();
    if report.is_some_and(|report| is_same(report, typed) || is_same(report, &within)) {
        return Err(usage("--report names DEST itself"));
    }
    output::lines(&low.output)
}

/// Whether two paths lead to one file, through links of either kind too.
fn is_same(one: &Path, other: &Path) -> bool {
    if let (Ok(one), Ok(other)) = (identity(one), identity(other)) {
        return one == other;
    }
    resolved(one) == resolved(other)
}

/// The absolute path of a file that need not be there, links on the way to it resolved.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(parent)), Some(name)) => parent.join(name),
        _ => path,
    }
}

/// What tells an existing file from all others.
#[cfg(unix)]
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

/// What tells an existing file from all others.
#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<PathBuf> {
    path.canonicalize()
}

/// What is downloaded and to where, for whoever has to be told.
fn names(low: &GetArgs, source: &Source) -> Names {
    let typed = Path::new(&low.destination);
    let name = source.file_name();
    let file = name.map_or_else(|| typed.to_owned(), |name| file_of(typed, &name));
    let destination = match file.as_os_str().is_empty() || low.destination == "-" {
        true => file,
        false => resolved(&file),
    };
    Names { source: source.shown.clone(), destination: destination.to_string_lossy().into_owned() }
}

/// Writes the log of the library to the mailbox, as much of it as is wanted.
fn log_to(mailbox: &Arc<Mailbox>, verbosity: Verbosity) {
    let level = match verbosity {
        Verbosity::Quiet | Verbosity::Normal => return,
        Verbosity::Verbose => "ossget=info",
        Verbosity::Debug => "ossget=debug",
    };
    let subscriber = tracing_subscriber::fmt()
        // The prefix covers all crates of the library, and none below: those log what they send.
        .with_env_filter(EnvFilter::new(level))
        .with_ansi(false)
        .with_writer(Arc::clone(mailbox));
    // There is no other subscriber in this process.
    drop(subscriber.try_init());
}

/// How long the last lines may wait for whoever reads them once the user has asked for an end.
const LAST_WORDS: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_a_directory_is_named_after_the_key() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(file_of(dir.path(), "b.bin"), dir.path().join("b.bin"));
        assert_eq!(file_of(&dir.path().join("c"), "b.bin"), dir.path().join("c"));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_recognised_by_whatever_path_leads_to_it() {
        use std::fs;
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("file"), "x").unwrap();
        fs::write(at("other"), "x").unwrap();
        fs::create_dir(at("d")).unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        fs::hard_link(at("file"), at("hard")).unwrap();
        for same in ["file", "link", "hard", "d/../file", "./file"] {
            assert!(is_same(&at(same), &at("file")), "{same}");
        }
        assert!(!is_same(&at("other"), &at("file")));
        assert!(is_same(&at("d/../new"), &at("new")), "neither has to exist");
        assert!(!is_same(&at("d/new"), &at("new")));
    }
}
