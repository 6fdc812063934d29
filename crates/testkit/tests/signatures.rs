//! What the simulator makes of signatures.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

mod support;

use std::time::{Duration, SystemTime};

use ossget_sign::{Credentials, Signer};
use ossget_testkit::{SignatureForm, Simulator};
use support::{Call, refused, test_credentials, v4};

async fn simulator() -> Simulator {
    let sim = Simulator::builder().start().await;
    sim.put_object("dir/a b+c", "hello");
    sim
}

#[tokio::test]
async fn all_four_forms_are_accepted() {
    let sim = simulator().await;
    let call = || Call::get("dir/a b+c").header("x-oss-range-behavior", "standard");
    let pair = test_credentials();
    for (signed, form) in [
        (call().signed_by(&v4(), &pair), SignatureForm::V4Header),
        (call().presigned_by(&v4(), &pair, 60), SignatureForm::V4Query),
        (call().signed_by(&Signer::v1(), &pair), SignatureForm::V1Header),
        (call().presigned_by(&Signer::v1(), &pair, 60), SignatureForm::V1Query),
    ] {
        let answer = signed.send(&sim);
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"), "{form:?}");
        assert_eq!(sim.requests().last().unwrap().signature, Some(form));
    }
}

#[tokio::test]
async fn v1_is_refused_where_the_service_no_longer_takes_it() {
    let sim = Simulator::builder().refuse_v1().start().await;
    sim.put_object("dir/a b+c", "hello");
    let (call, pair) = (|| Call::get("dir/a b+c"), test_credentials());
    for signed in
        [call().signed_by(&Signer::v1(), &pair), call().presigned_by(&Signer::v1(), &pair, 60)]
    {
        let answer = signed.send(&sim);
        refused(&answer, 403, "AccessDenied");
        assert_eq!(answer.header("x-oss-ec"), Some("0002-00000080"));
    }
    for signed in [call().signed_by(&v4(), &pair), call().presigned_by(&v4(), &pair, 60)] {
        assert_eq!(signed.send(&sim).status, 200);
    }
}

#[tokio::test]
async fn additional_headers_are_part_of_the_signature() {
    let sim = simulator().await;
    let signer = v4().additional_headers(["range", "if-match"]);
    let signed = Call::get("dir/a b+c").range("bytes=1-2").signed_by(&signer, &test_credentials());
    assert_eq!(signed.send(&sim).text(), "el");
    refused(&signed.range("bytes=1-3").send(&sim), 403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn anything_changed_after_signing_is_refused() {
    let sim = simulator().await;
    let pair = test_credentials();
    let v1 = Signer::v1();
    for signed in [
        Call::get("dir/a b+c").signed(),
        Call::get("dir/a b+c").presigned_by(&v4(), &pair, 60),
        Call::get("dir/a b+c").signed_by(&v1, &pair),
        Call::get("dir/a b+c").presigned_by(&v1, &pair, 60),
    ] {
        let mut other_key = signed.clone();
        other_key.key = Some("dir/a b c".to_owned());
        let mut other_method = signed.clone();
        other_method.method = http::Method::DELETE;
        let more_headers = signed.clone().header("x-oss-more", "1");
        let more_query = signed.query("versionId", "1");
        for changed in [other_key, other_method, more_headers, more_query] {
            let answer = changed.send(&sim);
            refused(&answer, 403, "SignatureDoesNotMatch");
            assert!(answer.element("StringToSign").is_some());
            assert!(!answer.text().contains("testsecret"));
        }
    }
    assert!(sim.object("dir/a b+c").is_some());
}

#[tokio::test]
async fn keys_secrets_regions_and_tokens_must_be_the_right_ones() {
    let sim = simulator().await;
    let get = || Call::get("dir/a b+c");
    let pair = |id: &str, secret: &str| Credentials::new(id, secret).unwrap();
    refused(
        &get().signed_by(&v4(), &pair("other", "testsecret")).send(&sim),
        403,
        "InvalidAccessKeyId",
    );
    let wrong = get().signed_by(&v4(), &pair("testid", "other")).send(&sim);
    refused(&wrong, 403, "SignatureDoesNotMatch");
    let elsewhere = Signer::v4("cn-beijing").unwrap();
    refused(&get().signed_by(&elsewhere, &test_credentials()).send(&sim), 400, "InvalidArgument");
    let product = v4().product("oss-cloudbox");
    refused(&get().signed_by(&product, &test_credentials()).send(&sim), 400, "InvalidArgument");
    let token = test_credentials().security_token("token").unwrap();
    refused(&get().signed_by(&v4(), &token).send(&sim), 403, "InvalidSecurityToken");
    refused(&get().send(&sim), 403, "AccessDenied");
}

#[tokio::test]
async fn security_tokens_are_checked_and_can_expire() {
    let sim = Simulator::builder().token("token1").start().await;
    sim.put_object("k", "hello");
    let with = |token: &str| test_credentials().security_token(token).unwrap();
    for signer in [v4(), Signer::v1()] {
        assert_eq!(Call::get("k").signed_by(&signer, &with("token1")).send(&sim).status, 200);
        assert_eq!(Call::get("k").presigned_by(&signer, &with("token1"), 9).send(&sim).status, 200);
        let other = Call::get("k").signed_by(&signer, &with("token2")).send(&sim);
        refused(&other, 403, "InvalidSecurityToken");
        let none = Call::get("k").signed_by(&signer, &test_credentials()).send(&sim);
        refused(&none, 403, "InvalidSecurityToken");
    }
    sim.expire_tokens();
    let expired = Call::get("k").signed_by(&v4(), &with("token1")).send(&sim);
    refused(&expired, 403, "SecurityTokenExpired");
    sim.accept_credentials("testid", "testsecret", "token3").unwrap();
    assert_eq!(Call::get("k").signed_by(&v4(), &with("token3")).send(&sim).status, 200);
}

#[tokio::test]
async fn requests_must_be_signed_within_fifteen_minutes() {
    let sim = simulator().await;
    let at = |offset: i64| {
        let mut call = Call::get("dir/a b+c");
        let shift = Duration::from_secs(offset.unsigned_abs());
        call.time = if offset < 0 { SystemTime::now() - shift } else { SystemTime::now() + shift };
        call
    };
    for signer in [v4(), Signer::v1()] {
        for (offset, status) in [(-880, 200), (880, 200), (-920, 403), (920, 403)] {
            let answer = at(offset).signed_by(&signer, &test_credentials()).send(&sim);
            assert_eq!(answer.status, status, "{offset} s");
            if status == 403 {
                refused(&answer, 403, "RequestTimeTooSkewed");
                assert_eq!(answer.element("MaxAllowedSkewMilliseconds").unwrap(), "900000");
                assert!(answer.element("ServerTime").unwrap().ends_with(".000Z"));
            }
        }
    }
    sim.set_clock_offset(3600);
    refused(&at(0).signed().send(&sim), 403, "RequestTimeTooSkewed");
    assert_eq!(at(3600).signed().send(&sim).status, 200);
}

#[tokio::test]
async fn presigned_urls_expire() {
    let sim = simulator().await;
    let pair = test_credentials();
    for signer in [v4(), Signer::v1()] {
        let url = Call::get("dir/a b+c").presigned_by(&signer, &pair, 3600);
        sim.set_clock_offset(3500);
        assert_eq!(url.send(&sim).status, 200);
        sim.set_clock_offset(3700);
        let answer = url.send(&sim);
        refused(&answer, 403, "AccessDenied");
        assert_eq!(answer.element("Message").unwrap(), "Request has expired.");
    }
}

#[tokio::test]
async fn two_signatures_at_once_are_refused() {
    let sim = simulator().await;
    let url = Call::get("dir/a b+c").presigned_by(&v4(), &test_credentials(), 60);
    let header = Call::get("dir/a b+c").signed().headers["authorization"].clone();
    let both = url.header("authorization", header.to_str().unwrap());
    refused(&both.send(&sim), 400, "InvalidArgument");
}

#[tokio::test]
async fn what_anyone_may_read_needs_no_signature() {
    let sim = Simulator::builder().public_read().start().await;
    sim.put_object("k", "hello");
    assert_eq!(Call::get("k").send(&sim).text(), "hello");
    refused(&Call::new(http::Method::DELETE, "k").send(&sim), 403, "AccessDenied");
}

#[tokio::test]
async fn what_is_posted_or_copied_must_be_signed_as_well() {
    let sim = Simulator::builder().public_read().start().await;
    sim.put_object("k", "hello");
    let pair = test_credentials();
    let initiation = || Call::post("new").query("uploads", "");
    let copy = || Call::put("copied").header("x-oss-copy-source", "/examplebucket/k");
    let document = "<Delete><Object><Key>k</Key></Object></Delete>";
    let deletion = || Call::post("").query("delete", "").body(document).digested();
    for signer in [v4(), Signer::v1()] {
        for call in [initiation(), copy(), deletion()] {
            sim.put_object("k", "hello");
            refused(&call.clone().send(&sim), 403, "AccessDenied");
            let signed = call.clone().signed_by(&signer, &pair);
            let changed = signed.clone().header("x-oss-copy-source", "/examplebucket/other");
            refused(&changed.send(&sim), 403, "SignatureDoesNotMatch");
            assert_eq!(signed.send(&sim).status, 200);
            sim.put_object("k", "hello");
            let presigned = call.presigned_by(&signer, &pair, 60);
            let changed = presigned.clone().query("versionId", "1");
            refused(&changed.send(&sim), 403, "SignatureDoesNotMatch");
            assert_eq!(presigned.send(&sim).status, 200);
        }
    }
}
