//! The role of an ECS instance, both modes of its metadata.

use crate::rig::{answer, around, assert_about, date, id, in_full, issue};
use async_trait::async_trait;
use bytes::Bytes;
use ossget::{EcsRole, ErrorKind};
use ossget_testkit::loopback::{Answer, Asked, Loopback};
use ossget_transport::{Limits, Response, Transport, TransportError};
use std::time::{Duration, Instant};

const ROLES: &str = "/latest/meta-data/ram/security-credentials/";

/// An instance with the role `reader`, which knows tokens or demands them.
fn hardened(asked: &Asked) -> Answer {
    if (asked.method.as_str(), asked.path()) == ("PUT", "/latest/api/token") {
        assert_eq!(asked.header("x-aliyun-ecs-metadata-token-ttl-seconds"), Some("21600"));
        return Answer::new(200, "canary-metadata-token\n");
    }
    match asked.header("x-aliyun-ecs-metadata-token") {
        Some("canary-metadata-token") => normal(asked),
        _ => Answer::new(403, "forbidden"),
    }
}

/// The same without tokens.
fn normal(asked: &Asked) -> Answer {
    match (asked.method.as_str(), asked.path().strip_prefix(ROLES)) {
        ("GET", Some("")) => Answer::new(200, "reader\n"),
        ("GET", Some("reader")) => Answer::json(answer("STS.reader", 3600)),
        ("GET", _) => Answer::new(404, "not found"),
        _ => Answer::new(405, "no such method"),
    }
}

fn role(service: &Loopback, variables: &[(&str, &str)]) -> EcsRole {
    EcsRole::new(around(variables).metadata_endpoint(service.url()))
}

/// Faults: 142.
#[tokio::test]
async fn the_hardened_mode_is_asked_first_and_its_token_is_sent_along() {
    let service = Loopback::start(hardened).unwrap();
    for variables in [&[][..], &[("ALIBABA_CLOUD_IMDSV1_DISABLED", "true")]] {
        let issued = issue(&role(&service, variables)).await.unwrap();
        assert_eq!(issued.credentials().access_key_id(), "STS.reader");
        assert!(issued.credentials().token().is_some());
        assert_about(issued.lifetime(), 3600);
    }
    let asked: Vec<_> = service.asked().iter().map(|it| it.method.clone()).collect();
    assert_eq!(asked, ["PUT", "GET", "GET", "PUT", "GET", "GET"]);
}

/// Faults: 142.
#[tokio::test]
async fn the_normal_mode_serves_where_there_is_no_hardened_one_unless_it_is_forbidden() {
    for refusal in [Answer::new(405, ""), Answer::new(404, "<html>"), Answer::none()] {
        let service = Loopback::start(move |asked| match asked.method.as_str() {
            "PUT" => refusal.clone(),
            _ => normal(asked),
        })
        .unwrap();
        assert_eq!(id(&role(&service, &[])).await, "STS.reader");
        let before = service.asked().len();
        let strict = role(&service, &[("ALIBABA_CLOUD_IMDSV1_DISABLED", "true")]);
        let error = issue(&strict).await.unwrap_err();
        assert!(error.hint().unwrap().contains("ALIBABA_CLOUD_IMDSV1_DISABLED"));
        assert_eq!(service.asked().len(), before + 1, "nothing is asked without a token");
    }
}

#[tokio::test]
async fn a_named_role_is_asked_for_without_looking_for_its_name() {
    let service = Loopback::start(hardened).unwrap();
    assert_eq!(id(&role(&service, &[]).role("reader")).await, "STS.reader");
    assert_eq!(service.asked().len(), 2);
    let error = issue(&role(&service, &[]).role("writer")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.to_string().contains("`writer`"), "{error}");
}

#[tokio::test]
async fn it_is_not_asked_where_that_is_forbidden() {
    let service = Loopback::start(hardened).unwrap();
    let error = issue(&role(&service, &[("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.to_string().contains("ALIBABA_CLOUD_ECS_METADATA_DISABLED"));
    assert!(service.asked().is_empty());
}

/// A transport that must not be used.
#[derive(Debug)]
struct Forbidden;

#[async_trait]
impl Transport for Forbidden {
    async fn send(&self, _: http::Request<Bytes>, _: Limits) -> Result<Response, TransportError> {
        panic!("the metadata were asked through the transport that may have a proxy");
    }
}

/// Faults: 142.
#[tokio::test]
async fn the_transport_that_may_have_a_proxy_is_not_used() {
    let service = Loopback::start(hardened).unwrap();
    let around = around(&[]).metadata_endpoint(service.url());
    let source = EcsRole::new(around.transport(std::sync::Arc::new(Forbidden)));
    assert_eq!(id(&source).await, "STS.reader");
}

/// Faults: 142.
#[tokio::test]
async fn an_answer_is_waited_for_a_second_and_no_longer() {
    let service =
        Loopback::start(|_| Answer::new(200, "x").after(Duration::from_secs(30))).unwrap();
    let strict = role(&service, &[("ALIBABA_CLOUD_IMDSV1_DISABLED", "1")]);
    let begun = Instant::now();
    let error = issue(&strict).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{}", in_full(&error));
    assert!(error.is_transient());
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(900) && waited < Duration::from_secs(15), "{waited:?}");
}

#[tokio::test]
async fn where_nothing_is_there_one_request_is_enough() {
    let nobody = {
        let service = Loopback::start(normal).unwrap();
        service.url()
    };
    let error = issue(&EcsRole::new(around(&[]).metadata_endpoint(nobody))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
}

/// Faults: 59.
#[tokio::test]
async fn what_is_no_answer_of_the_metadata_is_refused_and_not_repeated() {
    for (body, kind) in [
        (Answer::json(r#"{"Code":"Failed","Message":"canary"}"#), ErrorKind::Credentials),
        (Answer::json("{\"AccessKeyId\": canary"), ErrorKind::Credentials),
        (Answer::json(r#"{"Code":"Success","AccessKeyId":"canary"}"#), ErrorKind::Credentials),
        (Answer::new(503, "canary"), ErrorKind::Unavailable),
        (Answer::new(200, "canary".repeat(20_000)), ErrorKind::Protocol),
    ] {
        let service = Loopback::start(move |asked| match asked.path().ends_with("reader") {
            true => body.clone(),
            false => hardened(asked),
        })
        .unwrap();
        let error = issue(&role(&service, &[])).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{}", in_full(&error));
    }
    let service = Loopback::start(|asked| match asked.method.as_str() {
        "PUT" => Answer::new(200, "token"),
        _ => Answer::new(200, "<html>canary</html>\nlog in"),
    })
    .unwrap();
    let error = issue(&role(&service, &[])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
}

#[tokio::test]
async fn a_clock_that_is_wrong_shortens_or_lengthens_no_life() {
    for skew in [-86_400, 86_400] {
        let service = Loopback::start(move |asked| {
            let right = match asked.path().ends_with("reader") {
                // Seen from here, an hour and a day away from now.
                true => Answer::json(answer("STS.reader", 3600 + skew)),
                false => hardened(asked),
            };
            right.header("Date", date(skew))
        })
        .unwrap();
        let issued = issue(&role(&service, &[])).await.unwrap();
        assert_about(issued.lifetime(), 3600);
    }
}
