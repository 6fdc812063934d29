use super::*;
use crate::ErrorKind;

const V: Addressing = Addressing::Virtual;
const P: Addressing = Addressing::Path;

/// What is given, the origin it means, the region it names, its addressing.
const KINDS: &[(&str, &str, Option<&str>, Addressing)] = &[
    (
        "oss-cn-hangzhou.aliyuncs.com",
        "https://oss-cn-hangzhou.aliyuncs.com",
        Some("cn-hangzhou"),
        V,
    ),
    (
        "https://OSS-CN-Hangzhou.AliyunCS.com/",
        "https://oss-cn-hangzhou.aliyuncs.com",
        Some("cn-hangzhou"),
        V,
    ),
    (
        "HTTP://oss-us-east-1.aliyuncs.com:80",
        "http://oss-us-east-1.aliyuncs.com",
        Some("us-east-1"),
        V,
    ),
    (
        "oss-cn-hangzhou-internal.aliyuncs.com:443",
        "https://oss-cn-hangzhou-internal.aliyuncs.com",
        Some("cn-hangzhou"),
        V,
    ),
    (
        "oss-cn-shanghai-finance-1-internal.aliyuncs.com",
        "https://oss-cn-shanghai-finance-1-internal.aliyuncs.com",
        Some("cn-shanghai-finance-1"),
        V,
    ),
    (
        "cn-hongkong.oss.aliyuncs.com",
        "https://cn-hongkong.oss.aliyuncs.com",
        Some("cn-hongkong"),
        V,
    ),
    ("oss-accelerate.aliyuncs.com", "https://oss-accelerate.aliyuncs.com", None, V),
    (
        "oss-accelerate-overseas.aliyuncs.com",
        "https://oss-accelerate-overseas.aliyuncs.com",
        None,
        V,
    ),
    ("oss.aliyuncs.com", "https://oss.aliyuncs.com", Some("cn-hangzhou"), V),
    ("oss-internal.aliyuncs.com", "https://oss-internal.aliyuncs.com", Some("cn-hangzhou"), V),
    (
        "ap-1.oss-cn-beijing.oss-accesspoint.aliyuncs.com",
        "https://ap-1.oss-cn-beijing.oss-accesspoint.aliyuncs.com",
        Some("cn-beijing"),
        V,
    ),
    (
        "fc-1.oss-cn-beijing-internal.oss-object-process.aliyuncs.com",
        "https://fc-1.oss-cn-beijing-internal.oss-object-process.aliyuncs.com",
        Some("cn-beijing"),
        V,
    ),
    ("http://static.example.com:8080/", "http://static.example.com:8080", None, V),
    ("xn--fiq228c.example", "https://xn--fiq228c.example", None, V),
    ("oss_sim:9000", "https://oss_sim:9000", None, V),
    ("127.0.0.1:9000", "https://127.0.0.1:9000", None, P),
    ("http://[::1]:9000", "http://[::1]:9000", None, P),
    ("[2001:DB8:0::1]", "https://[2001:db8::1]", None, P),
    ("http://localhost:1", "http://localhost:1", None, P),
];

const REFUSED: &[&str] = &[
    "",
    "/",
    "https://",
    "https:///",
    "://host",
    "ftp://host",
    "file:///etc",
    "//host",
    "host@evil.com",
    "user:canary@host",
    "https://host#@evil.com",
    "host?x=canary",
    "host#f",
    "host/path",
    "host//",
    "host\\evil",
    "https://https://host",
    "host%2eevil.com",
    "[fe80::1%eth0]",
    "[fe80::1%25eth0]",
    "[::1",
    "::1",
    "fe80::1:9000",
    "[::1]x",
    "[127.0.0.1]",
    "[]",
    "[::1]:",
    "bücher.example",
    "оss-cn-hangzhou.aliyuncs.com",
    "host。com",
    "a..b",
    ".a",
    "a.",
    "-a.com",
    "a-.com",
    "a b",
    " host",
    "host\n",
    "host\r\nx: y",
    "ho\0st",
    "host\t",
    "host:",
    "host:0",
    "host:65536",
    "host:+80",
    "host:-1",
    "host:8 0",
    "host:000080",
    "host:80:81",
    "1",
    "127.1",
    "0x7f.1",
    "0x7f000001",
    "2130706433",
    "127.0.0.01",
    "1.2.3.4.5",
    "256.1.1.1",
    "1.2.3.0x4",
    "a.1",
    "a,b",
    "a;b",
    "a*b.com",
    "${x}",
    "a'b",
];

fn endpoint(text: &str) -> Endpoint {
    Endpoint::parse(text).unwrap()
}

#[test]
fn each_kind_of_endpoint_gives_its_origin_region_and_addressing() {
    for (text, origin, region, addressing) in KINDS {
        let endpoint = endpoint(text);
        assert_eq!(endpoint.to_string(), *origin);
        assert_eq!(endpoint.region(), *region, "{text}");
        assert_eq!(endpoint.addressing(None).unwrap(), *addressing, "{text}");
        assert_eq!(Endpoint::parse(origin).unwrap(), endpoint);
    }
}

#[test]
fn a_cloud_box_has_an_id_beside_its_region() {
    for host in ["oss-cloudbox", "oss-cloudbox-control"] {
        let endpoint = endpoint(&format!("cb-123.cn-hangzhou.{host}.aliyuncs.com:8443"));
        assert_eq!(endpoint.region(), Some("cn-hangzhou"));
        assert_eq!(endpoint.cloud_box_id(), Some("cb-123"));
    }
    assert_eq!(endpoint("oss-cn-hangzhou.aliyuncs.com").cloud_box_id(), None);
}

#[test]
fn a_region_is_never_read_out_of_something_else() {
    for text in [
        "bucket.oss.aliyuncs.com",
        "oss-bucket.oss.aliyuncs.com",
        "x.cb-1.cn-hangzhou.oss-cloudbox.aliyuncs.com",
        "x.cn-hangzhou.oss-cloudbox.aliyuncs.com",
        "alias.oss-accesspoint.aliyuncs.com",
        "b.oss-accelerate.aliyuncs.com",
        "oss.aliyuncs.com.example.com",
        "oss-cn-hangzhou.aliyuncs.com.evil.com",
        "oss-cn-hangzhou.notaliyuncs.com",
        "oss-cn_hangzhou.aliyuncs.com",
        "aliyuncs.com",
    ] {
        assert_eq!(endpoint(text).region(), None, "{text}");
    }
    assert_eq!(endpoint("b.oss-cn-hangzhou.aliyuncs.com").region(), Some("cn-hangzhou"));
}

/// Faults: 141.
#[test]
fn confusable_and_incomplete_endpoints_are_refused() {
    let long_name = format!("{}.com", ["a"; 94].join("."));
    let long_label = format!("{}.com", "a".repeat(64));
    for text in REFUSED.iter().copied().chain([&*long_name, &*long_label]) {
        let error = Endpoint::parse(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Config, "{text}");
        let message = error.to_string();
        assert!(!message.contains("canary"), "{message}");
        assert!(!message.contains(['\n', '\r', '\0']), "{message:?}");
    }
}

#[test]
fn a_name_that_begins_like_a_number_is_a_name() {
    for text in ["1.example.com", "127.0.0.1.example.com", "0x7f.1.nip", "123abc"] {
        assert!(matches!(endpoint(text).host, Host::Name(_)), "{text}");
    }
}

/// The service gives an access point an alias that stands where a bucket's name does.
#[test]
fn an_access_point_is_addressed_by_its_alias_and_signed_for_the_region_of_its_host() {
    let point = endpoint("oss-cn-beijing.oss-accesspoint.aliyuncs.com");
    assert_eq!(point.region(), Some("cn-beijing"));
    assert_eq!(point.addressing(None).unwrap(), Addressing::Virtual);
    let Located { authority, path } = point.locate("ap-01-ossalias", "k", Addressing::Virtual);
    assert_eq!(authority, "ap-01-ossalias.oss-cn-beijing.oss-accesspoint.aliyuncs.com");
    assert_eq!(path, "/k");
}

#[test]
fn only_this_machine_is_loopback() {
    for text in ["127.0.0.1", "127.255.0.9:1", "[::1]", "[::ffff:127.0.0.1]", "LOCALHOST:8080"] {
        assert!(endpoint(text).is_loopback(), "{text}");
    }
    for text in ["128.0.0.1", "[::2]", "localhost.evil.com", "localhost4", "a.localhost", "0.0.0.0"]
    {
        assert!(!endpoint(text).is_loopback(), "{text}");
    }
}

#[test]
fn a_name_before_localhost_is_not_trusted_to_stay_here() {
    for addressing in [Addressing::Path, Addressing::Cname] {
        assert!(endpoint("localhost").keeps_here(addressing));
    }
    assert!(!endpoint("localhost").keeps_here(Addressing::Virtual));
    assert!(endpoint("127.0.0.1").keeps_here(Addressing::Virtual), "it means path style there");
    assert!(!endpoint("example.com").keeps_here(Addressing::Path));
}

#[test]
fn plaintext_is_http() {
    assert!(endpoint("http://host").is_plaintext());
    assert!(!endpoint("https://host").is_plaintext());
    assert!(!endpoint("host:80").is_plaintext());
}

#[test]
fn an_explicit_addressing_wins_unless_it_cannot_work() {
    for wanted in [Addressing::Virtual, Addressing::Path, Addressing::Cname] {
        assert_eq!(endpoint("localhost").addressing(Some(wanted)).unwrap(), wanted);
        assert_eq!(endpoint("oss.aliyuncs.com").addressing(Some(wanted)).unwrap(), wanted);
    }
    let cname = Some(Addressing::Cname);
    assert_eq!(endpoint("127.0.0.1").addressing(cname).unwrap(), Addressing::Cname);
    for text in ["127.0.0.1", "[::1]"] {
        let error = endpoint(text).addressing(Some(Addressing::Virtual)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}

#[test]
fn an_object_is_located_by_each_addressing() {
    let at = |text: &str, key: &str, addressing| {
        let Located { authority, path } = endpoint(text).locate("b-1", key, addressing);
        (authority, path)
    };
    let pair = |authority: &str, path: &str| (authority.to_owned(), path.to_owned());
    assert_eq!(
        at("http://h:81", "a/../b//c%", Addressing::Virtual),
        pair("b-1.h:81", "/a/../b//c%25")
    );
    assert_eq!(at("http://h:81", "./+ é", Addressing::Path), pair("h:81", "/b-1/./%2B%20%C3%A9"));
    assert_eq!(at("https://h:443", "k", Addressing::Cname), pair("h", "/k"));
    assert_eq!(at("[::1]:1", "k", Addressing::Virtual), pair("[::1]:1", "/b-1/k"));
    assert_eq!(at("h", "", Addressing::Virtual), pair("b-1.h", "/"));
    assert_eq!(at("h", "", Addressing::Path), pair("h", "/b-1/"));
}

#[test]
fn hosts_and_paths_are_those_of_the_official_sdks() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../sign/tests/vectors/sign.json");
    let text = std::fs::read_to_string(path).unwrap();
    let mut checked = 0;
    for vector in text.split("\n  {\n").skip(1) {
        // A request to the service itself is none of ours.
        let Some(bucket) = member(vector, "bucket") else { continue };
        let origin = format!("{}://{}", required(vector, "scheme"), required(vector, "endpoint"));
        let addressing = match required(vector, "addressing").as_str() {
            "virtual" => Addressing::Virtual,
            "path" => Addressing::Path,
            "cname" => Addressing::Cname,
            other => panic!("unknown addressing {other}"),
        };
        let key = member(vector, "key").unwrap_or_default();
        let located = endpoint(&origin).locate(&bucket, &key, addressing);
        assert_eq!(located.authority, required(vector, "host"), "{}", required(vector, "name"));
        assert_eq!(located.path, required(vector, "encoded_path"), "{}", required(vector, "name"));
        checked += 1;
    }
    assert_eq!(checked, 70);
}

/// A string that is a direct member of a vector, of its input or of its expected values, in the
/// layout of the file: one member a line, indented by one space a level.
fn member(vector: &str, name: &str) -> Option<String> {
    let value = vector.lines().find_map(|line| {
        let line = line.trim_end_matches(',');
        let depth = line.len() - line.trim_start().len();
        let value = line.trim_start().strip_prefix(&format!("\"{name}\": "))?;
        (depth <= 4).then_some(value)
    })?;
    let quoted = value.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped @ ('"' | '\\')) => text.push(escaped),
                other => panic!("an escape this test does not know: {other:?}"),
            },
            other => text.push(other),
        }
    }
    Some(text)
}

fn required(vector: &str, name: &str) -> String {
    member(vector, name).unwrap_or_else(|| panic!("no {name}"))
}
