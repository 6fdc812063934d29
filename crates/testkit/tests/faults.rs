//! Every fault does exactly what it says, to exactly the request it is meant for.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

mod support;

use std::time::{Duration, Instant};

use ossget_testkit::{Close, Content, Fault, On, Simulator};
use support::{Answer, Call, End};

const SIZE: u64 = 3_000_000;

fn content() -> Content {
    Content::generated(1, SIZE)
}

async fn with(fault: Fault) -> Simulator {
    let sim = Simulator::builder().start().await;
    sim.put_object("k", content());
    sim.fault(On::get(), fault);
    sim
}

/// The answer to a whole GET under the fault, after checking that the next request is spared.
fn first_get(sim: &Simulator) -> Answer {
    let answer = get(sim);
    let next = get(sim);
    assert_eq!((next.status, next.end), (200, End::Complete));
    assert!(next.body.len() as u64 == SIZE || sim.object("k").unwrap().size() != SIZE);
    answer
}

fn get(sim: &Simulator) -> Answer {
    let mut call = Call::get("k").signed();
    call.wait = Duration::from_millis(500);
    call.send(sim)
}

#[tokio::test]
async fn a_body_is_cut_at_the_byte_named() {
    for bytes in [0, 1, 65_536, 1_000_001, SIZE - 1] {
        for (how, end) in [(Close::Fin, End::Closed), (Close::Rst, End::Reset)] {
            let sim = with(Fault::CutAfter { bytes, how }).await;
            let answer = first_get(&sim);
            assert_eq!((answer.status, answer.end), (200, end), "{bytes} {how:?}");
            assert_eq!(answer.body.len() as u64, bytes, "{how:?}");
            assert!(answer.body == content().window(0..bytes));
            assert_eq!(answer.headers["content-length"], SIZE.to_string().as_str());
            assert_eq!(sim.requests()[0].sent, bytes);
        }
    }
}

#[tokio::test]
async fn a_connection_can_end_after_a_whole_body() {
    let sim = with(Fault::CutAfter { bytes: SIZE, how: Close::Fin }).await;
    let mut stream = std::net::TcpStream::connect(sim.address()).unwrap();
    let host = sim.address().to_string();
    let answer = Call::get("k").signed().send_on(&mut stream, &host, "/examplebucket/k");
    assert_eq!((answer.end, answer.body.len() as u64), (End::Complete, SIZE));
    assert_eq!(std::io::Read::read(&mut stream, &mut [0]).unwrap(), 0);
}

#[tokio::test]
async fn a_head_is_cut_at_the_byte_named() {
    for bytes in [0, 5, 40] {
        let sim = with(Fault::CutHead { bytes, how: Close::Fin }).await;
        let answer = first_get(&sim);
        assert_eq!((answer.status, answer.end), (0, End::Closed));
    }
}

#[tokio::test]
async fn a_response_can_stall_or_never_come() {
    let sim = with(Fault::StallAfter { bytes: 100_000 }).await;
    let answer = first_get(&sim);
    assert_eq!((answer.body.len(), answer.end), (100_000, End::Silent));
    let answer = first_get(&with(Fault::StallBeforeHead).await);
    assert_eq!((answer.status, answer.end), (0, End::Silent));
    let answer = first_get(&with(Fault::DropBeforeHead).await);
    assert_eq!((answer.status, answer.end), (0, End::Closed));
}

#[tokio::test]
async fn a_response_can_slow_down() {
    let sim = with(Fault::Trickle { bytes_per_second: 1000, after: 50_000 }).await;
    let mut call = Call::get("k").range("bytes=0-50099").signed();
    call.wait = Duration::from_secs(5);
    let begun = Instant::now();
    let answer = call.send(&sim);
    assert_eq!((answer.end, answer.body.len()), (End::Complete, 50_100));
    assert!(begun.elapsed() >= Duration::from_millis(80), "{:?}", begun.elapsed());
    assert!(answer.body == content().window(0..50_100));
}

#[tokio::test]
async fn one_byte_is_damaged_wherever_it_is_served() {
    let sim = with(Fault::FlipByte { at: 1_234_567 }).await;
    let body = first_get(&sim).body;
    let whole = content().window(0..SIZE);
    let wrong: Vec<usize> = (0..whole.len()).filter(|&at| body[at] != whole[at]).collect();
    assert_eq!(wrong, [1_234_567]);
    sim.fault(On::get(), Fault::FlipByte { at: 15 });
    let part = Call::get("k").range("bytes=10-19").signed().send(&sim).body;
    assert_eq!(part[5], whole[15] ^ 1);
    sim.fault(On::get(), Fault::WrongBytes { shift: 4096 });
    let part = Call::get("k").range("bytes=10-19").signed().send(&sim);
    assert_eq!(part.headers["content-range"], "bytes 10-19/3000000");
    assert_eq!(part.body, whole[4106..4116]);
}

#[tokio::test]
async fn range_headers_can_lie() {
    let ranged = |sim: &Simulator| Call::get("k").range("bytes=10-19").signed().send(sim);
    let answer = ranged(&with(Fault::WrongContentRange).await);
    assert_eq!(answer.headers["content-range"], "bytes 11-20/3000000");
    assert_eq!(answer.body, content().window(10..20));
    let answer = ranged(&with(Fault::IgnoreRange).await);
    assert_eq!((answer.status, answer.body.len() as u64), (200, SIZE));
    let signer = support::v4().additional_headers(["range"]);
    let call = Call::get("k").range("bytes=10-19").signed_by(&signer, &support::test_credentials());
    assert_eq!(call.send(&with(Fault::IgnoreRange).await).status, 200);
    let answer = ranged(&with(Fault::ShortRange { bytes: 4 }).await);
    assert_eq!((answer.status, answer.body), (206, content().window(10..14)));
    assert_eq!(answer.headers["content-range"], "bytes 10-13/3000000");
    let answer = ranged(&with(Fault::no_header("Content-Range")).await);
    assert_eq!((answer.status, answer.header("content-range")), (206, None));
}

#[tokio::test]
async fn framing_can_be_unusual() {
    let sim = with(Fault::Excess { bytes: 5000 }).await;
    let mut stream = std::net::TcpStream::connect(sim.address()).unwrap();
    let host = sim.address().to_string();
    let call = Call::get("k").range("bytes=0-9").signed();
    call.send_on(&mut stream, &host, "/examplebucket/k");
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut rest).unwrap();
    // The client may have taken some of it with the last bytes of the body.
    assert!(rest.iter().all(|&byte| byte == b'X'));
    assert_eq!(sim.requests()[0].sent, 5010);

    let sim = with(Fault::Chunked).await;
    let mut call = Call::get("k").range("bytes=0-9").signed();
    call.wait = Duration::from_millis(300);
    let answer = call.send(&sim);
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert!(answer.header("content-length").is_none());
    let raw: &[u8] = b"HTTP/1.0 206 Strange\r\n\r\nhello";
    let sim = with(Fault::Raw(raw.into())).await;
    let answer = first_get(&sim);
    assert_eq!((answer.status, answer.end, answer.text().as_str()), (206, End::Closed, "hello"));
}

#[tokio::test]
async fn errors_come_with_and_without_the_services_document() {
    let fault =
        Fault::Status { code: 503, oss_code: "SlowDown".into(), retry_after: Some("7".into()) };
    let answer = first_get(&with(fault).await);
    assert_eq!((answer.status, answer.element("Code").as_deref()), (503, Some("SlowDown")));
    assert_eq!(answer.header("retry-after"), Some("7"));
    let answer = first_get(&with(Fault::status(502, "")).await);
    assert_eq!((answer.status, answer.element("Code")), (502, None));
    assert!(answer.header("x-oss-request-id").is_none());
}

#[tokio::test]
async fn headers_can_lie_or_be_missing() {
    let answer = first_get(&with(Fault::WrongCrcHeader(5)).await);
    assert_eq!(answer.header("x-oss-hash-crc64ecma"), Some("5"));
    let answer = first_get(&with(Fault::NoCrcHeader).await);
    assert_eq!(answer.header("x-oss-hash-crc64ecma"), None);
    let answer = first_get(&with(Fault::WrongETag).await);
    assert_ne!(answer.header("etag").unwrap(), content().etag());
    let answer = first_get(&with(Fault::header("content-encoding", "gzip")).await);
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
}

#[tokio::test]
async fn an_object_can_change_under_the_client() {
    let sim = with(Fault::ReplaceObjectNow(Content::bytes("new"))).await;
    let etag = content().etag();
    let answer = Call::get("k").header("if-match", &etag).signed().send(&sim);
    assert_eq!(answer.status, 412);
    assert_eq!(get(&sim).text(), "new");
    sim.fault(On::get(), Fault::DeleteObjectNow);
    assert_eq!(get(&sim).status, 404);
}

#[tokio::test]
async fn a_request_can_be_kept_waiting() {
    let sim = with(Fault::Latency(Duration::from_millis(120))).await;
    let begun = Instant::now();
    assert_eq!(get(&sim).status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn faults_of_one_request_add_up() {
    let sim = with(Fault::NoCrcHeader).await;
    sim.fault(On::get().nth(1), Fault::CutAfter { bytes: 10, how: Close::Fin });
    let answer = first_get(&sim);
    assert_eq!((answer.header("x-oss-hash-crc64ecma"), answer.body.len()), (None, 10));
}

#[tokio::test]
async fn rates_hold_for_one_connection_and_for_several() {
    let sim = Simulator::builder().start().await;
    sim.put_object("k", content());
    let rate = 5 * SIZE;
    for (connections, each) in [(1, false), (4, false), (4, true)] {
        sim.unthrottle();
        if each {
            sim.throttle_each(rate);
        } else {
            sim.throttle(rate);
        }
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..connections {
                scope.spawn(|| assert_eq!(get(&sim).body.len() as u64, SIZE));
            }
        });
        let shared = if each { 1 } else { connections };
        let expected = 0.2 * f64::from(shared);
        let took = begun.elapsed().as_secs_f64();
        // The upper bound is loose for busy machines; the rate itself is the lower one.
        assert!(took > expected * 0.9 && took < expected * 3.0, "{connections}: {took} s");
    }
    sim.unthrottle();
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_record() {
    let sim = Simulator::builder().start().await;
    sim.put_object("endless", Content::generated(1, 1 << 45));
    let mut call = Call::get("endless").signed();
    call.wait = Duration::from_millis(1);
    sim.throttle(1_000_000);
    call.send(&sim);
    let ended = || sim.requests().iter().all(|request| request.ended);
    let begun = Instant::now();
    while !ended() {
        assert!(begun.elapsed() < Duration::from_secs(10), "the record never ended");
        tokio::task::yield_now().await;
    }
    assert!(sim.requests()[0].sent < 1_000_000);
}
