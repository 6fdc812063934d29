use super::*;
use clap::CommandFactory as _;
use clap::error::ErrorKind;
use ossget::ByteRange;
use std::num::NonZeroU32;

fn parse(arguments: &[&str]) -> Result<LowArgs, clap::Error> {
    LowArgs::parse_arguments(arguments.iter().map(OsString::from))
}

fn get(flags: &[&str]) -> Box<GetArgs> {
    let mut arguments = vec!["ossget", "get", "oss://bkt/k", "f"];
    arguments.extend(flags);
    match parse(&arguments).unwrap().command {
        Command::Get(get) => get,
        _ => panic!("not `get`"),
    }
}

fn refused(flags: &[&str]) -> String {
    let mut arguments = vec!["ossget", "get", "oss://bkt/k", "f"];
    arguments.extend(flags);
    let error = parse(&arguments).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{flags:?}");
    error.to_string()
}

#[test]
fn the_grammar_holds_together() {
    LowArgs::command().debug_assert();
}

#[test]
fn a_source_or_a_flag_in_front_means_get() {
    for arguments in [
        &["ossget", "get", "oss://bkt/k", "f"][..],
        &["ossget", "cp", "oss://bkt/k", "f"],
        &["ossget", "oss://bkt/k", "f"],
        &["ossget", "OSS://bkt/k", "f"],
        &["ossget", "-q", "oss://bkt/k", "f"],
        &["ossget", "--part-size", "8m", "oss://bkt/k", "f"],
        &["ossget", "--", "oss://bkt/k", "f"],
    ] {
        let Command::Get(get) = parse(arguments).unwrap().command else { panic!("not `get`") };
        assert!(get.source.eq_ignore_ascii_case("oss://bkt/k"), "{arguments:?}");
        assert_eq!(get.destination, "f", "{arguments:?}");
    }
}

#[test]
fn help_and_version_are_of_the_program() {
    for flag in ["-h", "--help"] {
        assert_eq!(parse(&["ossget", flag]).unwrap_err().kind(), ErrorKind::DisplayHelp);
    }
    for flag in ["-V", "--version"] {
        assert_eq!(parse(&["ossget", flag]).unwrap_err().kind(), ErrorKind::DisplayVersion);
    }
    assert_eq!(parse(&["ossget"]).unwrap_err().exit_code(), 2);
    assert_eq!(parse(&["ossget", "ls"]).unwrap_err().exit_code(), 2);
    assert_eq!(parse(&["ossget", "get"]).unwrap_err().exit_code(), 2);
}

#[test]
fn without_flags_everything_is_left_to_the_library() {
    let low = get(&[]);
    assert!(low.more.is_empty());
    let IdentityArgs { endpoint, region, access_key_id, sign_version, .. } = &low.identity;
    assert!(endpoint.is_none() && region.is_none() && access_key_id.is_none());
    assert!(sign_version.is_none() && !low.identity.anonymous && !low.identity.allow_plaintext);
    let transfer = &low.transfer;
    assert!(transfer.part_size.is_none() && transfer.parallel.is_none());
    assert!(transfer.retries.is_none() && transfer.range.is_none() && !low.naming.literal_key);
    let safety = &low.safety;
    assert!(!safety.no_resume && !safety.restart && safety.resume.is_none());
    assert!(!safety.require_crc && !safety.no_clobber && !safety.follow_symlink);
    let output = &low.output;
    assert!(!output.json && !output.quiet && output.verbose == 0 && output.report.is_none());
}

#[test]
fn transfer_flags_carry_their_values() {
    let low = get(&["--part-size", "16MiB", "--parallel", "4", "--retries", "0"]);
    assert_eq!(low.transfer.part_size, Some(PartSizeChoice::Fixed(PartSize::mib(16).unwrap())));
    let four = NonZeroU32::new(4).unwrap();
    assert_eq!(low.transfer.parallel, Some(ParallelChoice::Fixed(four)));
    assert_eq!(low.transfer.retries, Some(0));
    let low = get(&["--part-size=auto", "--parallel=auto", "--retry-max-time=5m"]);
    assert_eq!(low.transfer.part_size, Some(PartSizeChoice::Auto));
    assert_eq!(low.transfer.parallel, Some(ParallelChoice::Auto));
    assert_eq!(low.transfer.retry_max_time, Some(Duration::from_secs(300)));
    let low = get(&["--connect-timeout", "500ms", "--read-timeout", "20s"]);
    assert_eq!(low.transfer.connect_timeout, Some(Duration::from_millis(500)));
    assert_eq!(low.transfer.read_timeout, Some(Duration::from_secs(20)));
    let low = get(&["--bandwidth-limit", "20MiB"]);
    assert_eq!(low.transfer.bandwidth_limit.map(NonZeroU64::get), Some(20 << 20));
    let low = get(&["--range", "-100", "--version-id", "v", "--literal-key"]);
    assert_eq!(low.transfer.range, Some(ExtentRequest::Last(100)));
    assert_eq!(low.naming.version_id.as_deref(), Some("v"));
    assert!(low.naming.literal_key);
    let slice = ByteRange::new(0, 10).map(ExtentRequest::Slice);
    assert_eq!(get(&["--range=0-9"]).transfer.range, slice);
}

#[test]
fn identity_and_safety_flags_carry_their_values() {
    let low = get(&["-e", "http://h", "--region", "r", "-i", "ak", "--sign-version", "v1"]);
    assert_eq!(low.identity.endpoint.as_deref(), Some("http://h"));
    assert_eq!(low.identity.region.as_deref(), Some("r"));
    assert_eq!(low.identity.access_key_id.as_deref(), Some("ak"));
    assert_eq!(low.identity.sign_version, Some(SignVersion::V1));
    for (style, expected) in [
        ("virtual", AddressingStyle::Virtual),
        ("path", AddressingStyle::Path),
        ("cname", AddressingStyle::Cname),
    ] {
        let low = get(&["--addressing-style", style]);
        assert_eq!(low.identity.addressing_style, Some(expected));
    }
    let low = get(&["--resume", "require", "--resume-verify", "bounds", "--durability", "none"]);
    assert_eq!(low.safety.resume, Some(ResumeMode::Require));
    assert_eq!(low.safety.resume_verify, Some(VerifyMode::Bounds));
    assert_eq!(low.safety.durability, Some(DurabilityLevel::None));
    let low = get(&["--on-change", "fail", "--checkpoint-dir", "d", "-vv"]);
    assert_eq!(low.safety.on_change, Some(ChangeAction::Fail));
    assert_eq!(low.safety.checkpoint_dir, Some(PathBuf::from("d")));
    assert_eq!(low.output.verbose, 2);
}

#[test]
fn the_last_of_repeated_flags_wins() {
    let low = get(&["--retries", "1", "--retries", "2", "--json", "--json"]);
    assert_eq!(low.transfer.retries, Some(2));
    assert!(low.output.json);
}

#[test]
fn values_out_of_bounds_are_refused_with_their_bounds() {
    for size in ["1", "102399", "99k", "5368709121", "6g"] {
        let message = refused(&["--part-size", size]);
        assert!(message.contains("100 KiB") && message.contains("5 GiB"), "{message}");
    }
    for size in ["100k", "102400", "5g"] {
        assert!(get(&["--part-size", size]).transfer.part_size.is_some());
    }
    assert!(refused(&["--part-size", "8MB"]).contains("KiB"));
    for count in ["0", "x", "1.5", "4294967296"] {
        assert!(refused(&["--parallel", count]).contains("parallel"), "{count}");
    }
    for (limit, why) in [("0", "1 or more"), ("1MB", "KiB"), ("99999999t", "64 bits")] {
        let message = refused(&["--bandwidth-limit", limit]);
        assert!(message.contains("--bandwidth-limit") && message.contains(why), "{message}");
    }
    assert!(refused(&["--read-timeout", "20"]).contains("500ms"));
    assert!(refused(&["--range", "9-1"]).contains("before its start"));
    assert!(refused(&["--sign-version", "v2"]).contains("v4"));
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    for flags in [
        &["--no-resume", "--restart"][..],
        &["--no-resume", "--resume", "require"],
        &["--restart", "--resume", "auto"],
        &["--anonymous", "-i", "ak"],
        &["--anonymous", "--access-key-secret-file", "f"],
        &["--anonymous", "--sts-token-file", "f"],
        &["-q", "-v"],
        &["--no-such-flag"],
        &["--recursive"],
    ] {
        refused(flags);
    }
}

#[test]
fn secrets_are_dropped_as_soon_as_they_are_seen() {
    for flags in [
        &["-k", "canary"][..],
        &["-kcanary"],
        &["-k=canary"],
        &["--access-key-secret", "canary"],
        &["--access-key-secret=canary"],
        &["--access-key-secret", "-canary"],
        &["--access-key-secret"],
    ] {
        let low = get(flags);
        assert_eq!(low.identity.access_key_secret, Some(Withheld), "{flags:?}");
        assert!(!format!("{low:?}").contains("canary"));
    }
    for flags in [&["-t", "canary"][..], &["--sts-token=canary"], &["-t"]] {
        let low = get(flags);
        assert_eq!(low.identity.sts_token, Some(Withheld), "{flags:?}");
        assert!(!format!("{low:?}").contains("canary"));
    }
    for flags in [&["--access-key-secrets=canary"][..], &["-k", "canary", "--nonsense"]] {
        assert!(!refused(flags).contains("canary"), "{flags:?}");
    }
}

#[test]
fn too_many_paths_are_taken_in_without_being_printed() {
    let low = get(&["https://h/k?Signature=canary"]);
    assert_eq!(low.more.len(), 1);
}

#[test]
fn the_help_mentions_every_flag() {
    let mut command = LowArgs::command();
    command.build();
    let get = command.find_subcommand_mut("get").unwrap();
    let (short, long) = (get.render_help().to_string(), get.render_long_help().to_string());
    for flag in [
        "-e, --endpoint <URL>",
        "--region",
        "-i, --access-key-id",
        "--access-key-secret-file",
        "--sts-token-file",
        "--anonymous",
        "--sign-version",
        "--addressing-style",
        "--ca-cert",
        "--allow-plaintext",
        "--part-size <SIZE|auto>",
        "--parallel <N|auto>",
        "--bandwidth-limit <SIZE>",
        "--retries",
        "--retry-max-time",
        "--connect-timeout",
        "--read-timeout",
        "--range",
        "--version-id",
        "--literal-key",
        "--checkpoint-dir",
        "--no-resume",
        "--restart",
        "--resume <MODE>",
        "--resume-verify",
        "--durability",
        "--require-crc",
        "--no-clobber",
        "--on-change",
        "--follow-symlink",
        "--no-progress",
        "-q, --quiet",
        "-v, --verbose",
        "--color",
        "--json",
        "--report",
        "OSS_ENDPOINT",
        "OSS_REGION",
        "OSS_ACCESS_KEY_SECRET",
        "OSS_SESSION_TOKEN",
        "ALIBABA_CLOUD_ACCESS_KEY_ID",
        "NO_COLOR",
    ] {
        assert!(short.contains(flag), "{flag} is not in -h");
        assert!(long.contains(flag), "{flag} is not in --help");
    }
    let undocumented =
        get.get_arguments().filter(|it| !it.is_hide_set() && it.get_help().is_none());
    assert_eq!(undocumented.count(), 0);
}

#[test]
fn the_contract_mentions_every_flag() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
    let contract = std::fs::read_to_string(path).unwrap();
    let mut command = LowArgs::command();
    command.build();
    let get = command.find_subcommand("get").unwrap();
    for long in get.get_arguments().filter_map(clap::Arg::get_long) {
        assert!(contract.contains(&format!("--{long}")), "--{long} is not in docs/cli.md");
    }
}

#[test]
fn a_checkpoint_is_shown_by_its_path() {
    let arguments = ["ossget", "checkpoint", "show", "f", "--json", "--checkpoint-dir", "d"];
    let Command::Checkpoint { action: CheckpointAction::Show(show) } =
        parse(&arguments).unwrap().command
    else {
        panic!("not `checkpoint show`");
    };
    assert_eq!(show.path, PathBuf::from("f"));
    assert_eq!(show.checkpoint_dir, Some(PathBuf::from("d")));
    assert!(show.json);
}

#[test]
fn the_flags_of_patience_and_of_digests_carry_their_values() {
    let low = get(&["--low-speed-limit", "64k", "--low-speed-time", "5s", "--wait-lock", "2m"]);
    assert_eq!(low.transfer.low_speed_limit, Some(65_536));
    assert_eq!(low.transfer.low_speed_time, Some(Duration::from_secs(5)));
    assert_eq!(low.safety.wait_lock, Some(Duration::from_secs(120)));
    let low = get(&["--checksum", "md5:900150983cd24fb0d6963f7d28e17f72"]);
    assert!(matches!(low.safety.checksum, Some(Checksum::Md5(_))));
    assert!(refused(&["--checksum", "sha1:00"]).contains("sha256:HEX"));
    assert!(refused(&["--checksum", "crc64:zz"]).contains("decimal"));
    assert!(refused(&["--wait-lock", "5"]).contains("duration"));
}

#[test]
fn what_is_left_is_listed_removed_and_cleaned_by_path() {
    for (arguments, ok) in [
        (&["ossget", "checkpoint", "ls"][..], true),
        (&["ossget", "checkpoint", "ls", "d", "--json"], true),
        (&["ossget", "checkpoint", "rm", "f", "--checkpoint-dir", "d"], true),
        (&["ossget", "checkpoint", "clean", "d", "--checkpoint-dir", "e"], true),
        (&["ossget", "verify", "f", "oss://bkt/k", "--checksum", "crc64:1"], true),
        (&["ossget", "checkpoint", "rm"], false),
        (&["ossget", "checkpoint", "ls", "a", "b"], false),
        (&["ossget", "verify", "f"], false),
    ] {
        assert_eq!(parse(arguments).is_ok(), ok, "{arguments:?}");
    }
}
