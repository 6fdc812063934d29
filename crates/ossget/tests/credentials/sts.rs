//! Roles assumed at STS.

use crate::rig::{answer, around, assert_about, id, in_full, issue, write};
use async_trait::async_trait;
use ossget::{
    AssumeRole, Credentials, CredentialsSource, Error, ErrorKind, Issued, OidcRole, Role,
    Surroundings,
};
use ossget_sign::rpc;
use ossget_testkit::loopback::{Answer, Asked, Loopback};
use std::sync::Arc;
use std::time::Duration;

const ARN: &str = "acs:ram::1234567890123456:role/reader";

#[derive(Clone, Copy, Debug)]
enum Base {
    Lasting,
    Temporary,
}

impl Base {
    const fn token(self) -> Option<&'static str> {
        match self {
            Self::Lasting => None,
            Self::Temporary => Some("canary-base-token+/="),
        }
    }

    fn credentials(self) -> Credentials {
        let pair = Credentials::new("base-id", "canary-base-secret").unwrap();
        pair.security_token(self.token().unwrap_or_default()).unwrap()
    }
}

#[async_trait]
impl CredentialsSource for Base {
    async fn issue(&self) -> Result<Issued, Error> {
        Ok(Issued::lasting(self.credentials()))
    }

    fn describe(&self) -> String {
        "a base".to_owned()
    }
}

fn reply(id: &str) -> Answer {
    let credentials = answer(id, 3600);
    Answer::json(format!(
        r#"{{"RequestId":"x","AssumedRoleUser":{{}},"Credentials":{credentials}}}"#
    ))
}

/// STS, which recomputes the signature with the secret it knows.
fn verify(asked: &Asked, base: &Credentials) -> Answer {
    let mut parameters = asked.parameters();
    let at = parameters.iter().position(|(name, _)| name == "Signature").expect("signed");
    let (_, signature) = parameters.remove(at);
    let method = asked.method.parse().unwrap();
    let text = rpc::string_to_sign(&method, &parameters);
    match signature == rpc::signature(base.secret(), &text) {
        true => reply("STS.assumed"),
        false => Answer::new(400, r#"{"Code":"IncompleteSignature","Message":"canary"}"#),
    }
}

fn at(service: &Loopback) -> Surroundings {
    around(&[]).sts_endpoint(service.url())
}

#[tokio::test]
async fn a_role_is_assumed_by_a_signed_form() {
    for which in [Base::Lasting, Base::Temporary] {
        let base = which.credentials();
        let service = Loopback::start(move |asked| verify(asked, &base)).unwrap();
        let role = Role::new(ARN)
            .session_name("a b")
            .duration(Duration::from_secs(900))
            .policy(r#"{"Statement":[]}"#)
            .external_id("ext");
        let source = AssumeRole::new(Arc::new(which), role, at(&service));
        let issued = issue(&source).await.unwrap();
        assert_eq!(issued.credentials().access_key_id(), "STS.assumed");
        assert_about(issued.lifetime(), 3600);
        id(&source).await;

        let [first, second] = &service.asked()[..] else { panic!("two requests") };
        let of = |asked: &Asked, name: &str| asked.parameter(name);
        for (name, value) in [
            ("Action", "AssumeRole"),
            ("Version", "2015-04-01"),
            ("Format", "JSON"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureVersion", "1.0"),
            ("AccessKeyId", "base-id"),
            ("RoleArn", ARN),
            ("RoleSessionName", "a b"),
            ("DurationSeconds", "900"),
            ("Policy", r#"{"Statement":[]}"#),
            ("ExternalId", "ext"),
        ] {
            assert_eq!(of(first, name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(of(first, "SecurityToken").as_deref(), which.token());
        assert_eq!(first.method, "POST");
        assert_ne!(of(first, "SignatureNonce"), of(second, "SignatureNonce"));
        let timestamp = of(first, "Timestamp").unwrap();
        assert!(timestamp.len() == 20 && timestamp.ends_with('Z'), "{timestamp}");
    }
}

#[tokio::test]
async fn what_sts_refuses_is_told_by_its_code_and_a_hint() {
    for (status, code, kind, hint) in [
        (403, "NoPermission", ErrorKind::Credentials, "sts:AssumeRole"),
        (404, "EntityNotExist.Role", ErrorKind::Credentials, ARN),
        (400, "InvalidTimeStamp.Expired", ErrorKind::Credentials, "clock"),
        (404, "InvalidAccessKeyId.NotFound", ErrorKind::Credentials, "credentials"),
        (503, "ServiceUnavailable", ErrorKind::Unavailable, "again"),
        (429, "Throttling.User", ErrorKind::Throttled, "again"),
    ] {
        let service = Loopback::start(move |_| {
            Answer::new(
                status,
                format!(r#"{{"Code":"{code}","Message":"for canary-base-secret"}}"#),
            )
        })
        .unwrap();
        let error =
            issue(&AssumeRole::new(Arc::new(Base::Lasting), Role::new(ARN), at(&service))).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), kind, "{}", in_full(&error));
        assert!(error.to_string().contains(code), "{error}");
        assert!(error.hint().unwrap().contains(hint), "{:?}", error.hint());
    }
}

#[tokio::test]
async fn a_code_that_is_no_word_is_not_repeated() {
    let service =
        Loopback::start(|_| Answer::new(400, r#"{"Code":"no word: canary","Message":""}"#))
            .unwrap();
    let source = AssumeRole::new(Arc::new(Base::Lasting), Role::new(ARN), at(&service));
    let error = issue(&source).await.unwrap_err();
    assert!(error.to_string().ends_with("400"), "{error}");
}

#[tokio::test]
async fn a_role_by_oidc_is_assumed_unsigned_with_the_token_as_it_is_now() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    write(&file, "canary-first\n");
    let service = Loopback::start(|_| reply("STS.oidc")).unwrap();
    let provider = "acs:ram::1234567890123456:oidc-provider/ack";
    let variables = around(&[
        ("ALIBABA_CLOUD_ROLE_ARN", ARN),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", provider),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", file.to_str().unwrap()),
        ("ALIBABA_CLOUD_ROLE_SESSION_NAME", "pod"),
    ]);
    let source = OidcRole::of_variables(&variables.sts_endpoint(service.url())).unwrap().unwrap();
    assert_eq!(id(&source).await, "STS.oidc");
    write(&file, "canary-second");
    assert_eq!(id(&source).await, "STS.oidc");

    let [first, second] = &service.asked()[..] else { panic!("two requests") };
    assert_eq!(first.method, "POST");
    assert_eq!(first.parameter("Action").as_deref(), Some("AssumeRoleWithOIDC"));
    assert_eq!(first.parameter("OIDCProviderArn").as_deref(), Some(provider));
    assert_eq!(first.parameter("RoleArn").as_deref(), Some(ARN));
    assert_eq!(first.parameter("RoleSessionName").as_deref(), Some("pod"));
    assert_eq!(first.parameter("DurationSeconds").as_deref(), Some("3600"));
    assert_eq!(first.parameter("Signature"), None);
    assert!(!first.target.contains("canary"), "the token is in the form alone");
    assert_eq!(first.parameter("OIDCToken").as_deref(), Some("canary-first"));
    assert_eq!(second.parameter("OIDCToken").as_deref(), Some("canary-second"));

    std::fs::remove_file(&file).unwrap();
    let error = issue(&source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
}

#[test]
fn two_of_the_three_variables_of_oidc_are_not_enough() {
    let all = [
        ("ALIBABA_CLOUD_ROLE_ARN", ARN),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "p"),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "f"),
    ];
    assert!(OidcRole::of_variables(&around(&all)).unwrap().is_some());
    for without in 0..3 {
        let mut some = all.to_vec();
        some.remove(without);
        assert!(OidcRole::of_variables(&around(&some)).unwrap().is_none());
    }
}
