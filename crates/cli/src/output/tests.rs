use super::*;
use ossget::ByteRange;
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A story and what it writes for people and for programs.
fn story(verbosity: Verbosity) -> (Story, Shared, Shared) {
    let (people, programs) = (Shared::default(), Shared::default());
    let screen = Screen::to(Box::new(people.clone()), verbosity);
    let sink = Sink { name: "programs".to_owned(), writer: Box::new(programs.clone()) };
    let names = Names { source: "oss://bkt/k".to_owned(), destination: "f".to_owned() };
    (Story::new(names, screen, Lines::new(vec![sink])), people, programs)
}

fn started() -> DownloadEvent {
    DownloadEvent::Started {
        destination: PathBuf::from("/data/f"),
        bytes_total: Some(1000),
        bytes_resumed: 400,
        part_size: 100,
        parallel: 8,
    }
}

fn retry() -> DownloadEvent {
    DownloadEvent::Retry {
        range: ByteRange::new(100, 200).unwrap(),
        attempt: 2,
        kind: ErrorKind::Network,
        reason: "cut \u{1b}short".to_owned(),
        delay: Duration::from_millis(250),
    }
}

fn at(bytes: u64) -> Option<View> {
    Some(View { bytes, fetched: bytes, ..View::at_start(Some(1000), 0) })
}

fn done() -> Told {
    Told {
        already_there: false,
        bytes: 1000,
        fetched_bytes: 600,
        resumed_bytes: 400,
        requests: 6,
        attempts_failed: 0,
        etag: None,
        crc64: 7,
        integrity: "verified",
        elapsed: Duration::from_secs(2),
        destination: "/data/f".to_owned(),
    }
}

fn events(programs: &Shared) -> Vec<(String, Option<u64>)> {
    let parse = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        (line["event"].as_str().unwrap().to_owned(), line["bytes_done"].as_u64())
    };
    programs.text().lines().map(parse).collect()
}

#[test]
fn lines_tell_of_progress_once_a_second_and_at_the_end() {
    let (mut story, _, programs) = story(Verbosity::Normal);
    let start = Instant::now();
    let after = |milliseconds| start + Duration::from_millis(milliseconds);
    story.advance(at(5), start);
    story.event(&started(), start);
    for step in 0..25 {
        story.advance(at(step * 10), after(step * 100));
    }
    story.advance(None, after(3500));
    story.end(&Ending::Done(done()));
    let progress = |bytes| ("progress".to_owned(), Some(bytes));
    let other = |name: &str| (name.to_owned(), None);
    assert_eq!(
        events(&programs),
        [
            other("start"),
            progress(0),
            progress(100),
            progress(200),
            progress(240),
            progress(240),
            other("object_done"),
            other("summary"),
        ]
    );
}

#[test]
fn progress_falls_only_behind_a_new_start() {
    let (mut story, _, programs) = story(Verbosity::Quiet);
    let start = Instant::now();
    let after = |seconds| start + Duration::from_secs(seconds);
    story.event(&started(), start);
    story.advance(at(500), after(0));
    story.advance(at(0), after(2));
    story.event(&started(), after(3));
    story.advance(at(10), after(4));
    let done: Vec<_> = events(&programs).into_iter().map(|(_, bytes)| bytes).collect();
    assert_eq!(done, [None, Some(500), Some(500), None, Some(10)]);
}

#[test]
fn people_are_told_where_it_goes_on_how_far_it_is_and_what_came_of_it() {
    let (mut story, people, _) = story(Verbosity::Normal);
    let start = Instant::now();
    story.event(&started(), start);
    story.event(&retry(), start);
    story.event(&DownloadEvent::Warning { message: "the clock is off".to_owned() }, start);
    for second in 1..=11 {
        story.advance(at(second * 50), start + Duration::from_secs(second));
    }
    story.end(&Ending::Done(done()));
    assert_eq!(
        people.text(),
        "going on: 400 of 1000 B are kept and being checked\n\
         warning: the clock is off\n\
         25%  250 of 1000 B  50 B/s  15s left\n\
         50%  500 of 1000 B  50 B/s  10s left\n\
         /data/f: 1000 B in 2s, 300 B/s, 400 B kept from before, verified\n"
    );
}

#[test]
fn retries_are_told_when_asked_for() {
    let (mut story, people, programs) = story(Verbosity::Verbose);
    story.event(&retry(), Instant::now());
    assert_eq!(
        people.text(),
        "bytes 100-199 again in 250ms (attempt 2 failed: cut \\u{1b}short)\n"
    );
    let line: Value = serde_json::from_str(&programs.text()).unwrap();
    assert_eq!(line["reason"], "cut \u{1b}short");
    assert_eq!(line["delay_ms"], 250);
}

#[test]
fn a_quiet_run_tells_people_of_errors_only() {
    let (mut story, people, _) = story(Verbosity::Quiet);
    let start = Instant::now();
    story.event(&started(), start);
    story.event(&DownloadEvent::Warning { message: "w".to_owned() }, start);
    story.advance(at(500), start + Duration::from_secs(60));
    story.end(&Ending::Done(done()));
    assert_eq!(people.text(), "");
    let error = Error::new(ErrorKind::Network, "cut");
    story.end(&Ending::Failed(Failed { error, kept: None, exit_code: 75 }));
    assert_eq!(
        people.text(),
        "error: cut\n  in: oss://bkt/k to /data/f\nrun the same command again\n"
    );
}

#[test]
fn a_failure_ends_with_its_line_and_the_summary() {
    let (mut story, _, programs) = story(Verbosity::Quiet);
    let error = Error::new(ErrorKind::Locked, "held");
    story.end(&Ending::Failed(Failed { error, kept: None, exit_code: 8 }));
    let lines: Vec<Value> =
        programs.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["event"], &lines[0]["kind"]),
        (&"object_failed".into(), &"locked".into())
    );
    assert_eq!(lines[1]["objects_failed"], 1);
    assert_eq!(lines[1]["exit_code"], 8);
}

#[test]
fn an_object_that_was_there_counts_as_skipped() {
    let (mut story, people, programs) = story(Verbosity::Normal);
    story.end(&Ending::Done(Told { already_there: true, fetched_bytes: 0, ..done() }));
    assert_eq!(people.text(), "/data/f: 1000 B, already there, verified\n");
    let last = programs.text().lines().last().unwrap().to_owned();
    let summary: Value = serde_json::from_str(&last).unwrap();
    assert_eq!((&summary["objects_skipped"], &summary["objects_done"]), (&1.into(), &0.into()));
    assert_eq!(summary["bytes"], 0);
}

#[test]
fn the_thread_ends_with_the_ending() {
    let (story, people, _) = story(Verbosity::Normal);
    let mailbox = Arc::new(Mailbox::default());
    let thread = story.tell(Arc::clone(&mailbox)).unwrap();
    mailbox.post(Note::Event(started()));
    mailbox.post(Note::Log("a line of the log".to_owned()));
    mailbox.post(Note::Ending(Box::new(Ending::Done(done()))));
    thread.join().unwrap();
    assert!(people.text().contains("a line of the log\n/data/f: 1000 B in"), "{}", people.text());
}

#[test]
fn integrity_is_told_in_the_words_of_the_contract() {
    for (value, text) in [
        (Integrity::Verified, "verified"),
        (Integrity::UnverifiedByServer, "unverified-by-server"),
        (Integrity::ResumedPartsTrusted, "resumed-parts-trusted"),
        (Integrity::RangeUnverified, "range-unverified"),
    ] {
        assert_eq!(integrity(value), text);
    }
}

#[test]
fn a_report_that_cannot_be_made_is_an_error_of_storage() {
    let dir = tempfile::tempdir().unwrap();
    let low = |path: PathBuf| OutputArgs { report: Some(path), ..OutputArgs::default() };
    assert!(lines(&low(dir.path().join("report"))).is_ok());
    let error = lines(&low(dir.path().join("no/report"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
}
