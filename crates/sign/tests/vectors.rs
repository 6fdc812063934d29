//! The 72 signing vectors, made by running the official SDKs with a fixed clock.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may panic as the test may")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ossget_sign::{Credentials, Request, Signer, encode_path, v1, v4};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    format: String,
    count: usize,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    input: Input,
    expected: Expected,
}

#[derive(Deserialize)]
struct Input {
    method: String,
    addressing: String,
    endpoint: String,
    scheme: String,
    bucket: Option<String>,
    key: Option<String>,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    access_key_id: String,
    access_key_secret: String,
    security_token: Option<String>,
    region: String,
    product: String,
    time: String,
    expires_seconds: Option<u64>,
    version: String,
    auth: String,
    additional_headers: Vec<String>,
}

#[derive(Deserialize)]
struct Expected {
    host: String,
    encoded_path: String,
    canonical_request: Option<String>,
    string_to_sign: String,
    authorization: Option<String>,
    added_headers: Option<BTreeMap<String, String>>,
    signature: Option<String>,
    signed_query: Option<BTreeMap<String, String>>,
    url_go_v2: Option<String>,
    url_python_v2: Option<String>,
    published: Option<Published>,
}

#[derive(Deserialize)]
struct Published {
    value: String,
}

/// A vector's input in the types of the crate.
struct Case {
    method: Method,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    credentials: Credentials,
    signer: Signer,
    time: SystemTime,
}

impl Case {
    fn new(input: &Input) -> Self {
        let mut headers = HeaderMap::new();
        for (name, value) in &input.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let signer = match input.version.as_str() {
            "v4" => Signer::v4(&input.region).unwrap(),
            "v1" => Signer::v1(),
            other => panic!("version {other}"),
        };
        Self {
            method: input.method.parse().unwrap(),
            query: input.query.clone().into_iter().collect(),
            headers,
            credentials: Credentials::new(&input.access_key_id, &input.access_key_secret)
                .unwrap()
                .security_token(input.security_token.clone().unwrap_or_default())
                .unwrap(),
            signer: signer
                .product(&input.product)
                .additional_headers(input.additional_headers.iter().cloned()),
            time: parse_time(&input.time),
        }
    }

    fn request<'a>(&'a self, input: &'a Input) -> Request<'a> {
        Request {
            method: &self.method,
            bucket: input.bucket.as_deref(),
            key: input.key.as_deref(),
            query: &self.query,
            headers: &self.headers,
        }
    }
}

#[test]
fn every_header_signature_is_the_one_of_the_sdks() {
    let mut checked = 0;
    for Vector { name, input, expected } in vectors("header") {
        let case = Case::new(&input);
        let signed = case.signer.sign(&case.request(&input), &case.credentials, case.time).unwrap();
        assert_eq!(signed.canonical_request(), expected.canonical_request.as_deref(), "{name}");
        assert_eq!(signed.string_to_sign(), expected.string_to_sign, "{name}");

        let mut added: BTreeMap<String, String> = signed
            .into_headers()
            .into_iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        assert_eq!(added.remove("authorization"), expected.authorization, "{name}");
        let expected_added: BTreeMap<String, String> = expected
            .added_headers
            .unwrap()
            .into_iter()
            .map(|(name, value)| (name.to_lowercase(), value))
            .collect();
        assert_eq!(added, expected_added, "{name}");
        if let Some(published) = expected.published {
            assert_eq!(Some(published.value), expected.authorization, "{name}");
        }
        checked += 1;
    }
    assert_eq!(checked, 53);
}

#[test]
fn every_query_signature_is_the_one_of_the_sdks() {
    let mut checked = 0;
    for Vector { name, input, expected } in vectors("query") {
        let case = Case::new(&input);
        let expires = Duration::from_secs(input.expires_seconds.unwrap());
        let request = case.request(&input);
        let signed = case.signer.presign(&request, &case.credentials, case.time, expires).unwrap();
        assert_eq!(signed.canonical_request(), expected.canonical_request.as_deref(), "{name}");
        assert_eq!(signed.string_to_sign(), expected.string_to_sign, "{name}");
        assert_eq!(Some(signed.signature()), expected.signature.as_deref(), "{name}");

        let signed_query = expected.signed_query.unwrap();
        assert_eq!(to_map(signed.query().to_vec()), signed_query, "{name}");
        assert_eq!(parse_query(&signed.encoded_query()), signed_query, "{name}");
        assert_eq!(to_map(signed.clone().into_query()), signed_query, "{name}");
        let address = format!("{}://{}{}", input.scheme, expected.host, expected.encoded_path);
        for url in [expected.url_go_v2, expected.url_python_v2].into_iter().flatten() {
            let (before, query) = url.split_once('?').unwrap();
            assert_eq!(before, address, "{name}");
            assert_eq!(parse_query(query), signed_query, "{name}");
        }
        checked += 1;
    }
    assert_eq!(checked, 19);
}

#[test]
fn every_path_on_the_wire_is_the_encoded_key_after_the_prefix_of_the_style() {
    for Vector { name, input, expected } in all_vectors() {
        let key = encode_path(input.key.as_deref().unwrap_or_default());
        let (host, path) = match (input.addressing.as_str(), &input.bucket) {
            ("path", Some(bucket)) => (input.endpoint, format!("/{bucket}/{key}")),
            ("virtual", Some(bucket)) => {
                (format!("{bucket}.{}", input.endpoint), format!("/{key}"))
            }
            _ => (input.endpoint, format!("/{key}")),
        };
        assert_eq!(path, expected.encoded_path, "{name}");
        assert_eq!(host, expected.host, "{name}");
    }
}

/// What a verifier does: nothing but the building blocks and what stands in the signed request.
#[test]
fn every_signature_can_be_recomputed_from_the_signed_request() {
    for Vector { name, input, expected } in all_vectors() {
        let mut case = Case::new(&input);
        let mut date = None;
        for (name, value) in expected.added_headers.iter().flatten() {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            case.headers.insert(name, value.parse().unwrap());
        }
        if let Some(query) = &expected.signed_query {
            date = query.get("x-oss-date").or_else(|| query.get("Expires")).cloned();
            case.query = query.clone().into_iter().collect();
        }
        let date = date
            .or_else(|| Some(case.headers.get("x-oss-date")?.to_str().unwrap().to_owned()))
            .unwrap_or_else(|| case.headers["date"].to_str().unwrap().to_owned());

        let secret = case.credentials.secret();
        let request = case.request(&input);
        let signature = if input.version == "v4" {
            let scope =
                v4::Scope { date: &date[..8], region: &input.region, product: &input.product };
            let canonical = v4::canonical_request(&request, &input.additional_headers).unwrap();
            v4::signature(secret, &scope, &v4::string_to_sign(&date, &scope, &canonical))
        } else {
            v1::signature(secret, &v1::string_to_sign(&request, &date).unwrap())
        };
        let stated = expected.signature.or(expected.authorization).unwrap();
        assert!(stated.ends_with(&signature), "{name}");
    }
}

fn vectors(auth: &'static str) -> impl Iterator<Item = Vector> {
    all_vectors().into_iter().filter(move |vector| vector.input.auth == auth)
}

fn all_vectors() -> Vec<Vector> {
    let file: Vectors = serde_json::from_str(include_str!("vectors/sign.json")).unwrap();
    assert_eq!(file.format, "oss-signing-vectors/1");
    assert_eq!((file.count, file.vectors.len()), (72, 72));
    let names: BTreeSet<&str> = file.vectors.iter().map(|vector| vector.name.as_str()).collect();
    assert_eq!(names.len(), 72);
    file.vectors
}

fn parse_time(rfc3339: &str) -> SystemTime {
    let timestamp: jiff::Timestamp = rfc3339.parse().unwrap();
    UNIX_EPOCH + Duration::from_secs(timestamp.as_second().try_into().unwrap())
}

fn parse_query(query: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8().unwrap().into_owned()
    };
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    to_map(pairs.map(|(name, value)| (decode(name), decode(value))).collect())
}

fn to_map(query: Vec<(String, String)>) -> BTreeMap<String, String> {
    let count = query.len();
    let map: BTreeMap<String, String> = query.into_iter().collect();
    assert_eq!(map.len(), count, "a name occurs twice");
    map
}
