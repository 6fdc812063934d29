//! Connections that are not made, or not kept: section 1 of the catalogue.

use crate::rig::{
    BUCKET, KEY, PART, Patience, Rig, authority, client_of, download_from, eventually, in_full,
};
use ossget::{Download, DownloadEvent, ErrorKind, Object};
use ossget_testkit::scripted::{Certificate, Exchange, Place, Script, ScriptedServer, Step};
use ossget_testkit::{Content, On};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::time::timeout;

const SHORT: Duration = Duration::from_millis(150);
/// For what must come, however slow the machine is.
const LONG: Duration = Duration::from_secs(60);

/// A few tries' worth: the first may be late on a machine that has other things to do.
fn impatient() -> Patience {
    Patience { connect: SHORT, total: 10 * SHORT, ..Patience::default() }
}

/// Counts the probes of a download that fail like this, for those who wait for them.
fn failing_probes(download: Download, wanted: ErrorKind) -> (Download, watch::Receiver<u64>) {
    let (tell, told) = watch::channel(0);
    let download = download.on_event(move |event| {
        if let DownloadEvent::ProbeFailed { kind, reason } = event {
            assert_eq!(*kind, wanted, "{reason}");
            tell.send_modify(|count| *count += 1);
        }
    });
    (download, told)
}

/// Faults: 1.
#[tokio::test]
async fn a_refused_connection_is_tried_again_until_the_budget_is_spent() {
    // Bound, so that nobody else gets the port, and not listening.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object.bin");
    let download = download_from(&format!("http://{address}"), path.clone(), impatient());
    let (download, failed) = failing_probes(download, ErrorKind::Network);
    let error = download.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{}", in_full(&error));
    assert!(error.is_transient());
    assert!((2..=100).contains(&*failed.borrow()), "{failed:?}");
    assert!(in_full(&error).contains("127.0.0.1"));
    assert!(!path.exists());
}

/// Faults: 1.
#[tokio::test]
async fn a_name_that_does_not_resolve_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object.bin");
    let download = download_from("https://oss.host.invalid", path, impatient());
    let error = download.await.unwrap_err();
    // A resolver that does not answer is a failure to connect in time.
    assert!([ErrorKind::Network, ErrorKind::Timeout].contains(&error.kind()));
    assert!(in_full(&error).contains("examplebucket.oss.host.invalid"), "{}", in_full(&error));
}

/// A listener whose queue is full: the kernel ignores further connections to it.
async fn clogged() -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap().into_std().unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, SHORT) {
        waiting.push(stream);
        assert!(waiting.len() < 10, "the queue does not fill");
    }
    (listener, waiting)
}

/// Faults: 3.
#[tokio::test]
async fn a_connect_that_hangs_is_given_up_and_tried_again() {
    let (listener, waiting) = clogged().await;
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object.bin");
    let download = download_from(&endpoint, path.clone(), impatient());
    let (download, failed) = failing_probes(download, ErrorKind::Timeout);
    let error = download.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{}", in_full(&error));
    assert!(error.is_transient());
    assert!((2..=10).contains(&*failed.borrow()), "{failed:?}");

    // It hangs no more, while a download waits for it.
    let patience = Patience { total: Duration::from_secs(60), ..impatient() };
    let download = download_from(&endpoint, path.clone(), patience);
    let (download, mut failed) = failing_probes(download, ErrorKind::Timeout);
    let run = tokio::spawn(download.into_future());
    let given_up = timeout(LONG, failed.wait_for(|count| *count > 0)).await;
    given_up.expect("the first connect hangs").expect("the download goes on");
    drop(waiting);
    let server = ScriptedServer::builder(Content::generated(7, PART));
    let server = server.listener(listener).start().unwrap();
    run.await.unwrap().unwrap();
    assert!(std::fs::read(path).unwrap() == server.content().window(0..PART));
}

/// Faults: 4.
#[tokio::test]
async fn a_handshake_that_stalls_is_given_up_and_tried_again() {
    // Accepted by the kernel, and never answered.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object.bin");
    let error = download_from(&endpoint, path.clone(), impatient()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{}", in_full(&error));
    assert!(error.is_transient());
    listener.set_nonblocking(true).unwrap();
    let tries = listener.incoming().take_while(Result::is_ok).count();
    assert!((2..=20).contains(&tries), "{tries}");
}

/// Faults: 12.
#[tokio::test]
async fn kept_connections_that_are_reset_are_replaced_at_no_cost() {
    let server = ScriptedServer::start(Content::generated(7, 8 * PART)).unwrap();
    let client = client_of(&server.endpoint(), Patience::default());
    let object = || Object::new(BUCKET, KEY).unwrap();
    let folder = tempfile::tempdir().unwrap();
    client.download(object(), folder.path().join("one")).await.unwrap();
    let before = server.connections();
    server.cut_off();
    server.restore();
    let path = folder.path().join("two");
    let done = client.download(object(), path.clone()).retries(0).await.unwrap();
    assert!(std::fs::read(path).unwrap() == server.content().window(0..8 * PART));
    assert_eq!((done.fetched_bytes, done.attempts_failed), (8 * PART, 0));
    assert!(server.connections() > before);
}

/// Faults: 21.
#[tokio::test]
async fn a_cable_that_is_pulled_and_put_back_needs_no_user() {
    let rig = Rig::new(16 * PART);
    let Rig { server, .. } = &rig;
    let halfway = [Step::UpTo(Place::Body(PART / 2)), Step::Stall];
    server.script(On::get().times(4), Script::new(halfway));
    let retries = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&retries);
    let download = rig.download().on_event(move |event| {
        if matches!(event, DownloadEvent::Retry { .. }) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let run = tokio::spawn(download.into_future());
    let all_stalled = || rig.gets().iter().filter(|get| get.sent == PART / 2).count() == 4;
    eventually("four responses break off", all_stalled).await;
    server.cut_off();
    eventually("twelve retries", || retries.load(Ordering::Relaxed) >= 12).await;
    server.restore();
    let done = run.await.unwrap().unwrap();
    rig.assert_downloaded();
    // A reset can overtake a few bytes; all others are kept.
    assert_eq!(done.fetched_bytes, 16 * PART);
    assert!(done.attempts_failed >= 12);
}

/// The time that a request says it was signed at.
fn signed_at(get: &Exchange) -> String {
    let stamp = get.head.split("x-oss-date: ").nth(1).expect("every request is signed");
    stamp.split("\r\n").next().unwrap().to_owned()
}

/// The timers find an hour gone, and nobody tells that the connections did not survive it.
///
/// Faults: 23.
#[tokio::test]
async fn a_machine_that_slept_for_an_hour_connects_and_signs_anew_and_needs_no_user() {
    // Longer than a silence, and much shorter than the sleep.
    let total = Duration::from_secs(300);
    let rig = Rig::new(16 * PART).patience(Patience { total, ..Patience::default() });
    // Before any byte that would count as progress when the connections are given up.
    let silent = [Step::UpTo(Place::Body(0)), Step::Stall];
    rig.server.script(On::get().times(4), Script::new(silent));
    let run = tokio::spawn(rig.download().into_future());
    eventually("four responses are silent", || rig.gets().len() == 4).await;
    let before = SystemTime::now();
    // Signatures are of a second; within one a new one looks like the old.
    let is_later = || before.elapsed().is_ok_and(|time| time > Duration::from_secs(1));
    eventually("another second", is_later).await;

    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3600)).await;
    // Awake, it gives each connection its time of silence once more. The clock need not be waited
    // for as long as nobody does anything.
    tokio::time::sleep(rig.patience.read + Duration::from_secs(1)).await;
    tokio::time::resume();
    let done = timeout(LONG, run).await.expect("it goes on by itself").unwrap().unwrap();
    rig.assert_downloaded();
    assert_eq!((done.fetched_bytes, done.attempts_failed), (16 * PART, 4));
    let gets = rig.gets();
    let (slept, awake) = gets.split_at(4);
    for get in awake {
        assert!(slept.iter().all(|old| old.connection != get.connection), "{get:?}");
        assert!(slept.iter().all(|old| signed_at(old) < signed_at(get)), "{get:?}");
    }
}

/// Faults: 25.
#[tokio::test]
async fn http_2_is_neither_offered_nor_understood() {
    // The server would rather speak HTTP/2 over TLS.
    let rig = Rig::tls(2 * PART);
    rig.download().await.unwrap();
    rig.assert_downloaded();
    assert!(rig.server.exchanges().iter().all(|one| one.head.contains(" HTTP/1.1\r\n")));

    let settings_and_goaway = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0";
    let rig = Rig::new(PART);
    let done = rig.recovered(Script::raw(&settings_and_goaway[..])).await;
    assert_eq!((done.fetched_bytes, done.attempts_failed), (PART, 1));
}

/// Faults: 138.
#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_refused_and_never_tried_again() {
    let stranger = ossget_testkit::scripted::Authority::new().unwrap();
    for (of, certificate) in [
        (authority(), Certificate::Expired),
        (authority(), Certificate::NotYetValid),
        (authority(), Certificate::OtherHost),
        (authority(), Certificate::SelfSigned),
        (&stranger, Certificate::Good),
    ] {
        let server = ScriptedServer::builder(Content::generated(7, PART));
        let rig = Rig::of(server.tls(of, certificate).start().unwrap());
        rig.put_old();
        let error = rig.download().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Certificate, "{certificate:?}: {}", in_full(&error));
        assert!(!error.is_transient());
        assert_eq!(rig.server.connections(), 1, "{certificate:?}");
        assert!(rig.server.exchanges().is_empty());
        rig.assert_nothing_kept();
    }
}

/// Faults: 138.
#[tokio::test]
async fn an_old_version_or_suite_of_tls_is_refused_and_never_tried_again() {
    use std::io::{Read, Write};
    // A server's hello in TLS 1.0 and 1.1, whatever the client's was, and the alerts of one that
    // has no version or no suite in common with it.
    let hello = |minor: u8| {
        let mut hello = vec![0x16, 3, minor, 0, 42, 2, 0, 0, 38, 3, minor];
        hello.extend([7; 32]);
        hello.extend([0, 0, 0x2f, 0]);
        hello
    };
    for answer in [hello(1), hello(2), vec![0x15, 3, 3, 0, 2, 2, 70], vec![0x15, 3, 3, 0, 2, 2, 40]]
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("https://{}", listener.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("object.bin");
        let shown = format!("{answer:?}");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            stream.write_all(&answer).unwrap();
            // Until the client is gone.
            let _ = stream.read_to_end(&mut Vec::new());
            listener
        });
        let error = download_from(&endpoint, path, Patience::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Certificate, "{shown}: {}", in_full(&error));
        let listener = server.join().unwrap();
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "{shown}");
    }
}
