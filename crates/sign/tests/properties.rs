//! Properties of signing that hold for every input, not only for the vectors.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may panic as the test may")]

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ossget_sign::{
    Credentials, Request, SignError, Signer, encode, encode_path, encode_query, is_v1_subresource,
    v1, v4,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

const EXPIRES: Duration = Duration::from_secs(900);

/// The parts of a request and of what it is signed with, each one signed in V4.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Signed {
    method: &'static str,
    bucket: String,
    key: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    id: String,
    secret: String,
    token: String,
    seconds: u64,
}

impl Signed {
    fn example() -> Self {
        let text = str::to_owned;
        Self {
            method: "GET",
            bucket: text("examplebucket"),
            key: text("a/b.txt"),
            query: BTreeMap::from([(text("versionId"), text("v1"))]),
            headers: [
                ("content-type", "text/plain"),
                ("content-md5", "abc="),
                ("x-oss-meta-a", "1"),
            ]
            .map(|(name, value)| (text(name), text(value)))
            .into(),
            id: text("LTAIexample"),
            secret: text("secret"),
            token: text("token"),
            seconds: 1_741_507_507,
        }
    }

    fn credentials(&self) -> Credentials {
        Credentials::new(&self.id, &self.secret).unwrap().security_token(&self.token).unwrap()
    }

    fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.seconds)
    }

    fn with_request<T>(&self, then: impl FnOnce(&Request<'_>) -> T) -> T {
        let query: Vec<_> = self.query.clone().into_iter().collect();
        then(&Request {
            method: &self.method.parse().unwrap(),
            bucket: Some(&self.bucket),
            key: Some(&self.key),
            query: &query,
            headers: &header_map(self.headers.iter()),
        })
    }

    fn authorization(&self, signer: &Signer) -> String {
        let signed = self
            .with_request(|request| signer.sign(request, &self.credentials(), self.time()))
            .unwrap();
        let (name, value) = signed.headers().last().unwrap();
        assert_eq!(name, "authorization");
        value.to_str().unwrap().to_owned()
    }

    fn presigned(&self, signer: &Signer) -> String {
        let credentials = self.credentials();
        let signed = self
            .with_request(|request| signer.presign(request, &credentials, self.time(), EXPIRES))
            .unwrap();
        signed.encoded_query()
    }
}

fn header_map<'a>(headers: impl Iterator<Item = (&'a String, &'a String)>) -> HeaderMap {
    headers
        .map(|(name, value)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), value)
        })
        .collect()
}

fn v4() -> Signer {
    Signer::v4("cn-hangzhou").unwrap().additional_headers(["range", "host"])
}

/// One change each of everything that both versions sign.
fn changes() -> Vec<Signed> {
    let example = Signed::example();
    let change = |apply: fn(&mut Signed)| {
        let mut changed = example.clone();
        apply(&mut changed);
        assert_ne!(changed, example);
        changed
    };
    vec![
        change(|s| s.method = "HEAD"),
        change(|s| s.bucket.push('x')),
        change(|s| s.key.push('x')),
        change(|s| s.key.push('/')),
        change(|s| s.key = "a//b.txt".into()),
        change(|s| s.key = "a%2Fb.txt".into()),
        change(|s| drop(s.query.insert("versionId".into(), "v2".into()))),
        change(|s| drop(s.query.insert("versionId".into(), "".into()))),
        change(|s| drop(s.query.insert("acl".into(), "".into()))),
        change(|s| s.query.clear()),
        change(|s| drop(s.headers.insert("content-type".into(), "text/html".into()))),
        change(|s| drop(s.headers.insert("content-md5".into(), "abd=".into()))),
        change(|s| drop(s.headers.insert("x-oss-meta-a".into(), "2".into()))),
        change(|s| drop(s.headers.insert("x-oss-meta-b".into(), "".into()))),
        change(|s| drop(s.headers.remove("x-oss-meta-a"))),
        change(|s| s.id.push('x')),
        change(|s| s.secret.push('x')),
        change(|s| s.token.push('x')),
        change(|s| s.token.clear()),
        change(|s| s.seconds += 1),
        change(|s| s.seconds += 86_400),
    ]
}

#[test]
fn any_change_of_what_both_versions_sign_changes_the_signature() {
    for signer in [v4(), Signer::v1()] {
        let header = Signed::example().authorization(&signer);
        let query = signature_of(&Signed::example().presigned(&signer));
        for changed in changes() {
            assert_ne!(changed.authorization(&signer), header, "{changed:?}");
            // The id is in V4's signed query, but nowhere in what V1 signs.
            if signer.version() == Signer::v1().version() && changed.id != Signed::example().id {
                continue;
            }
            assert_ne!(signature_of(&changed.presigned(&signer)), query, "{changed:?}");
        }
    }
}

fn signature_of(query: &str) -> String {
    query.split('&').find(|pair| pair.to_lowercase().contains("signature=")).unwrap().to_owned()
}

#[test]
fn any_change_of_the_signer_changes_a_v4_signature() {
    let signers = [
        v4(),
        v4().product("oss-cloudbox"),
        Signer::v4("cn-beijing").unwrap(),
        Signer::v4("cn-hangzhou").unwrap().additional_headers(["range"]),
        Signer::v4("cn-hangzhou").unwrap(),
    ];
    let mut example = Signed::example();
    example.headers.insert("range".into(), "bytes=0-1".into());
    example.headers.insert("host".into(), "h".into());
    let mut all: Vec<String> = signers.iter().map(|s| example.authorization(s)).collect();
    example.headers.insert("range".into(), "bytes=0-2".into());
    all.push(example.authorization(&signers[0]));
    let unsigned_range = example.authorization(&signers[4]);
    assert_eq!(unsigned_range, all[4], "a range that is not additional is not signed");
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 6);
}

#[test]
fn v1_signs_no_ordinary_parameter_and_v4_does() {
    let mut changed = Signed::example();
    changed.query.insert("prefix".into(), "p".into());
    let v1 = Signer::v1();
    assert_eq!(changed.authorization(&v1), Signed::example().authorization(&v1));
    assert_ne!(changed.authorization(&v4()), Signed::example().authorization(&v4()));
}

#[test]
fn v1_signs_a_given_oss_date_in_place_of_the_date_unless_it_is_blank() {
    let given = "Wed, 28 Dec 2022 10:27:41 GMT";
    let cases = [(given, given), (" ", "Sun, 09 Mar 2025 08:05:07 GMT")];
    for (value, expected) in cases {
        let mut example = Signed::example();
        example.headers.insert("x-oss-date".into(), value.into());
        let signed = example.with_request(|request| {
            Signer::v1().sign(request, &example.credentials(), example.time()).unwrap()
        });
        assert_eq!(signed.string_to_sign().lines().nth(3), Some(expected));
    }
}

#[test]
fn presigning_again_gives_the_same_query_as_presigning_once() {
    let example = Signed::example();
    for (first, second) in [(v4(), v4()), (Signer::v1(), Signer::v1()), (v4(), Signer::v1())] {
        for (first, second) in [(&first, &second), (&second, &first)] {
            example.with_request(|request| {
                let credentials = example.credentials();
                let presign = |signer: &Signer, request: &Request<'_>, time| {
                    signer.presign(request, &credentials, time, EXPIRES).unwrap()
                };
                let earlier = presign(first, request, UNIX_EPOCH);
                let again = Request { query: earlier.query(), ..*request };
                let again = presign(second, &again, example.time());
                assert_eq!(again, presign(second, request, example.time()));
            });
        }
    }
}

#[test]
fn signing_again_replaces_the_headers_of_the_first_signature() {
    let example = Signed::example();
    for signer in [v4(), Signer::v1()] {
        example.with_request(|request| {
            let credentials = example.credentials();
            let mut headers = request.headers.clone();
            headers.extend(signer.sign(request, &credentials, UNIX_EPOCH).unwrap().into_headers());
            let again = Request { headers: &headers, ..*request };
            let again = signer.sign(&again, &credentials, example.time()).unwrap();
            assert_eq!(again, signer.sign(request, &credentials, example.time()).unwrap());
        });
    }
}

#[test]
fn a_query_with_a_signature_is_not_signed_in_the_headers() {
    for name in ["x-oss-signature", "Signature"] {
        let mut example = Signed::example();
        example.query.insert(name.into(), "s".into());
        for signer in [v4(), Signer::v1()] {
            let error = example.with_request(|request| {
                signer.sign(request, &example.credentials(), UNIX_EPOCH).unwrap_err()
            });
            assert_eq!(error, SignError::AlreadySigned);
        }
    }
}

#[test]
fn a_lifetime_out_of_bounds_is_refused() {
    let example = Signed::example();
    let presign = |signer: &Signer, expires| {
        example.with_request(|request| {
            signer.presign(request, &example.credentials(), example.time(), expires).err()
        })
    };
    let seconds = Duration::from_secs;
    for good in [seconds(1), seconds(v4::MAX_EXPIRES_SECONDS), Duration::from_millis(604_800_999)] {
        assert_eq!(presign(&v4(), good), None);
    }
    for bad in [seconds(0), Duration::from_millis(999), seconds(604_801), Duration::MAX] {
        let error = SignError::Expires { seconds: bad.as_secs(), max_seconds: 604_800 };
        assert_eq!(presign(&v4(), bad), Some(error));
    }
    assert_eq!(presign(&Signer::v1(), seconds(604_801)), None);
    for bad in [seconds(0), Duration::MAX] {
        assert!(matches!(presign(&Signer::v1(), bad), Some(SignError::Expires { .. })));
    }
}

#[test]
fn a_region_or_product_that_is_no_scope_part_is_refused() {
    for bad in
        ["", "cn hangzhou", "CN-HANGZHOU", "cn/hangzhou", "cn_hangzhou", "cn-hangzhou\n", "é"]
    {
        assert_eq!(Signer::v4(bad), Err(SignError::Region { region: bad.into() }));
        let signer = v4().product(bad);
        let example = Signed::example();
        let error = example.with_request(|request| {
            signer.sign(request, &example.credentials(), UNIX_EPOCH).unwrap_err()
        });
        assert_eq!(error, SignError::Product { product: bad.into() });
    }
}

#[test]
fn a_request_full_of_headers_is_refused_and_does_not_panic() {
    let mut headers = HeaderMap::new();
    for n in 0_u32.. {
        let name = HeaderName::from_bytes(format!("x-{n}").as_bytes()).unwrap();
        if headers.try_insert(name, HeaderValue::from_static("v")).is_err() {
            break;
        }
    }
    let request =
        Request { method: &Method::GET, bucket: None, key: None, query: &[], headers: &headers };
    for signer in [v4(), Signer::v1()] {
        let error = signer.sign(&request, &Signed::example().credentials(), UNIX_EPOCH);
        assert_eq!(error, Err(SignError::TooManyHeaders));
    }
}

#[test]
fn nothing_that_can_be_printed_holds_a_secret_or_a_signature() {
    let example = Signed {
        secret: "canary-secret".into(),
        token: "canary-token".into(),
        ..Signed::example()
    };
    let credentials = example.credentials();
    for signer in [v4(), Signer::v1()] {
        let header = example.with_request(|r| signer.sign(r, &credentials, UNIX_EPOCH).unwrap());
        let query =
            example.with_request(|r| signer.presign(r, &credentials, UNIX_EPOCH, EXPIRES).unwrap());
        let printed = format!("{signer:?} {credentials:#?} {header:?} {query:#?}");
        assert!(printed.contains("x-oss-security-token") && printed.contains("security-token"));
        assert!(!printed.contains("canary"), "{printed}");
        assert!(!printed.contains(query.signature()), "{printed}");

        let mut map = HeaderMap::new();
        map.extend(header.headers().iter().cloned());
        let printed = format!("{map:?}");
        assert!(!printed.contains("canary") && !printed.contains("Credential"), "{printed}");
        assert!(map["authorization"].is_sensitive());
        assert!(map["x-oss-security-token"].is_sensitive());
    }
}

#[test]
fn public_types_can_be_shared_between_threads() {
    const fn check<T: Send + Sync + Clone + std::fmt::Debug>() {}
    check::<Credentials>();
    check::<Signer>();
    check::<SignError>();
    check::<ossget_sign::HeaderSignature>();
    check::<ossget_sign::QuerySignature>();
}

fn visible() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..12).prop_map(|text| {
        let text: String = text.into_iter().filter(|c| !c.is_control()).collect();
        text.trim().to_owned()
    })
}

fn anything() -> impl Strategy<Value = Signed> {
    let name = vec(any::<char>(), 1..8).prop_map(String::from_iter);
    let header = (0..4_usize, visible());
    let query = btree_map(name, any::<String>(), 0..4);
    let headers = vec(header, 0..4);
    (any::<String>(), query, headers, 0..4_000_000_000_u64).prop_map(
        |(key, query, headers, seconds)| {
            let names = ["content-type", "x-oss-meta-a", "x-oss-meta-b", "content-md5"];
            let headers =
                headers.into_iter().map(|(name, value)| (names[name].to_owned(), value)).collect();
            Signed { key, query, headers, seconds, ..Signed::example() }
        },
    )
}

proptest! {
    #[test]
    fn the_encoder_is_undone_by_a_decoder_and_writes_only_safe_bytes(text: String) {
        let (all, path) = (encode(&text), encode_path(&text));
        prop_assert_eq!(decode(&all), text.as_str());
        prop_assert_eq!(decode(&path), text);
        prop_assert_eq!(path.replace('/', "%2F"), all.clone());
        prop_assert!(all.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
    }

    #[test]
    fn the_query_encoder_is_undone_by_a_decoder(
        query in vec((vec(any::<char>(), 1..8).prop_map(String::from_iter), any::<String>()), 0..6)
    ) {
        let encoded = encode_query(&query);
        let decoded: Vec<(String, String)> = encoded
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect();
        prop_assert_eq!(decoded, query);
    }

    #[test]
    fn signing_never_panics(
        bucket in proptest::option::of(any::<String>()),
        key in proptest::option::of(any::<String>()),
        query in vec((any::<String>(), any::<String>()), 0..4),
        (id, secret, token) in any::<(String, String, String)>(),
        (region, product, additional) in any::<(String, String, Vec<String>)>(),
        (header, seconds, expires) in any::<(Vec<u8>, u64, u64)>(),
    ) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&header) {
            headers.insert("x-oss-meta-a", value);
        }
        let credentials = Credentials::new(id, secret)
            .and_then(|pair| pair.security_token(token))
            .unwrap_or_else(|_| Signed::example().credentials());
        let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH);
        let request = Request {
            method: &Method::GET,
            bucket: bucket.as_deref(),
            key: key.as_deref(),
            query: &query,
            headers: &headers,
        };
        let signers = [v4().product(product).additional_headers(additional), Signer::v1()];
        for signer in signers.into_iter().chain(Signer::v4(region)) {
            let _ = signer.sign(&request, &credentials, time);
            let _ = signer.presign(&request, &credentials, time, Duration::from_secs(expires));
        }
    }

    #[test]
    fn every_valid_request_gets_a_signature_fit_for_the_wire(signed in anything()) {
        for signer in [v4(), Signer::v1()] {
            let query = signed.presigned(&signer);
            prop_assert!(query.bytes().all(|b| b.is_ascii_graphic()));
            let authorization = signed.authorization(&signer);
            prop_assert!(authorization.bytes().all(|b| b.is_ascii_graphic() || b == b' '));
        }
    }

    #[test]
    fn the_order_of_headers_and_parameters_does_not_matter(signed in anything(), by in 0..4_usize) {
        let headers: Vec<_> = signed.headers.iter().collect();
        let mut query: Vec<_> = signed.query.clone().into_iter().collect();
        query.reverse();
        let turned = header_map((0..headers.len()).map(|n| headers[(n + by) % headers.len()]));
        signed.with_request(|request| {
            let other = Request { query: &query, headers: &turned, ..*request };
            let canonical = |request| v4::canonical_request(request, &["range"]).unwrap();
            assert_eq!(canonical(request), canonical(&other));
            let to_sign = |request| v1::string_to_sign(request, "date").unwrap();
            assert_eq!(to_sign(request), to_sign(&other));
        });
    }

    #[test]
    fn different_requests_have_different_canonical_requests(a in anything(), b in anything()) {
        let canonical = |signed: &Signed| {
            signed.with_request(|request| v4::canonical_request(request, &["range"]).unwrap())
        };
        let parts = |signed: &Signed| {
            let Signed { key, query, headers, .. } = signed.clone();
            (key, query, headers)
        };
        prop_assert_eq!(parts(&a) == parts(&b), canonical(&a) == canonical(&b));
        let mixed = Signed { query: a.query.clone(), headers: a.headers.clone(), ..b };
        prop_assert_eq!(parts(&a) == parts(&mixed), canonical(&a) == canonical(&mixed));
    }

    #[test]
    fn v1_signs_every_name_with_the_oss_prefix(rest: String) {
        let name = format!("x-oss-{rest}");
        prop_assert!(is_v1_subresource(&name));
    }
}

fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
}
