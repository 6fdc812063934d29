//! The files of Alibaba Cloud's own tools.

use crate::rig::{answer, around, home, in_full, write};
use ossget::{
    Addressing, CredentialsChain, CredentialsProvider, Error, ErrorKind, FoundCredentials,
    SignatureVersion, Surroundings,
};
use ossget_testkit::loopback::{Answer, Asked, Loopback};
use std::path::Path;

/// What is found under this name in a file with this text.
fn found(text: &str, name: Option<&str>) -> Result<FoundCredentials, Error> {
    found_in(text, name, around(&[]))
}

fn found_in(
    text: &str,
    name: Option<&str>,
    around: Surroundings,
) -> Result<FoundCredentials, Error> {
    let home = home(&[("file", text)]);
    let path = home.path().join("file");
    let mut chain = CredentialsChain::new(around).config_file(&path);
    if let Some(name) = name {
        chain = chain.profile(name);
    }
    let found = chain.find();
    // Files are read anew each time, so it must outlive the test.
    std::mem::forget(home);
    match &found {
        Ok(found) => assert!(!format!("{found:?}").contains("canary"), "{found:?}"),
        Err(error) => assert!(!in_full(error).contains("canary"), "{}", in_full(error)),
    }
    found
}

async fn id(text: &str, name: Option<&str>) -> String {
    let found = found(text, name).unwrap_or_else(|error| panic!("{}", in_full(&error)));
    let credentials = found.provider.credentials().await;
    let credentials = credentials.unwrap_or_else(|error| panic!("{}", in_full(&error))).unwrap();
    let token = if credentials.token().is_some() { "+token" } else { "" };
    format!("{}{token}", credentials.access_key_id())
}

fn refusal(text: &str, name: Option<&str>) -> Error {
    found(text, name).expect_err("it cannot be used")
}

const OSSUTIL: &str = "
# a comment
[Credentials]
language = EN
endpoint = oss-cn-shanghai.aliyuncs.com
accessKeyID = old-id
accessKeySecret = canary-old

[Bucket-Endpoint]
with-endpoint = oss-cn-beijing.aliyuncs.com
with-both = oss-cn-beijing.aliyuncs.com

[Bucket-Cname]
with-both = cdn.example.com

[Default]
loglevel = info

[profile Dev]
access-key-id = dev-id
access_key_secret = canary-dev # a comment
region = cn-hangzhou
addressing-style = path
sign-version = v1
cloud-box-id = cb-1

[profile child]
source_profile = dev
sts_token = canary-token
region = cn-beijing

[profile round]
source-profile = Other
[profile other]
source-profile = round

[profile orphan]
source_profile = nobody

[profile open]
mode = Anonymous
endpoint = oss-cn-hangzhou.aliyuncs.com

[profile half]
access_key_id = half-id

[profile strange]
mode = Magic

[buckets with-section]
endpoint = oss-cn-qingdao.aliyuncs.com
region = cn-qingdao
addressing-style = virtual
";

#[tokio::test]
async fn both_layouts_of_ossutil_are_read_from_one_file() {
    assert_eq!(id(OSSUTIL, None).await, "old-id");
    assert_eq!(id(OSSUTIL, Some("default")).await, "old-id");
    assert_eq!(id(OSSUTIL, Some("DEV")).await, "dev-id");
    assert_eq!(id(OSSUTIL, Some("child")).await, "dev-id+token");
    assert!(found(OSSUTIL, Some("open")).unwrap().provider.is_anonymous());

    let settings = |name| {
        let found = found(OSSUTIL, name).unwrap();
        found.profile.unwrap().settings().clone()
    };
    let old = settings(None);
    assert_eq!(old.endpoint.as_deref(), Some("oss-cn-shanghai.aliyuncs.com"));
    let dev = settings(Some("dev"));
    assert_eq!(dev.region.as_deref(), Some("cn-hangzhou"));
    assert_eq!(dev.addressing, Some(Addressing::Path));
    assert_eq!(dev.sign_version, Some(SignatureVersion::V1));
    assert_eq!(dev.cloud_box_id.as_deref(), Some("cb-1"));
    let child = settings(Some("child"));
    assert_eq!(child.region.as_deref(), Some("cn-beijing"));
    assert_eq!(child.addressing, Some(Addressing::Path));
}

#[tokio::test]
async fn halves_of_the_two_layouts_never_meet() {
    let text = "[Credentials]\naccessKeyID=old\naccessKeySecret=canary-old\nendpoint=h\n\
                [default]\naccess_key_id=new\n";
    let error = refusal(text, None);
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.to_string().contains("access key secret"), "{error}");
    let whole = format!("{text}access_key_secret=canary-new\n[profile default]\nregion=cn-beijing");
    assert_eq!(id(&whole, None).await, "new");
    let settings = found(&whole, None).unwrap().profile.unwrap().settings().clone();
    assert_eq!(settings.endpoint.as_deref(), Some("h"));
    assert_eq!(settings.region.as_deref(), Some("cn-beijing"));
}

#[test]
fn a_bucket_may_have_settings_of_its_own() {
    let home = home(&[("file", OSSUTIL)]);
    let of = |bucket: &str| {
        let chain = CredentialsChain::new(around(&[])).config_file(home.path().join("file"));
        let profile = chain.bucket(bucket).find_profile().unwrap().unwrap();
        profile.settings().clone()
    };
    assert_eq!(of("with-endpoint").endpoint.as_deref(), Some("oss-cn-beijing.aliyuncs.com"));
    let both = of("with-both");
    assert_eq!(both.endpoint.as_deref(), Some("cdn.example.com"));
    assert_eq!(both.addressing, Some(Addressing::Cname));
    let section = of("with-section");
    assert_eq!(section.endpoint.as_deref(), Some("oss-cn-qingdao.aliyuncs.com"));
    assert_eq!(section.region.as_deref(), Some("cn-qingdao"));
    assert_eq!(section.addressing, Some(Addressing::Virtual));
    assert_eq!(of("withboth").endpoint.as_deref(), Some("oss-cn-shanghai.aliyuncs.com"));
}

#[test]
fn what_is_wrong_with_a_profile_is_told_with_its_name_and_file() {
    for (name, kind, told) in [
        ("round", ErrorKind::Config, "inherits from itself"),
        ("orphan", ErrorKind::Config, "`nobody`"),
        ("half", ErrorKind::Credentials, "access key secret"),
        ("strange", ErrorKind::Credentials, "`magic`"),
        ("missing", ErrorKind::Config, "`missing`"),
    ] {
        let error = refusal(OSSUTIL, Some(name));
        assert_eq!(error.kind(), kind, "{}", in_full(&error));
        let message = error.to_string();
        assert!(message.contains(told) && message.contains("/file"), "{message}");
        assert!(error.hint().is_some());
    }
    let style = refusal("[default]\naddressing-style = upside-down", None);
    assert!(style.kind() == ErrorKind::Config && style.hint().unwrap().contains("virtual"));
    assert_eq!(refusal("[default]\n[canary", None).kind(), ErrorKind::Config);
    assert_eq!(refusal("[profile x]\nregion = r", None).kind(), ErrorKind::Config);
}

#[cfg(unix)]
#[tokio::test]
async fn the_modes_of_ossutil_lead_to_their_sources() {
    let service = Loopback::start(sources).unwrap();
    let home = home(&[("token", "canary-oidc")]);
    let around =
        around(&[]).metadata_endpoint(service.url()).sts_endpoint(service.url()).home(home.path());
    let printed = r#"{"AccessKeyId":"printed","AccessKeySecret":"canary"}"#;
    let process = format!("[default]\ncredential-process = echo '{printed}'");
    let uri = format!("[default]\ncredentials-uri = {}/uri", service.url());
    let old_ecs =
        "[AkService]\necsAk=http://100.100.100.200/latest/meta-data/Ram/security-credentials/r";
    for (text, expected) in [
        ("[Credentials]\nmode=StsToken\naccessKeyID=a\naccessKeySecret=canary\nstsToken=t", "a"),
        ("[Credentials]\nmode=EcsRamRole\necsRoleName=r", "STS.r"),
        ("[default]\nmode=EcsRamRole", "STS.found"),
        (
            "[default]\nmode=RamRoleArn\naccess_key_id=a\naccess_key_secret=canary\nrole_arn=arn",
            "STS.AssumeRole.a",
        ),
        ("[default]\nmode=RamRoleArn\necs_role_name=r\nrole_arn=arn", "STS.AssumeRole.STS.r"),
        (
            "[default]\nrole_arn=arn\noidc-provider-arn=p\noidc-token-file=~/token",
            "STS.AssumeRoleWithOIDC.",
        ),
        (&process, "printed"),
        (&uri, "STS.uri"),
        (&format!("[Credentials]\nlanguage=EN\n{old_ecs}"), "STS.r"),
    ] {
        let found = found_in(text, None, around.clone()).unwrap();
        let credentials = found.provider.credentials().await;
        let credentials =
            credentials.unwrap_or_else(|error| panic!("{text}: {}", in_full(&error))).unwrap();
        assert_eq!(credentials.access_key_id(), expected, "{text}");
    }
}

/// Metadata, STS and a credentials URI in one; what is asked for is in the id that comes.
fn sources(asked: &Asked) -> Answer {
    let prefix = "/latest/meta-data/ram/security-credentials/";
    let path = asked.path();
    match path.strip_prefix(prefix) {
        _ if asked.method == "PUT" => Answer::new(404, ""),
        Some("") => Answer::new(200, "found"),
        Some(role) => Answer::json(answer(&format!("STS.{role}"), 3600)),
        None if path == "/uri" => Answer::json(answer("STS.uri", 3600)),
        None => {
            let parameter = |name| asked.parameter(name).unwrap_or_default();
            let id = format!("STS.{}.{}", parameter("Action"), parameter("AccessKeyId"));
            Answer::json(format!(r#"{{"Credentials":{}}}"#, answer(&id, 3600)))
        }
    }
}

const ALIYUN: &str = r#"{
  "current": "ak",
  "profiles": [
    {"name": "ak", "mode": "AK", "access_key_id": "ak-id", "access_key_secret": "canary-ak",
     "sts_token": "stale", "region_id": "cn-hangzhou"},
    {"name": "sts", "mode": "StsToken", "access_key_id": "sts-id",
     "access_key_secret": "canary-sts", "sts_token": "canary-token", "sts_expiration": 4102444800},
    {"name": "no-token", "mode": "StsToken", "access_key_id": "x", "access_key_secret": "canary"},
    {"name": "role", "mode": "RamRoleArn", "access_key_id": "base", "access_key_secret": "canary",
     "ram_role_arn": "arn", "ram_session_name": "s", "expired_seconds": 900, "sts_region": "cn-x"},
    {"name": "ecs", "mode": "EcsRamRole", "ram_role_name": "r"},
    {"name": "oidc", "mode": "OIDC", "ram_role_arn": "arn", "oidc_provider_arn": "p",
     "oidc_token_file": "~/token", "role_session_name": "s"},
    {"name": "chain", "mode": "ChainableRamRoleArn", "ram_role_arn": "arn",
     "source_profile": "ecs"},
    {"name": "chain2", "mode": "ChainableRamRoleArn", "ram_role_arn": "arn2",
     "source_profile": "chain"},
    {"name": "loop", "mode": "ChainableRamRoleArn", "ram_role_arn": "arn",
     "source_profile": "loop2"},
    {"name": "loop2", "mode": "ChainableRamRoleArn", "ram_role_arn": "arn",
     "source_profile": "loop"},
    {"name": "self", "mode": "ChainableRamRoleArn", "ram_role_arn": "arn",
     "source_profile": "self"},
    {"name": "external", "mode": "External", "process_command":
     "echo '{\"mode\":\"AK\",\"access_key_id\":\"printed\",\"access_key_secret\":\"canary\"}'"},
    {"name": "sso", "mode": "CloudSSO", "access_token": "canary-sso"},
    {"name": "oauth", "mode": "OAuth", "oauth_access_token": "canary-oauth"},
    {"name": "seconds", "mode": "RamRoleArn", "access_key_id": "a", "access_key_secret": "canary",
     "ram_role_arn": "arn", "expired_seconds": "soon"}
  ]
}"#;

#[cfg(unix)]
#[tokio::test]
async fn the_modes_of_the_command_line_lead_to_their_sources() {
    let service = Loopback::start(sources).unwrap();
    let home = home(&[("token", "canary-oidc")]);
    let around =
        around(&[]).metadata_endpoint(service.url()).sts_endpoint(service.url()).home(home.path());
    for (name, expected) in [
        (None, "ak-id"),
        (Some("sts"), "sts-id"),
        (Some("role"), "STS.AssumeRole.base"),
        (Some("ecs"), "STS.r"),
        (Some("oidc"), "STS.AssumeRoleWithOIDC."),
        (Some("chain"), "STS.AssumeRole.STS.r"),
        (Some("chain2"), "STS.AssumeRole.STS.AssumeRole.STS.r"),
        (Some("external"), "printed"),
    ] {
        let found = found_in(ALIYUN, name, around.clone()).unwrap();
        let credentials = found.provider.credentials().await;
        let credentials =
            credentials.unwrap_or_else(|error| panic!("{name:?}: {}", in_full(&error))).unwrap();
        assert_eq!(credentials.access_key_id(), expected, "{name:?}");
        // A token that is left over in a profile of mode AK is none of its.
        assert_eq!(credentials.token().is_none(), ["ak-id", "printed"].contains(&expected));
    }
    let role = service
        .asked()
        .into_iter()
        .find(|asked| asked.parameter("AccessKeyId").as_deref() == Some("base"));
    let role = role.expect("the role was assumed");
    assert_eq!(role.parameter("DurationSeconds").as_deref(), Some("900"));
    assert_eq!(role.parameter("RoleSessionName").as_deref(), Some("s"));
    let profile = found(ALIYUN, None).unwrap().profile.unwrap();
    assert_eq!(profile.settings().region.as_deref(), Some("cn-hangzhou"));
}

#[test]
fn profiles_that_cannot_be_served_say_what_to_do() {
    for (name, kind, told) in [
        ("loop", ErrorKind::Config, "leads back to itself"),
        ("self", ErrorKind::Config, "leads back to itself"),
        ("no-token", ErrorKind::Credentials, "sts_token"),
        ("sso", ErrorKind::Credentials, "`CloudSSO`"),
        ("oauth", ErrorKind::Credentials, "`OAuth`"),
        ("seconds", ErrorKind::Config, "`soon`"),
        ("none", ErrorKind::Config, "`none`"),
    ] {
        let error = refusal(ALIYUN, Some(name));
        assert_eq!(error.kind(), kind, "{}", in_full(&error));
        assert!(error.to_string().contains(told), "{error}");
        assert!(error.hint().is_some());
    }
    let error = refusal("{\"profiles\": [{\"access_key_secret\": canary}]}", None);
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("line 1, column"), "{error}");
    for odd in ["{}", "{\"profiles\": 3}", "{\"profiles\": [3, null, {\"name\": 4}]}"] {
        assert_eq!(refusal(odd, None).kind(), ErrorKind::Config, "{odd}");
    }
}

#[test]
fn a_row_of_profiles_that_is_too_long_is_refused() {
    for (many, refused) in [(16, false), (17, true), (9000, true)] {
        let mut ini = "[default]\nsource_profile = p1\n".to_owned();
        let mut profiles = Vec::new();
        for index in 0..many {
            let next = index + 1;
            if index > 0 {
                ini += &format!("[profile p{index}]\nsource_profile = p{next}\n");
            }
            profiles.push(format!(
                r#"{{"name":"p{index}","mode":"ChainableRamRoleArn","ram_role_arn":"a","source_profile":"p{next}"}}"#
            ));
        }
        ini += &format!("[profile p{many}]\nregion = r\n");
        profiles.push(format!(r#"{{"name":"p{many}","mode":"EcsRamRole"}}"#));
        let json = format!(r#"{{"current":"p0","profiles":[{}]}}"#, profiles.join(","));
        let ini = found(&ini, None).map(|_| ()).map_err(|error| error.kind());
        let json = found(&json, None).map(|_| ()).map_err(|error| error.kind());
        let expected = if refused { Err(ErrorKind::Config) } else { Ok(()) };
        assert_eq!((many, json), (many, expected));
        assert_eq!((many, ini), (many, expected));
    }
}

#[tokio::test]
async fn the_file_of_the_libraries_is_told_by_its_types() {
    const TEXT: &str = "[default]\ntype = access_key\naccess_key_id = lib-id # comment\n\
                        access_key_secret = canary-lib\n\n[sts]\ntype = sts\naccess_key_id = s\n\
                        access_key_secret = canary\nsecurity_token = canary\n[rsa]\n\
                        type = rsa_key_pair\npublic_key_id = canary\n[ecs]\ntype=ecs_ram_role\n\
                        role_name=r\n[role]\ntype=ram_role_arn\naccess_key_id=base\n\
                        access_key_secret=canary\nrole_arn=arn\nrole_session_name=s\n";
    assert_eq!(id(TEXT, None).await, "lib-id");
    assert_eq!(id(TEXT, Some("sts")).await, "s+token");
    assert!(refusal(TEXT, Some("rsa")).to_string().contains("rsa_key_pair"));
    let service = Loopback::start(sources).unwrap();
    let around = around(&[]).metadata_endpoint(service.url()).sts_endpoint(service.url());
    for (name, expected) in [("ecs", "STS.r"), ("role", "STS.AssumeRole.base")] {
        let found = found_in(TEXT, Some(name), around.clone()).unwrap();
        let credentials = found.provider.credentials().await.unwrap().unwrap();
        assert_eq!(credentials.access_key_id(), expected);
    }
}

#[tokio::test]
async fn a_file_is_read_anew_once_the_service_has_refused_what_stood_there() {
    let home = home(&[]);
    let path = home.path().join("file");
    let text = |id: &str| {
        format!("[default]\naccess_key_id={id}\naccess_key_secret=canary\nsts_token=canary")
    };
    write(&path, &text("first"));
    let chain = CredentialsChain::new(around(&[])).config_file(&path);
    let provider = chain.find().unwrap().provider;
    let first = provider.credentials().await.unwrap().unwrap();
    write(&path, &text("second"));
    assert_eq!(provider.credentials().await.unwrap().unwrap().access_key_id(), "first");
    provider.refused(&first);
    assert_eq!(provider.credentials().await.unwrap().unwrap().access_key_id(), "second");
}

#[cfg(unix)]
#[test]
fn a_file_of_secrets_that_others_can_read_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = home(&[("file", OSSUTIL), ("ecs", "[default]\nmode=EcsRamRole")]);
    let warnings = |file: &str, mode: u32| {
        let path = home.path().join(file);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        CredentialsChain::new(around(&[])).config_file(&path).find().unwrap().warnings
    };
    assert!(warnings("file", 0o600).is_empty());
    let told = warnings("file", 0o644);
    assert!(told.len() == 1 && told[0].contains("chmod 600"), "{told:?}");
    assert!(warnings("ecs", 0o644).is_empty(), "there is no secret in it");
    assert!(Path::new(&home.path().join("ecs")).exists());
}
