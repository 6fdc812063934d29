//! Secrets, and everything that could repeat them.

use crate::canned::{Answer, Canned, all_text, block_on, source};
use crate::input::Input;
use http::{HeaderName, HeaderValue};
use ossget::{
    ByteRange, Client, Credentials, CredentialsProvider, Endpoint, EnvironmentCredentials, Error,
    Object, ObjectIdentity, Source, SourceError, StaticCredentials,
};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

/// A server that has seen the token, and a user who mistook one field for another: no text of any
/// error or setting repeats a secret.
///
/// Input: what the secrets are made of, the status, header lines, an empty line, the body; in the
/// last three `{S}` stands for the token.
pub fn redaction(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let token = secret("Tk", input.line());
    let key = secret("Sk", token.as_bytes());
    let with_secret = |line: &[u8]| replaced(line, &token);
    let mut answer = Answer::new(input.text().trim().parse().unwrap_or(403));
    loop {
        let line = with_secret(input.line());
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { break };
        let name = HeaderName::from_bytes(line[..colon].trim_ascii());
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            answer.headers.push((name, value));
        }
    }
    let body = with_secret(input.rest());
    let transport = Canned::new(answer.body(&body));
    let endpoint = Endpoint::parse("oss-cn-hangzhou.aliyuncs.com").expect("an endpoint");
    let pair = Credentials::new("STS.id", &*key).and_then(|pair| pair.security_token(&*token));
    let pair = pair.expect("visible ASCII");
    let mut texts = vec![format!("{pair:?} {pair:#?}")];
    let source = source(&transport, &endpoint, pair.clone()).expect("a source");
    texts.push(format!("{source:?} {source:#?}"));
    let object = Object::new("bucket", "key").expect("an object");
    let range = ByteRange::new(100, 200).expect("a range");
    let pinned = ObjectIdentity::new(1000).etag("\"E\"");
    let errors: [Option<SourceError>; 2] = [
        block_on(source.probe(&object)).err(),
        block_on(source.get_range(&object, range, &pinned)).err(),
    ];
    for error in errors.into_iter().flatten() {
        texts.push(all_text(&error));
        let error = Error::from(error);
        texts.extend([all_text(&error), error.hint().unwrap_or_default().to_owned()]);
    }
    // The recorded requests hold the token; their headers are marked.
    texts.push(format!("{:?}", transport.requests()));
    texts.extend(mistakes(&token));
    let client = Client::builder(endpoint.to_string(), StaticCredentials::new(pair))
        // The system's certificates take long to read.
        .transport(Canned::new(Answer::new(404)));
    texts.push(format!("{client:?}"));
    texts.push(format!("{:?}", client.build().expect("a client")));
    for text in texts {
        for secret in [&token, &key] {
            assert!(!text.contains(secret.as_str()), "{text}");
        }
    }
}

/// What is said of a secret in the wrong place.
fn mistakes(secret: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut told = |error: Option<Error>| {
        let error = error.expect("it is refused");
        texts.push(format!("{} {}", all_text(&error), error.hint().unwrap_or_default()));
    };
    for endpoint in
        [format!("https://user:{secret}@host"), format!("host?x={secret}"), format!("h#{secret}")]
    {
        told(Endpoint::parse(&endpoint).err());
    }
    for source in [
        format!("https://bucket.host/key?Signature={secret}"),
        format!("http://user:{secret}@host/key"),
        secret.to_owned(),
    ] {
        told(Object::parse(&source).err());
    }
    let refused = Credentials::new("a/b", secret).expect_err("a slash");
    texts.push(all_text(&refused));
    let refused = Credentials::new("id", format!("{secret}\n")).expect_err("a line feed");
    texts.push(all_text(&refused));
    let pair = Credentials::new("id", "key").expect("credentials");
    let refused = pair.security_token(format!("{secret}\r")).expect_err("a control character");
    texts.push(all_text(&refused));
    texts
}

/// Environment variables of any content: credentials that can be used, or an error that repeats
/// nothing.
///
/// Input: the values of the six variables, a line each.
pub fn environment(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let values = VARIABLES.map(|name| (name, OsString::from_vec(value(name, input.line()))));
    let known = values.clone();
    let provider = EnvironmentCredentials::with_lookup(move |name| {
        known.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    });
    let mut texts = vec![format!("{provider:?}"), provider.describe()];
    match block_on(provider.credentials()) {
        Ok(found) => {
            let found = found.expect("the environment is never anonymous");
            texts.push(format!("{found:?}"));
            let transport = Canned::new(Answer::new(404));
            let endpoint = Endpoint::parse("oss-cn-hangzhou.aliyuncs.com").expect("an endpoint");
            let source = source(&transport, &endpoint, found).expect("a source");
            let object = Object::new("bucket", "key").expect("an object");
            let error = block_on(source.probe(&object)).expect_err("it is refused");
            texts.push(all_text(&error));
            assert_eq!(transport.requests().len(), 1);
        }
        Err(error) => texts.push(all_text(&error)),
    }
    for (name, value) in values.iter().filter(|(name, value)| is_secret(name) && !value.is_empty())
    {
        let Some(value) = value.to_str() else { continue };
        assert!(texts.iter().all(|text| !text.contains(value)), "{name}");
    }
    let provider: Arc<dyn CredentialsProvider> = Arc::new(provider);
    assert!(!provider.is_anonymous());
}

/// What a variable is set to: a secret begins so that it stands in no text by chance.
fn value(name: &str, line: &[u8]) -> Vec<u8> {
    let prefix: &[u8] = if is_secret(name) && !line.is_empty() { b"Zq9Canary" } else { b"" };
    [prefix, line].concat()
}

fn is_secret(name: &str) -> bool {
    !name.ends_with("_ID")
}

/// A secret that stands in no text by chance, of the characters that real ones are made of.
fn secret(kind: &str, material: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters =
        material.iter().take(600).map(|byte| char::from(alphabet[usize::from(byte & 63)]));
    format!("Zq9{kind}Canary").chars().chain(letters).collect()
}

fn replaced(line: &[u8], secret: &str) -> Vec<u8> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(b"{S}") {
            found.extend_from_slice(secret.as_bytes());
            rest = after;
        } else {
            found.push(*first);
            rest = after;
        }
    }
    found
}

const VARIABLES: [&str; 6] = [
    "OSS_ACCESS_KEY_ID",
    "OSS_ACCESS_KEY_SECRET",
    "OSS_SESSION_TOKEN",
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
];
