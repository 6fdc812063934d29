use super::*;

fn url(text: &str) -> ObjectUrl {
    text.parse().unwrap()
}

fn seconds(url: &ObjectUrl) -> Option<u64> {
    url.expires().map(|at| at.duration_since(UNIX_EPOCH).unwrap().as_secs())
}

#[test]
fn what_is_sent_is_what_was_given_byte_for_byte() {
    for text in [
        "https://h.example/k",
        "https://h.example:8443/a/../b//%2e%2E/%41+c;d?x=%2f&y&&z==",
        "http://127.0.0.1:9000/bucket/k?",
        "https://[::1]/k?a=b?c/d",
    ] {
        assert_eq!(url(text).uri().unwrap().to_string(), text.trim_end_matches('\0'));
    }
}

#[test]
fn the_object_is_scheme_host_port_and_path() {
    let one = url("https://H.example:443/a%2Fb/c%20d.bin?Signature=canary1");
    let other = url("https://h.example/a%2Fb/c%20d.bin?Signature=other&x=1");
    assert_eq!(one.object(), other.object());
    assert_eq!(one.object().bucket(), "https://h.example");
    assert_eq!(one.object().key(), "a%2Fb/c%20d.bin");
    assert_eq!(one.object().file_name(), "c d.bin");
    assert_eq!(one.object().to_string(), one.to_string());
    for different in ["http://h.example/k", "https://h.example:1/k", "https://h.example/K"] {
        assert_ne!(url(different).object(), url("https://h.example/k").object());
    }
}

#[test]
fn nothing_that_is_shown_holds_the_query() {
    let url = url(
        "https://h.example/k?Expires=1&OSSAccessKeyId=ak&Signature=canary%2B1&security-token=canary2",
    );
    let secrets: Vec<String> = url.secrets().collect();
    assert_eq!(secrets, ["canary%2B1", "canary+1", "canary2", "canary2"]);
    for shown in [url.to_string(), format!("{url:?}"), format!("{:?}", url.object())] {
        assert!(!shown.contains("canary") && !shown.contains('?'), "{shown}");
    }
    for refused in [
        "https://h.example/k?Signature=canary#f",
        "https://user:canary@h.example/k",
        "https://h.example/a b?Signature=canary",
        "ftp://h.example/k?Signature=canary",
        "https://h.example/?Signature=canary",
        "https://h.example?Signature=canary",
        "https://h.example/é?Signature=canary",
        "https:///k?Signature=canary",
        "h.example/k?Signature=canary",
        "https://h.example/k\\?Signature=canary\n",
    ] {
        let error = refused.parse::<ObjectUrl>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{refused}");
        let shown = format!("{error} {error:?} {:?}", error.hint());
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn every_form_of_signature_says_when_it_expires() {
    let v4 = "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-date=20231216T162057Z";
    let v4 = url(&format!("https://h.example/k?{v4}&x-oss-expires=3600&x-oss-signature=0a"));
    assert_eq!(seconds(&v4), Some(1_702_743_657 + 3600));
    let v1 = url("https://h.example/k?OSSAccessKeyId=ak&Expires=1702743657&Signature=x");
    assert_eq!(seconds(&v1), Some(1_702_743_657));
    let s3 =
        url("https://h.example/k?X-Amz-Date=20231216T162057Z&X-Amz-Expires=60&X-Amz-Signature=x");
    assert_eq!(seconds(&s3), Some(1_702_743_717));
    for never in ["", "?a=b", "?Expires=soon", "?x-oss-date=today&x-oss-expires=1"] {
        assert_eq!(url(&format!("https://h.example/k{never}")).expires(), None, "{never}");
    }
    assert!(v4.is_signed() && v1.is_signed() && s3.is_signed());
    assert!(!url("https://h.example/k?versionId=1&response-content-type=a").is_signed());
    assert!(url("https://h.example/k?token=1").is_signed());
}

#[test]
fn a_url_signed_for_headers_that_the_download_sets_itself_is_refused() {
    let signed = |names: &str| {
        format!("https://h.example/k?x-oss-additional-headers={names}&x-oss-signature=canary")
    };
    assert!(signed("host").parse::<ObjectUrl>().is_ok());
    let error = signed("host%3BRange").parse::<ObjectUrl>().unwrap_err();
    assert!(error.to_string().contains("`range`"), "{error}");
    assert!(error.hint().is_some());
}
