use super::*;
use ossget::ErrorKind;
use std::io;
use std::sync::{Arc, Mutex};

const ROUTE: Route<'_> = Route { source: "oss://bkt/a\nb", destination: "/data/f" };

/// A writer that can be read, and made to fail.
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

struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn sink(writer: Box<dyn Write + Send>) -> Sink {
    Sink { name: "the report r".to_owned(), writer }
}

fn written(line: &Line<'_>) -> String {
    let shared = Shared::default();
    let sink = sink(Box::new(shared.clone()));
    assert!(Lines::new(vec![sink]).write(line).is_empty());
    let bytes = shared.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn told() -> Told {
    Told {
        already_there: false,
        bytes: 100,
        fetched_bytes: 60,
        resumed_bytes: 40,
        requests: 3,
        attempts_failed: 1,
        etag: Some("\"E\"".to_owned()),
        crc64: u64::MAX,
        integrity: "verified",
        elapsed: Duration::from_micros(1_234_567),
        destination: String::new(),
    }
}

#[test]
fn a_start_has_the_fields_of_the_contract() {
    let start = Line::Start {
        source: ROUTE.source,
        destination: ROUTE.destination,
        bytes_total: None,
        bytes_resumed: 1,
        part_size: 2,
        parallel: 3,
    };
    assert_eq!(
        written(&start),
        "{\"v\":1,\"event\":\"start\",\"source\":\"oss://bkt/a\\nb\",\"destination\":\"/data/f\",\
         \"bytes_total\":null,\"bytes_resumed\":1,\"part_size\":2,\"parallel\":3}\n"
    );
}

#[test]
fn progress_and_retries_have_the_fields_of_the_contract() {
    let progress = Line::Progress { bytes_done: 1, bytes_total: Some(2), bytes_per_second: 3 };
    assert_eq!(
        written(&progress),
        "{\"v\":1,\"event\":\"progress\",\"bytes_done\":1,\"bytes_total\":2,\
         \"bytes_per_second\":3}\n"
    );
    let retry =
        Line::PartRetry { range: "0-99".to_owned(), attempt: 1, reason: "cut", delay_ms: 250 };
    assert_eq!(
        written(&retry),
        "{\"v\":1,\"event\":\"part_retry\",\"range\":\"0-99\",\"attempt\":1,\"reason\":\"cut\",\
         \"delay_ms\":250}\n"
    );
}

#[test]
fn a_finished_object_has_the_fields_of_the_contract() {
    assert_eq!(
        written(&Line::told(&told(), ROUTE)),
        "{\"v\":1,\"event\":\"object_done\",\"source\":\"oss://bkt/a\\nb\",\
         \"destination\":\"/data/f\",\"bytes\":100,\"fetched_bytes\":60,\"resumed_bytes\":40,\
         \"requests\":3,\"attempts_failed\":1,\"etag\":\"\\\"E\\\"\",\
         \"crc64\":\"18446744073709551615\",\"integrity\":\"verified\",\"seconds\":1.234}\n"
    );
    let skipped = Told { already_there: true, ..told() };
    assert_eq!(
        written(&Line::told(&skipped, ROUTE)),
        "{\"v\":1,\"event\":\"object_skipped\",\"source\":\"oss://bkt/a\\nb\",\
         \"destination\":\"/data/f\",\"bytes\":100,\"etag\":\"\\\"E\\\"\",\
         \"crc64\":\"18446744073709551615\",\"integrity\":\"verified\",\"seconds\":1.234}\n"
    );
}

#[test]
fn a_failed_object_has_the_fields_of_the_contract() {
    let cause = io::Error::other("the cause");
    let error = Error::new(ErrorKind::NotFound, "no such key").with_source(cause);
    assert_eq!(
        written(&Line::failed(&error, ROUTE)),
        "{\"v\":1,\"event\":\"object_failed\",\"source\":\"oss://bkt/a\\nb\",\
         \"destination\":\"/data/f\",\"kind\":\"not_found\",\
         \"message\":\"no such key: the cause\",\"service_code\":null,\"ec\":null,\
         \"request_id\":null,\"resumable\":false}\n"
    );
}

#[test]
fn a_summary_has_exactly_the_fields_of_the_contract() {
    let summary = Summary { objects_done: 1, exit_code: 75, ..Summary::default() };
    assert_eq!(
        written(&Line::Summary(summary)),
        "{\"v\":1,\"event\":\"summary\",\"objects_done\":1,\"objects_failed\":0,\
         \"objects_skipped\":0,\"bytes\":0,\"fetched_bytes\":0,\"seconds\":0.0,\"exit_code\":75}\n"
    );
}

#[test]
fn a_sink_that_fails_is_dropped_and_told_of_once_if_it_has_a_name() {
    let shared = Shared::default();
    let mut lines = Lines::new(vec![
        sink(Box::new(Broken(io::ErrorKind::BrokenPipe))),
        sink(Box::new(Broken(io::ErrorKind::StorageFull))),
        sink(Box::new(shared.clone())),
    ]);
    let warnings = lines.write(&Line::Summary(Summary::default()));
    assert!(warnings.len() == 1 && warnings[0].starts_with("the report r"), "{warnings:?}");
    assert!(lines.write(&Line::Summary(Summary::default())).is_empty());
    assert_eq!(shared.0.lock().unwrap().iter().filter(|&&byte| byte == b'\n').count(), 2);
}

#[test]
fn seconds_have_three_digits_and_no_more() {
    for (millis, written) in
        [(1_503, "1.503"), (32, "0.032"), (2_000, "2.0"), (86_400_001, "86400.001")]
    {
        let time = Duration::from_millis(millis) + Duration::from_nanos(999);
        assert_eq!(serde_json::to_string(&seconds(time)).unwrap(), written);
    }
}
