//! How a response is delimited: section 2 of the catalogue.

use crate::rig::{PART, Rig, in_full, raw, with_header};
use ossget::ErrorKind;
use ossget_testkit::On;
use ossget_testkit::scripted::{Ending, Place, Script, Step};
use std::time::Duration;

/// The right body under a head without length, in one chunk that says it had `length` bytes.
fn chunked(length: u64, mut body: Vec<Step>) -> Script {
    let mut steps = vec![Step::UpTo(Place::Body(0)), Step::Send(format!("{length:x}\r\n").into())];
    steps.append(&mut body);
    steps.push(Step::Send("\r\n0\r\n\r\n".into()));
    Script::new(steps).edited(|head| {
        with_header(&with_header(head, "Content-Length", ""), "Transfer-Encoding", "chunked")
    })
}

/// Faults: 32.
#[tokio::test]
async fn a_chunked_body_is_held_to_the_range() {
    let rig = Rig::new(PART);
    let done = rig.recovered(chunked(PART, vec![Step::Rest])).await;
    assert_eq!((done.requests, done.attempts_failed), (1, 0));

    // Too few bytes, cleanly ended: the rest is asked for.
    let rig = Rig::new(PART);
    let done = rig.recovered(chunked(70_000, vec![Step::UpTo(Place::Body(70_000))])).await;
    assert_eq!((done.fetched_bytes, done.attempts_failed), (PART, 1));
    assert_eq!(rig.gets()[1].range, Some(70_000..PART));

    // Too many: what is too much is written nowhere.
    let rig = Rig::new(2 * PART);
    let junk = vec![Step::Rest, Step::Send(vec![b'x'; 5_000].into())];
    let error = rig.refused_always(chunked(PART + 5_000, junk)).await;
    assert_eq!(error.kind(), ErrorKind::Protocol, "{}", in_full(&error));
    rig.finish(2 * PART).await;

    // A chunk that ends nothing without a range.
    let without = |head: &str| {
        let head = with_header(head, "Content-Length", "");
        with_header(&with_header(&head, "Transfer-Encoding", "chunked"), "Content-Range", "")
    };
    let rig = Rig::new(2 * PART);
    let error = rig.refused_always(chunked(PART, vec![Step::Rest]).edited(without)).await;
    assert_eq!(error.kind(), ErrorKind::Protocol, "{}", in_full(&error));
    assert_eq!(rig.most_asked(), 3);
    rig.assert_nothing_written();
}

/// Faults: 33.
#[tokio::test]
async fn a_body_that_ends_with_its_connection_is_held_to_the_range() {
    let old = |head: &str| {
        let head = with_header(&head.replace("HTTP/1.1", "HTTP/1.0"), "Content-Length", "");
        with_header(&head, "Connection", "")
    };
    let until = |place| Script::new([Step::UpTo(place), Step::End(Ending::Fin)]).edited(old);
    let rig = Rig::new(3 * PART);
    rig.server.script(On::get().always(), until(Place::End));
    let done = rig.download().await.unwrap();
    rig.assert_downloaded();
    assert_eq!((done.fetched_bytes, done.attempts_failed), (3 * PART, 0));

    // Too short a body looks as complete as any other.
    let rig = Rig::new(PART);
    let done = rig.recovered(until(Place::Body(70_000))).await;
    assert_eq!((done.fetched_bytes, done.attempts_failed), (PART, 1));
    assert_eq!(rig.gets()[1].range, Some(70_000..PART));

    let rig = Rig::new(2 * PART);
    let unnamed =
        until(Place::End).edited(move |head| with_header(&old(head), "Content-Range", ""));
    let error = rig.refused_always(unnamed).await;
    assert_eq!(error.kind(), ErrorKind::Protocol, "{}", in_full(&error));
    rig.assert_nothing_written();
}

/// Faults: 34, 35, 36.
#[tokio::test]
async fn what_is_not_one_http_response_is_dropped_with_its_connection_and_asked_for_again() {
    let good = "HTTP/1.1 206 Partial Content\r\n";
    let many: String = (0..101).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = format!("x: {}\r\n", "y".repeat(70_000));
    for response in [
        // 34
        format!("{good}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        format!(
            "{good}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        ),
        format!("{good}Content-Length: 5, 5\r\n\r\nhello"),
        format!("{good}Content-Length: +5\r\n\r\nhello"),
        // 35
        format!("{good}{many}Content-Length: 0\r\n\r\n"),
        format!("{good}{long}Content-Length: 0\r\n\r\n"),
        // 36
        format!("{good}Content-Length: 0\r\nfolded: a\r\n b\r\n\r\n"),
        format!("{good}Content-Length: 0\r\nnul: a\0b\r\n\r\n"),
        format!("{good}Content-Length: 0\r\nn\u{e4}me: a\r\n\r\n"),
        "HTTP/9.9 206 Partial Content\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 2O6 Partial Content\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "ICY 206 OK\r\n\r\n".to_owned(),
        "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(11),
    ] {
        let rig = Rig::new(PART);
        let done = rig.recovered(Script::raw(response.clone())).await;
        assert_eq!((done.fetched_bytes, done.attempts_failed), (PART, 1), "{response}");
        let gets = rig.gets();
        assert_ne!(gets[0].connection, gets[1].connection, "{response}");

        let rig = Rig::new(PART);
        let error = rig.refused_always(Script::raw(response.clone())).await;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{response}: {}", in_full(&error));
        assert_eq!(rig.gets().len(), 3, "{response}");
        rig.assert_nothing_written();
    }
}

/// Faults: 34.
#[tokio::test]
async fn broken_chunks_cost_what_follows_them_and_no_more() {
    let flood = format!("4e20;{}\r\n", "x".repeat(20_000));
    for broken in ["xyz\r\n", "-5\r\n", "FFFFFFFFFFFFFFFFFF\r\n", &flood] {
        let rig = Rig::new(PART);
        let mut steps = vec![Step::UpTo(Place::Body(0)), Step::Send("c350\r\n".into())];
        steps.extend([Step::UpTo(Place::Body(50_000)), Step::Send("\r\n".into())]);
        steps.push(Step::Send(broken.to_owned().into()));
        let script = Script::new(steps).edited(|head| {
            with_header(&with_header(head, "Content-Length", ""), "Transfer-Encoding", "chunked")
        });
        let done = rig.recovered(script).await;
        assert_eq!((done.fetched_bytes, done.attempts_failed), (PART, 1), "{broken}");
        let gets = rig.gets();
        assert_eq!(gets[1].range, Some(50_000..PART), "{broken}");
        assert_ne!(gets[0].connection, gets[1].connection, "{broken}");
    }
}

/// Faults: 146.
#[tokio::test]
async fn a_server_that_never_ends_is_ended() {
    let flood = |start: &str, more: &'static str| {
        Script::new([Step::Send(start.to_owned().into()), Step::Flood(more.into())])
    };
    let head = "HTTP/1.1 206 Partial Content\r\n";
    let body: &'static str = Box::leak("x".repeat(1 << 16).into_boxed_str());
    for (what, script) in [
        ("headers", flood(head, "x-more: of it\r\n")),
        ("one header", flood(&format!("{head}x-more: "), body)),
        ("a status line", flood("HTTP/1.1 206 ", body)),
        ("interim responses", flood("", "HTTP/1.1 103 Early Hints\r\n\r\n")),
    ] {
        let rig = Rig::new(PART);
        let error = rig.refused_always(script).await;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{what}: {}", in_full(&error));
        assert_eq!(rig.gets().len(), 3, "{what}");
    }
    // A body behind its length, and one whose chunks never end, under right heads.
    let rig = Rig::new(PART);
    let endless = Script::new([Step::Rest, Step::Flood(body.into())]);
    rig.server.script(On::get().always(), endless);
    rig.download().await.unwrap();
    rig.assert_downloaded();
    let rig = Rig::new(PART);
    let chunk: &'static str = Box::leak(format!("10000\r\n{body}\r\n").into_boxed_str());
    let endless = Script::new([Step::UpTo(Place::Body(0)), Step::Flood(chunk.into())]);
    let error = rig.refused_always(endless.edited(|head| {
        with_header(&with_header(head, "Content-Length", ""), "Transfer-Encoding", "chunked")
    }));
    let error = error.await;
    assert_eq!(error.kind(), ErrorKind::Protocol, "{}", in_full(&error));
    rig.finish(PART).await;
}

/// Faults: 146, 51.
#[tokio::test]
async fn an_explanation_that_never_ends_is_not_waited_for() {
    let body: &'static str = Box::leak("<Error>x".repeat(1 << 12).into_boxed_str());
    let head = "HTTP/1.1 403 Forbidden\r\nx-oss-request-id: 5C3D8D2A\r\n\r\n";
    let rig = Rig::new(PART);
    let script = Script::new([Step::Send(head.into()), Step::Flood(body.into())]);
    let error = rig.refused_always(script).await;
    assert_eq!((error.kind(), error.request_id()), (ErrorKind::Denied, Some("5C3D8D2A")));
    assert_eq!(rig.gets().len(), 1);
}

/// Faults: 146.
#[tokio::test]
async fn a_server_that_invites_endless_retries_gets_few() {
    for script in [
        Script::raw(raw("503 Slow Down", "Retry-After: 0\r\n", "")),
        Script::raw(raw("500 Internal Server Error", "", "")),
        Script::new([Step::End(Ending::Fin)]),
    ] {
        let mut rig = Rig::new(8 * PART);
        rig.patience.total = Duration::from_millis(500);
        let error = rig.refused_always(script).await;
        assert!(error.is_transient(), "{}", in_full(&error));
        // Four connections, each with a few waits that double.
        assert!(rig.gets().len() <= 60, "{}", rig.gets().len());
        assert!(rig.heads() <= 2);
    }
}
