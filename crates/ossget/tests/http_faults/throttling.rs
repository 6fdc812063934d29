//! A service or a network that has less to give than is asked for.

use crate::rig::{PART, Patience, Rig, connections, download_from, in_full, refusal};
use ossget::{DownloadEvent, ErrorKind};
use ossget_testkit::scripted::{Place, Script, Step};
use ossget_testkit::{Content, On, Simulator};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The wait after the first refusal, with this in `Retry-After`.
async fn first_wait(retry_after: &str) -> Duration {
    let rig = Rig::new(2 * PART);
    let headers = match retry_after {
        "" => String::new(),
        value => format!("Retry-After: {value}\r\n"),
    };
    rig.server.script(On::get().always(), refusal("503 Slow Down", "ServiceUnavailable", &headers));
    let waits = Arc::new(Mutex::new(Vec::new()));
    let download = rig.download().parallel(connections(1));
    let (handle, told) = (download.handle(), Arc::clone(&waits));
    let download = download.on_event(move |event| {
        if let DownloadEvent::Retry { delay, kind, .. } = event {
            assert_eq!(*kind, ErrorKind::Throttled);
            told.lock().unwrap().push(*delay);
            handle.cancel();
        }
    });
    assert_eq!(download.await.unwrap_err().kind(), ErrorKind::Cancelled);
    let waits = waits.lock().unwrap();
    waits[0]
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, so many seconds from now.
fn date(from_now: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let seconds = now + from_now;
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let mut year = 1970;
    let mut day = days;
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = |year| if is_leap(year) { 366 } else { 365 };
    while day >= length(year) {
        day -= length(year);
        year += 1;
    }
    let months = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= months[month] {
        day -= months[month];
        month += 1;
    }
    let name = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][days.rem_euclid(7) as usize];
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    let (day, month) = (day + 1, name[month]);
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Faults: 44.
#[tokio::test]
async fn a_wait_that_the_service_asks_for_is_kept_within_a_minute() {
    let second = Duration::from_secs(1);
    assert_eq!(first_wait("7").await, 7 * second);
    assert_eq!(first_wait("60").await, 60 * second);
    assert_eq!(first_wait("1000000000").await, 60 * second);
    assert_eq!(first_wait("99999999999999999999999").await, 60 * second);
    let until = first_wait(&date(30)).await;
    assert!((25 * second..=30 * second).contains(&until), "{until:?}");
    assert_eq!(first_wait(&date(1_000_000)).await, 60 * second);
    // Garbage, and what lies in the past, leaves the wait to us.
    for value in ["", "-5", "soon", "1e3", "7 s", "Sun Nov  6 08:49:37 1994", &date(-100)] {
        let wait = first_wait(value).await;
        assert!(wait <= Duration::from_millis(100), "{value}: {wait:?}");
    }
}

/// Faults: 44, 45.
#[tokio::test]
async fn a_service_that_asks_for_fewer_requests_gets_fewer_at_once() {
    for (status, code) in [
        ("429 Too Many Requests", "TooManyRequests"),
        ("503 Service Unavailable", "QpsLimitExceeded"),
        ("503 Service Unavailable", "DownloadTrafficRateLimitExceeded"),
    ] {
        let rig = Rig::new(40 * PART);
        // The first eight are refused; each right answer takes a while, so that they overlap.
        rig.server.script(On::get().times(8), refusal(status, code, ""));
        let slow = [Step::UpTo(Place::Body(1)), Step::Pause(Duration::from_millis(30)), Step::Rest];
        rig.server.script(On::get().always(), Script::new(slow));
        let most = Arc::new(Mutex::new(0));
        let told = Arc::clone(&most);
        let download = rig.download().parallel(connections(8)).on_event(move |event| {
            if let DownloadEvent::Progress(progress) = event
                && progress.bytes() > 0
            {
                let mut most = told.lock().unwrap();
                *most = progress.live().max(*most);
            }
        });
        let done = download.await.unwrap_or_else(|error| panic!("{}", in_full(&error)));
        rig.assert_downloaded();
        assert!(done.attempts_failed >= 8, "{status}");
        // Halved at least once, and raised by one a second at most.
        let most = *most.lock().unwrap();
        assert!((1..=6).contains(&most), "{code}: {most}");
    }
}

/// Faults: 44.
#[tokio::test]
async fn a_service_that_throttles_for_ever_is_not_stormed() {
    let mut rig = Rig::new(8 * PART);
    rig.patience.total = Duration::from_millis(500);
    let error = rig.refused_always(refusal("503 Slow Down", "QpsLimitExceeded", "")).await;
    assert_eq!(error.kind(), ErrorKind::Throttled, "{}", in_full(&error));
    assert!(error.is_transient());
    assert!(rig.gets().len() <= 40, "{}", rig.gets().len());
    rig.assert_kept(&error);
    rig.finish(8 * PART).await;
}

/// Faults: 22.
#[tokio::test]
async fn a_network_that_collapses_and_recovers_fails_nothing() {
    const SIZE: u64 = 8_000_000;
    let sim = Simulator::builder().start().await;
    let content = Content::generated(7, SIZE);
    sim.put_object(crate::rig::KEY, content.clone());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object.bin");
    sim.throttle(20_000_000);
    let download = download_from(&sim.endpoint(), path.clone(), Patience::default());
    let handle = download.handle();
    let run = tokio::spawn(download.into_future());
    let reached = |bytes: u64| {
        let handle = handle.clone();
        async move {
            while handle.progress().is_none_or(|progress| progress.bytes() < bytes) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    reached(SIZE / 4).await;
    sim.throttle(20_000);
    let before = handle.progress().unwrap().bytes();
    // What was on its way still arrives.
    reached(before + 100_000).await;
    sim.unthrottle();
    let done = run.await.unwrap().unwrap();
    assert_eq!((done.fetched_bytes, done.attempts_failed), (SIZE, 0));
    assert!(std::fs::read(path).unwrap() == content.window(0..SIZE));
}

/// Faults: 14.
#[tokio::test]
async fn a_connection_far_slower_than_its_peers_is_replaced_and_what_it_brought_is_kept() {
    let rig = Rig::new(16 * PART);
    // 5,000 bytes a second.
    let drip = Step::Drip { to: Place::End, bytes: 100, every: Duration::from_millis(20) };
    rig.server.script(On::get(), Script::new([drip]));
    let download = rig.download().low_speed_limit(50_000);
    let done = download.low_speed_time(Duration::from_millis(300)).await.unwrap();
    rig.assert_downloaded();
    assert_eq!(done.fetched_bytes, 16 * PART);
    let gets = rig.gets();
    let slow = &gets[0];
    // A part would take twenty seconds.
    assert!(slow.sent < PART / 2, "{}", slow.sent);
    assert!((1..=3).contains(&done.attempts_failed), "{}", done.attempts_failed);
    assert!(gets.len() <= 16 + 4, "{}", gets.len());
}
