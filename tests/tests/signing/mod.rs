//! Our signatures beside those of both SDKs, for requests drawn at random.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ossget_sign::{Credentials, Request, SignatureVersion, Signer};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const COUNT: usize = 2000;
const ID: &str = "LTAI5exampleid";
const SECRET: &str = "example+secret/=";

#[derive(Clone, Debug)]
struct Case {
    method: Method,
    key: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    additional: Vec<String>,
    seconds: u64,
    expires: u64,
    token: Option<String>,
}

/// Names that mean something to a signer, and others.
const QUERY: [&str; 14] = [
    "acl",
    "uploads",
    "versionId",
    "prefix",
    "continuation-token",
    "x-oss-process",
    "response-content-type",
    "tagging",
    "a-b",
    "a",
    "%7C",
    "marker",
    "list-type",
    "x-oss-traffic-limit",
];
const HEADERS: [&str; 9] = [
    "content-type",
    "content-md5",
    "range",
    "x-oss-meta-b",
    "x-oss-meta-a",
    "x-oss-request-payer",
    "if-match",
    "x-custom",
    "cache-control",
];

fn case() -> impl Strategy<Value = Case> {
    let name = prop_oneof![
        3 => prop::sample::select(&QUERY[..]).prop_map(str::to_owned),
        1 => "\\PC{1,6}",
    ];
    let value = prop_oneof![1 => Just(String::new()), 3 => "\\PC{1,12}"];
    // Values of headers without white space at their ends: neither SDK takes it off.
    let field = "[!-~]([ -~]{0,10}[!-~])?";
    let query = prop::collection::btree_map(name, value, 0..5);
    let header = prop::sample::select(&HEADERS[..]).prop_map(str::to_owned);
    let headers = prop::collection::btree_map(header.clone(), field, 0..5);
    let additional = prop::collection::vec(header, 0..4);
    let method = prop::sample::select(vec![Method::GET, Method::HEAD, Method::PUT, Method::DELETE]);
    let token = prop::option::of("[A-Za-z0-9+/=]{10,40}");
    let times = (1_577_836_800_u64..1_893_456_000, 1_u64..604_800);
    (method, "[^/\\\\]\\PC{0,20}", query, headers, additional, times, token).prop_map(
        |(method, key, query, headers, additional, (seconds, expires), token)| Case {
            method,
            key,
            query,
            headers,
            additional,
            seconds,
            expires,
            token,
        },
    )
}

impl Case {
    fn json(&self) -> Value {
        json!({
            "method": self.method.as_str(), "bucket": "examplebucket", "key": self.key,
            "query": self.query.iter().collect::<Vec<_>>(),
            "headers": self.headers.iter().collect::<Vec<_>>(),
            "additional": self.additional, "time": self.seconds, "expires": self.expires,
            "region": "cn-hangzhou", "id": ID, "secret": SECRET, "token": self.token,
        })
    }

    /// What we make of it, in the form of the script's answers.
    fn ours(&self, version: SignatureVersion, form: &str) -> Value {
        let headers: HeaderMap = self
            .headers
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                (name, HeaderValue::from_str(value).expect("a value"))
            })
            .collect();
        let query: Vec<_> = self.query.iter().map(|(n, v)| (n.clone(), v.clone())).collect();
        let request = Request {
            method: &self.method,
            bucket: Some("examplebucket"),
            key: Some(&self.key),
            query: &query,
            headers: &headers,
        };
        let credentials = Credentials::new(ID, SECRET).expect("credentials");
        let credentials =
            credentials.security_token(self.token.clone().unwrap_or_default()).expect("a token");
        let signer = match version {
            SignatureVersion::V4 => Signer::v4("cn-hangzhou").expect("a region"),
            SignatureVersion::V1 => Signer::v1(),
        };
        let signer = signer.additional_headers(self.additional.clone());
        let time: SystemTime = UNIX_EPOCH + Duration::from_secs(self.seconds);
        if form == "query" {
            let lifetime = Duration::from_secs(self.expires);
            let signed = signer.presign(&request, &credentials, time, lifetime).expect("signed");
            let mut pairs: Vec<_> =
                signed.into_query().into_iter().map(|(name, value)| [name, value]).collect();
            pairs.sort();
            return json!(pairs);
        }
        let signed = signer.sign(&request, &credentials, time).expect("signed");
        let headers = signed.into_headers();
        let (_, value) = headers.iter().find(|(name, _)| name == "authorization").expect("it");
        let mut parts: Vec<_> = value.to_str().expect("text").split(',').collect();
        parts.sort_unstable();
        json!(parts)
    }
}

/// Our signatures are those of both SDKs wherever the two agree.
#[allow(clippy::print_stdout, reason = "the numbers are a result")]
pub(crate) fn compare(python: &Path, script: &Path) {
    let mut runner = TestRunner::default();
    let cases: Vec<Case> =
        (0..COUNT).map(|_| case().new_tree(&mut runner).expect("a case").current()).collect();
    let lines: String = cases.iter().map(|case| format!("{}\n", case.json())).collect();
    let mut command = Command::new(python);
    command.args(["-X", "utf8", "-B", "-W", "ignore"]).arg(script);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().expect("Python starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("it reads");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("JSON is text");
    let answers: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers.len(), COUNT);

    for (name, version) in [("v4", SignatureVersion::V4), ("v1", SignatureVersion::V1)] {
        for form in ["header", "query"] {
            let mut agreed = 0;
            for (case, answer) in cases.iter().zip(&answers) {
                let of_sdks = &answer[format!("{name} {form}")];
                if of_sdks[0] == of_sdks[1] && of_sdks[0].is_array() {
                    agreed += 1;
                    assert_eq!(case.ours(version, form), of_sdks[0], "{name} {form}: {case:?}");
                }
            }
            println!("{name} {form}: the SDKs agree on {agreed} of {COUNT} requests, and so do we");
            assert!(agreed >= COUNT / 4, "{name} {form}: {agreed}");
        }
    }
}
