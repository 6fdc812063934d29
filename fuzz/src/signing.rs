//! Signing, of whatever is given.

use crate::input::Input;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ossget_sign::{Credentials, Request, Signer, encode, encode_query};
use percent_encoding::percent_decode_str;
use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

/// Any names, values and credentials: what is signed has one reading, and nothing of them ends a
/// line or begins another header.
///
/// Input, a line each: id, secret, token, region, product, bucket, key, the time in seconds; then
/// pairs of lines, for headers as long as the name begins with `h:`, for the query otherwise. In
/// every line but the first five a `␤` stands for a line feed, a `␍` for a carriage return and a
/// `␀` for a NUL.
pub fn signed_request(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut text = || raw(&input.text());
    let [id, secret, token, region, product] = [(); 5].map(|()| text());
    let (bucket, key) = (text(), text());
    let seconds = text().parse().unwrap_or(1_741_507_507);
    let mut headers = HeaderMap::new();
    let mut query = Vec::new();
    while !input.is_empty() {
        let (name, value) = (raw(&input.text()), raw(&input.text()));
        match name.strip_prefix("h:") {
            Some(name) => {
                let pair = HeaderName::try_from(name).ok().zip(HeaderValue::from_str(&value).ok());
                if let Some((name, value)) = pair {
                    headers.append(name, value);
                }
            }
            None => query.push((name, value)),
        }
    }
    let credentials = Credentials::new(id, secret).and_then(|pair| pair.security_token(token));
    let Ok(credentials) = credentials else { return };
    let request = Request {
        method: &Method::GET,
        bucket: Some(&bucket),
        key: Some(&key),
        query: &query,
        headers: &headers,
    };
    let Some(time) = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) else { return };
    let v4 = Signer::v4(region).map(|signer| signer.product(product));
    for signer in [v4.ok(), Some(Signer::v1())].into_iter().flatten() {
        if let Ok(signed) = signer.sign(&request, &credentials, time) {
            for (name, value) in signed.headers() {
                assert!(value.as_bytes().iter().all(|byte| (0x20..0x7f).contains(byte)), "{name}");
            }
            if let Some(canonical) = signed.canonical_request() {
                has_one_reading(canonical, &request);
            }
        }
        if let Ok(url) = signer.presign(&request, &credentials, time, Duration::from_secs(60)) {
            let encoded = url.encoded_query();
            assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
            let read: Vec<(String, String)> = encoded.split('&').map(decoded).collect();
            assert_eq!(read, url.query());
            let names: BTreeSet<&String> = url.query().iter().map(|(name, _)| name).collect();
            assert_eq!(names.len(), url.query().len(), "a parameter occurs twice");
        }
    }
    assert!(encode_query(&query).bytes().all(|byte| byte.is_ascii_graphic()));
}

/// Method, path, query, as many header lines as there are signed headers, an empty line, the
/// additional headers, the payload: each where it belongs.
fn has_one_reading(canonical: &str, request: &Request<'_>) {
    let lines: Vec<&str> = canonical.split('\n').collect();
    assert_eq!(lines[0], "GET");
    let resource = format!("/{}/{}", request.bucket.unwrap_or(""), request.key.unwrap_or(""));
    assert!(lines[1].bytes().all(|byte| byte.is_ascii_graphic()), "{}", lines[1]);
    assert!(percent_decode_str(lines[1]).decode_utf8().is_ok_and(|path| path == resource));
    let asked: BTreeSet<(String, String)> =
        request.query.iter().map(|(name, value)| (encode(name), encode(value))).collect();
    let signed: BTreeSet<(String, String)> = lines[2]
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(signed, asked);
    let end = lines[3..].iter().position(|line| line.is_empty()).expect("an empty line") + 3;
    for line in &lines[3..end] {
        let (name, _) = line.split_once(':').expect("a header has a name");
        assert!(HeaderName::try_from(name).is_ok(), "{name}");
    }
    assert_eq!(lines.len(), end + 3);
    assert_eq!(lines[end + 2], "UNSIGNED-PAYLOAD");
}

fn decoded(pair: &str) -> (String, String) {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let text = |part| percent_decode_str(part).decode_utf8().expect("text").into_owned();
    (text(name), text(value))
}

fn raw(text: &str) -> String {
    text.replace('␤', "\n").replace('␍', "\r").replace('␀', "\0")
}
