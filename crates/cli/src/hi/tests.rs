use super::*;
use crate::low::{Command, LowArgs};
use std::ffi::OsString;

const VARIABLES: &[(&str, &str)] = &[
    ("OSS_ENDPOINT", "https://oss-cn-hangzhou.aliyuncs.com"),
    ("OSS_ACCESS_KEY_ID", "ak"),
    ("OSS_ACCESS_KEY_SECRET", "canary"),
];

fn high(
    arguments: &[&str],
    variables: &'static [(&'static str, &'static str)],
) -> Result<HiArgs, Error> {
    let all = ["ossget", "get"].iter().chain(arguments).map(OsString::from);
    let Command::Get(low) = LowArgs::parse_arguments(all).unwrap().command else {
        panic!("not `get`");
    };
    let source = Source::read(&low.source, &low.naming);
    HiArgs::new(&low, source, &Environment::of(variables))
}

fn refusal(arguments: &[&str]) -> String {
    let error = high(arguments, VARIABLES).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{arguments:?}: {error}");
    let text = format!("{error}; {}", error.hint().unwrap_or_default());
    assert!(!text.contains("canary"), "{text}");
    text
}

#[test]
fn endpoint_and_credentials_come_from_the_environment() {
    let hi = high(&["oss://bkt/a/k", "f"], VARIABLES).unwrap();
    assert_eq!((hi.object.bucket(), hi.object.key()), ("bkt", "a/k"));
    assert_eq!(hi.destination, PathBuf::from("f"));
    assert!(hi.credentials.describe().contains("OSS_ACCESS_KEY_ID"));
    assert!(format!("{:?}", hi.client).contains("cn-hangzhou"));
    assert!(!format!("{hi:?}").contains("canary"));
}

#[test]
fn flags_win_over_the_environment() {
    let hi = high(&["oss://bkt/k", "f", "-e", "https://localhost", "--region", "r-1"], VARIABLES);
    let shown = format!("{:?}", hi.unwrap().client);
    assert!(shown.contains("localhost") && shown.contains("r-1"), "{shown}");
    assert!(!shown.contains("hangzhou"), "{shown}");
}

#[test]
fn secrets_on_the_command_line_are_refused_with_the_alternatives() {
    for flag in ["-k", "--access-key-secret"] {
        let text = refusal(&["oss://bkt/k", "f", flag, "canary"]);
        assert!(text.contains("--access-key-secret-file"), "{text}");
        assert!(text.contains("OSS_ACCESS_KEY_SECRET"), "{text}");
    }
    for flag in ["-t", "--sts-token"] {
        let text = refusal(&["oss://bkt/k", "f", flag, "canary"]);
        assert!(text.contains("--sts-token-file"), "{text}");
        assert!(text.contains("OSS_SESSION_TOKEN"), "{text}");
    }
}

#[test]
fn what_comes_later_is_named_and_refused() {
    assert!(refusal(&["oss://bkt/k", "f", "g"]).contains("3 paths"));
}

#[cfg(not(feature = "clouds"))]
#[test]
fn other_stores_are_named_and_refused_by_a_build_without_them() {
    for source in ["S3://bkt/k", "gs://bkt/k", "az://c/k", "file:///k"] {
        let text = refusal(&[source, "f"]);
        assert!(text.contains("clouds"), "{text}");
    }
}

#[cfg(feature = "clouds")]
#[test]
fn other_stores_have_credentials_of_their_own() {
    let hi = high(&["s3://bkt/a b%20", "f", "--version-id", "v"], VARIABLES).unwrap();
    assert_eq!((hi.object.bucket(), hi.object.key()), ("s3://bkt", "a b%20"));
    assert_eq!(hi.object.version(), Some("v"));
    assert!(hi.credentials.is_anonymous() && hi.account.contains("s3://bkt"), "{}", hi.account);
    for flags in [["-e", "https://h"], ["--region", "r"], ["-i", "ak"], ["--header", "x-oss-a: x"]]
    {
        let text = refusal(&["s3://bkt/k", "f", flags[0], flags[1]]);
        assert!(text.contains("OSS"), "{text}");
    }
}

#[test]
fn a_url_is_asked_without_credentials() {
    let hi = high(&["https://h/a%20k?Expires=1&Signature=canary", "f"], VARIABLES).unwrap();
    assert!(hi.credentials.is_anonymous());
    assert_eq!((hi.object.bucket(), hi.object.key()), ("https://h", "a%20k"));
    assert_eq!(hi.warnings.len(), 1, "{:?}", hi.warnings);
    assert!(!format!("{hi:?}").contains("canary"));
    assert!(refusal(&["http://h/k?Expires=1&Signature=canary", "f"]).contains("https"));
    high(&["http://h/k?Signature=x", "f", "--allow-plaintext"], &[]).unwrap();
}

#[test]
fn a_source_that_is_none_is_refused() {
    for source in ["oss://bkt", "oss://bkt/", "bkt/k", "oss:///k", "", "oss://B/k"] {
        refusal(&[source, "f"]);
    }
    assert!(refusal(&["oss://bkt/k", ""]).contains("DEST"));
}

#[test]
fn a_version_is_named_in_the_source_or_by_its_flag() {
    let version = |arguments: &[&str]| {
        let hi = high(arguments, VARIABLES).unwrap();
        (hi.object.key().to_owned(), hi.object.version().map(str::to_owned))
    };
    let (key, v) = ("k".to_owned(), Some("v".to_owned()));
    assert_eq!(version(&["oss://bkt/k", "f"]), (key.clone(), None));
    assert_eq!(version(&["oss://bkt/k?versionId=v", "f"]), (key.clone(), v.clone()));
    assert_eq!(version(&["oss://bkt/k", "f", "--version-id", "v"]), (key.clone(), v.clone()));
    let both = ["oss://bkt/k?versionId=v", "f", "--version-id", "v"];
    assert_eq!(version(&both), (key, v.clone()));
    let literal = ["oss://bkt/k?versionId=v", "f", "--literal-key"];
    assert_eq!(version(&literal), ("k?versionId=v".to_owned(), None));
    let literal = ["oss://bkt/k?versionId=w", "f", "--literal-key", "--version-id", "v"];
    assert_eq!(version(&literal), ("k?versionId=w".to_owned(), v));
    assert!(refusal(&["oss://bkt/k?versionId=v", "f", "--version-id", "w"]).contains("another"));
}

#[test]
fn without_an_endpoint_it_is_told_how_to_name_one() {
    let error = high(&["oss://bkt/k", "f"], &VARIABLES[1..]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.hint().unwrap().contains("OSS_ENDPOINT"));
}

#[test]
fn v4_with_credentials_needs_a_region_and_nothing_else_does() {
    let get = |flags: &[&str]| {
        let endpoint = ["oss://bkt/k", "f", "-e", "https://files.example.com"];
        high(&[&endpoint, flags].concat(), VARIABLES)
    };
    let error = get(&[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("region"), "{error}");
    for flags in [&["--region", "r-1"][..], &["--sign-version", "v1"], &["--anonymous"]] {
        assert!(get(flags).is_ok(), "{flags:?}");
    }
}

#[test]
fn credentials_over_plain_http_need_permission_except_to_this_machine() {
    let get = |flags: &[&str]| {
        let fixed = ["oss://bkt/k", "f", "--region", "r-1"];
        high(&[&fixed, flags].concat(), VARIABLES).map(|_| ()).map_err(|error| error.kind())
    };
    assert_eq!(get(&["-e", "http://h.example.com"]), Err(ErrorKind::Config));
    assert_eq!(get(&["-e", "http://h.example.com", "--allow-plaintext"]), Ok(()));
    assert_eq!(get(&["-e", "http://h.example.com", "--anonymous"]), Ok(()));
    assert_eq!(get(&["-e", "http://127.0.0.1:1"]), Ok(()));
}

#[test]
fn every_flag_reaches_the_download() {
    let defaults = format!("{:?}", high(&["oss://bkt/k", "f"], VARIABLES).unwrap().download());
    for flags in [
        &["--part-size", "1m"][..],
        &["--parallel", "3"],
        &["--retries", "3"],
        &["--retry-max-time", "3s"],
        &["--read-timeout", "3s"],
        &["--range", "0-9"],
        &["--version-id", "v"],
        &["--checkpoint-dir", "d"],
        &["--no-resume"],
        &["--restart"],
        &["--resume", "require"],
        &["--resume-verify", "bounds"],
        &["--durability", "process"],
        &["--durability", "none"],
        &["--require-crc"],
        &["--no-clobber"],
        &["--on-change", "fail"],
        &["--follow-symlink"],
    ] {
        let hi = high(&[&["oss://bkt/k", "f"], flags].concat(), VARIABLES).unwrap();
        assert_ne!(format!("{:?}", hi.download()), defaults, "{flags:?}");
    }
    for flags in [
        &["--part-size", "auto"][..],
        &["--parallel", "auto"],
        &["--resume", "auto"],
        &["--resume-verify", "full"],
        &["--durability", "full"],
        &["--on-change", "restart"],
        &["--retries", "10"],
        &["--retry-max-time", "10m"],
        &["--read-timeout", "20s"],
    ] {
        let hi = high(&[&["oss://bkt/k", "f"], flags].concat(), VARIABLES).unwrap();
        assert_eq!(format!("{:?}", hi.download()), defaults, "{flags:?}");
    }
}

#[test]
fn every_flag_reaches_the_client() {
    let client = |flags: &[&str]| {
        let hi = high(&[&["oss://bkt/k", "f"], flags].concat(), VARIABLES);
        hi.map(|hi| format!("{:?}", hi.client))
    };
    let defaults = client(&[]).unwrap();
    for flags in [
        &["-e", "https://oss-cn-beijing.aliyuncs.com"][..],
        &["--region", "cn-beijing"],
        &["--anonymous"],
        &["--sign-version", "v1"],
        &["--addressing-style", "path"],
        &["--addressing-style", "cname"],
        &["--cloud-box-id", "cb-1"],
        &["--bandwidth-limit", "1m"],
    ] {
        assert_ne!(client(flags).unwrap(), defaults, "{flags:?}");
    }
    for flags in [
        &["--sign-version", "v4"][..],
        &["--addressing-style", "virtual"],
        &["--connect-timeout", "10s"],
    ] {
        assert_eq!(client(flags).unwrap(), defaults, "{flags:?}");
    }
    assert_eq!(client(&["--ca-cert", "/no/such/file"]).unwrap_err().kind(), ErrorKind::Config);
}
