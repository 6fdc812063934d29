//! Credentials from a URI.

use crate::rig::{answer, around, assert_about, in_full, issue};
use ossget::{CredentialsUri, ErrorKind};
use ossget_testkit::loopback::{Answer, Loopback};

#[tokio::test]
async fn a_uri_gives_credentials_and_their_end() {
    let service = Loopback::start(|_| Answer::json(answer("STS.uri", 1800))).unwrap();
    let uri = format!("{}/credentials?for=canary", service.url());
    let around = around(&[("ALIBABA_CLOUD_CREDENTIALS_URI", &uri)]);
    let source = CredentialsUri::of_variable(&around).unwrap().unwrap();
    let issued = issue(&source).await.unwrap();
    assert_eq!(issued.credentials().access_key_id(), "STS.uri");
    assert_about(issued.lifetime(), 1800);
    assert_eq!(service.asked()[0].target, "/credentials?for=canary");
}

#[tokio::test]
async fn what_a_uri_refuses_is_told_without_its_words() {
    for (reply, kind) in [
        (Answer::json(r#"{"Code":"Fail","AccessKeyId":"canary"}"#), ErrorKind::Credentials),
        (Answer::new(404, "canary"), ErrorKind::Credentials),
        (Answer::new(500, "canary"), ErrorKind::Unavailable),
        (Answer::new(302, "canary").header("Location", "http://h/canary"), ErrorKind::Credentials),
        (Answer::none(), ErrorKind::Network),
    ] {
        let service = Loopback::start(move |_| reply.clone()).unwrap();
        let source = CredentialsUri::new(format!("{}/canary", service.url()), around(&[])).unwrap();
        let error = issue(&source).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{}", in_full(&error));
        assert_eq!(service.asked().len(), 1);
    }
}
