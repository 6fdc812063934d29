//! What the service makes of an object, in place of the object.

use crate::rig::{BUCKET, KEY, Rig};
use ossget::{
    ByteRange, Checksum, Client, Completion, CrcPolicy, Download, DownloadEvent, ErrorKind,
    ExtentRequest, Integrity, Object, Resume,
};
use ossget_testkit::{Close, Content, Fault, On};
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SIZE: u64 = 3_000_000;
/// The simulator gives the bytes in reverse order, and does not say how many.
const STYLE: &str = "image/resize,w_100/format,jpg";

fn made(rig: &Rig) -> Vec<u8> {
    let mut bytes = rig.content.window(0..rig.content.size());
    bytes.reverse();
    bytes
}

fn processed(rig: &Rig) -> Download {
    rig.download().process(STYLE)
}

#[tokio::test]
async fn what_the_service_makes_of_an_object_is_had_in_one_stream_of_unknown_length() {
    let rig = Rig::new(SIZE).await;
    fs::write(rig.path(), "old").unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    let done = processed(&rig)
        .on_event(move |event| listener.lock().unwrap().push(event.clone()))
        .await
        .unwrap();
    assert!(fs::read(rig.path()).unwrap() == made(&rig));
    assert_eq!(rig.files(), ["object.bin"]);
    assert_eq!((done.bytes, done.requests, done.attempts_failed), (SIZE, 1, 0));
    assert_eq!(done.crc64, Content::bytes(made(&rig)).crc64());
    assert_eq!(done.completion, Completion::Published);
    assert_eq!(done.integrity, Integrity::UnverifiedByServer);
    let requests = rig.sim.requests();
    assert_eq!(requests.len(), 1, "not even a HEAD: that is about the object itself");
    assert_eq!(requests[0].range, None);
    let told = told.lock().unwrap();
    assert!(matches!(told[0], DownloadEvent::Started { bytes_total: None, .. }), "{told:?}");
    let last = told.iter().rev().find_map(|event| match event {
        DownloadEvent::Progress(progress) => Some(*progress),
        _ => None,
    });
    assert_eq!((last.unwrap().bytes(), last.unwrap().total()), (SIZE, None));
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_fetched_again_from_its_beginning() {
    let rig = Rig::new(SIZE).await;
    rig.sim.fault(On::get().nth(1), Fault::CutAfter { bytes: 2_000_000, how: Close::Fin });
    rig.sim.fault(On::get().nth(2), Fault::status(503, "ServiceUnavailable"));
    rig.sim.fault(On::get().nth(3), Fault::CutAfter { bytes: 7, how: Close::Rst });
    let done = processed(&rig).await.unwrap();
    assert!(fs::read(rig.path()).unwrap() == made(&rig));
    assert_eq!((done.requests, done.attempts_failed), (4, 3));
    assert!(done.fetched_bytes > SIZE);
}

#[tokio::test]
async fn what_got_further_before_leaves_nothing_behind_a_shorter_answer() {
    let rig = Rig::new(SIZE).await;
    rig.sim.fault(On::get().nth(1), Fault::CutAfter { bytes: 2_000_000, how: Close::Rst });
    rig.sim.fault(On::get().nth(2), Fault::ReplaceObjectNow(Content::bytes("short")));
    let done = processed(&rig).await.unwrap();
    assert_eq!(fs::read(rig.path()).unwrap(), b"trohs");
    assert_eq!(done.bytes, 5);
}

#[tokio::test]
async fn a_stream_that_never_ends_well_is_given_up_and_leaves_what_was_there() {
    let rig = Rig::new(SIZE).await;
    fs::write(rig.path(), "old").unwrap();
    rig.sim.fault(On::get().always(), Fault::CutAfter { bytes: 2_000_000, how: Close::Fin });
    let error = processed(&rig).retries(2).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Network, 3), "{error:?}");
    assert!(!error.is_resumable());
    assert_eq!(fs::read(rig.path()).unwrap(), b"old");
    assert_eq!(rig.files(), ["object.bin"]);
    rig.sim.clear_faults();
    rig.sim.fault(On::get().always(), Fault::StallAfter { bytes: 1000 });
    let patience = Duration::from_millis(100);
    let error = processed(&rig).retries(0).read_timeout(patience).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
}

#[tokio::test]
async fn the_callers_digest_is_compared_and_what_needs_the_object_refused() {
    let rig = Rig::new(SIZE).await;
    let crc64 = Content::bytes(made(&rig)).crc64();
    let done = processed(&rig).checksum(Checksum::Crc64(crc64)).await.unwrap();
    assert_eq!(done.integrity, Integrity::VerifiedByUser);
    fs::write(rig.path(), "old").unwrap();
    let error = processed(&rig).checksum(Checksum::Crc64(crc64 ^ 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    rig.sim.clear_requests();
    let refused = [
        processed(&rig).crc(CrcPolicy::Require),
        processed(&rig).resume(Resume::Require),
        processed(&rig).range(ExtentRequest::Slice(ByteRange::new(0, 5).unwrap())),
    ];
    for download in refused {
        assert_eq!(download.await.unwrap_err().kind(), ErrorKind::Config);
    }
    assert_eq!(rig.sim.requests().len(), 0);
    assert_eq!(fs::read(rig.path()).unwrap(), b"old");
    assert_eq!(rig.files(), ["object.bin"]);
}

#[tokio::test]
async fn it_stops_when_it_is_asked_to_and_leaves_nothing() {
    let rig = Rig::new(SIZE).await;
    rig.sim.fault(On::get().always(), Fault::StallAfter { bytes: 100_000 });
    let download = processed(&rig);
    let handle = download.handle();
    let running = tokio::spawn(download.into_future());
    while handle.progress().is_none_or(|progress| progress.bytes() == 0) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    handle.cancel();
    assert_eq!(running.await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(rig.files(), Vec::<String>::new());
}

#[tokio::test]
async fn a_style_that_the_service_does_not_know_is_refused_in_its_words() {
    let rig = Rig::new(SIZE).await;
    let error = rig.download().process("video/none").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Service, "{error:?}");
    assert!(error.to_string().contains("x-oss-process"), "{error}");
    assert_eq!(rig.files(), Vec::<String>::new());
}

#[tokio::test]
async fn an_answer_is_read_to_its_end_and_not_asked_for_twice() {
    let rig = Rig::new(SIZE).await;
    let reading =
        |style: &str| rig.client.read_processed(Object::new(BUCKET, KEY).unwrap(), style).open();
    let mut info = reading("image/info").await.unwrap();
    assert_eq!(info.total(), Some(34));
    let first = info.chunk().await.unwrap().unwrap();
    assert_eq!(first, format!("{{\"FileSize\": {{\"value\": \"{SIZE}\"}}}}"));
    assert_eq!(info.chunk().await.unwrap(), None);
    rig.sim.clear_requests();
    rig.sim.fault(On::get().nth(1), Fault::status(503, "ServiceUnavailable"));
    rig.sim.fault(On::get().nth(2), Fault::CutAfter { bytes: 1000, how: Close::Fin });
    let mut broken = reading(STYLE).await.unwrap();
    assert_eq!(broken.total(), None);
    let mut got = 0;
    let error = loop {
        match broken.chunk().await {
            Ok(Some(chunk)) => got += chunk.len(),
            Ok(None) => panic!("it ended well after {got} bytes"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Network);
    assert_eq!(rig.sim.requests().len(), 2);
}

#[tokio::test]
async fn a_url_is_for_the_processing_that_it_was_signed_for() {
    let rig = Rig::new(SIZE).await;
    let query = [("x-oss-process".to_owned(), STYLE.to_owned())];
    let object = Object::new(BUCKET, KEY).unwrap();
    let url = rig.client.sign_url(&object, &query, Duration::from_secs(60)).await.unwrap();
    assert_eq!(url.process().as_deref(), Some(STYLE));
    let client = Client::of_url(url.clone()).build().unwrap();
    let done = client.download(url.object(), rig.path()).process(STYLE).await.unwrap();
    assert_eq!(done.bytes, SIZE);
    assert!(fs::read(rig.path()).unwrap() == made(&rig));
    let other = client.download(url.object(), rig.path()).process("image/info").await;
    assert_eq!(other.unwrap_err().kind(), ErrorKind::Config);
}
