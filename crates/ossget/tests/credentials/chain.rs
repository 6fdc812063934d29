//! Where credentials are looked for, and in which order.

use crate::rig::{answer, around, home, in_full, issue};
use ossget::{
    CredentialsChain, CredentialsProvider, CredentialsSource, Error, ErrorKind, FoundCredentials,
    Issued, Surroundings,
};
use ossget_testkit::loopback::{Answer, Loopback};

const NO_ECS: (&str, &str) = ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true");
const OSS_PAIR: [(&str, &str); 2] =
    [("OSS_ACCESS_KEY_ID", "oss-id"), ("OSS_ACCESS_KEY_SECRET", "canary-oss")];
const FILES: [(&str, &str); 4] = [
    (
        ".ossutilconfig",
        "[default]\naccess_key_id=ossutil\naccess_key_secret=canary\n\
                        endpoint=oss-cn-beijing.aliyuncs.com\n[profile p]\naccess_key_id=ossutil-p\n\
                        access_key_secret=canary\n",
    ),
    (
        ".aliyun/config.json",
        r#"{"current":"default","profiles":[{"name":"default","mode":"AK",
        "access_key_id":"aliyun","access_key_secret":"canary"},{"name":"q","mode":"AK",
        "access_key_id":"aliyun-q","access_key_secret":"canary"}]}"#,
    ),
    (
        ".alibabacloud/credentials",
        "[default]\ntype=access_key\naccess_key_id=lib\naccess_key_secret=canary",
    ),
    (
        ".alibabacloud/credentials.ini",
        "[default]\ntype=access_key\naccess_key_id=lib-ini\naccess_key_secret=canary",
    ),
];

/// A chain as something that can be asked like a source.
#[derive(Debug)]
struct Asked(FoundCredentials);

#[async_trait::async_trait]
impl CredentialsSource for Asked {
    async fn issue(&self) -> Result<Issued, Error> {
        let credentials = self.0.provider.credentials().await?;
        Ok(Issued::lasting(credentials.expect("some")))
    }

    fn describe(&self) -> String {
        self.0.provider.describe()
    }
}

async fn id(surroundings: &Surroundings) -> Result<String, Error> {
    let found = CredentialsChain::new(surroundings.clone()).find()?;
    let issued = issue(&Asked(found)).await?;
    Ok(issued.credentials().access_key_id().to_owned())
}

/// Faults: 71.
#[tokio::test]
async fn each_place_is_looked_at_in_its_turn() {
    let uri = Loopback::start(|_| Answer::json(answer("STS.uri", 3600))).unwrap();
    let url = uri.url();
    let variables = [NO_ECS, ("ALIBABA_CLOUD_CREDENTIALS_URI", &*url)];
    for first in 0..=FILES.len() {
        let home = home(&FILES[first..]);
        let expected = ["ossutil", "aliyun", "lib", "lib-ini", "STS.uri"][first];
        let around = around(&variables).home(home.path());
        assert_eq!(id(&around).await.unwrap(), expected);
        let with_pair = crate::rig::around(&[&variables[..], &OSS_PAIR].concat());
        assert_eq!(id(&with_pair.home(home.path())).await.unwrap(), "oss-id");
    }
}

#[tokio::test]
async fn the_role_of_the_instance_comes_before_a_uri_and_a_uri_where_there_is_none() {
    let uri = Loopback::start(|_| Answer::json(answer("STS.uri", 3600))).unwrap();
    let url = uri.url();
    let variables = [("ALIBABA_CLOUD_CREDENTIALS_URI", &*url), ("ALIBABA_CLOUD_ECS_METADATA", "r")];
    let ecs = Loopback::start(|asked| match asked.method.as_str() {
        "PUT" => Answer::new(200, "token"),
        _ if asked.path().ends_with("/r") => Answer::json(answer("STS.r", 3600)),
        _ => Answer::new(404, ""),
    })
    .unwrap();
    let on_ecs = around(&variables).metadata_endpoint(ecs.url());
    assert_eq!(id(&on_ecs).await.unwrap(), "STS.r");
    let nobody = {
        let service = Loopback::start(|_| Answer::none()).unwrap();
        service.url()
    };
    let elsewhere = around(&variables).metadata_endpoint(nobody.clone());
    assert_eq!(id(&elsewhere).await.unwrap(), "STS.uri");
    let nowhere = around(&[]).metadata_endpoint(nobody);
    let error = id(&nowhere).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials, "{}", in_full(&error));
    assert!(!error.is_transient());
}

#[tokio::test]
async fn without_any_every_place_is_told() {
    let home = home(&[]);
    let error = id(&around(&[NO_ECS]).home(home.path())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    let message = error.to_string();
    for told in
        ["OSS_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_ID", ".ossutilconfig", "config.json"]
    {
        assert!(message.contains(told), "{message}");
    }
}

#[tokio::test]
async fn a_named_profile_is_looked_for_in_all_files_and_must_be_there() {
    let home = home(&FILES);
    let around = around(&[NO_ECS]).home(home.path());
    let of = |name: &str| CredentialsChain::new(around.clone()).profile(name).find();
    for (name, expected) in [("p", "ossutil-p"), ("q", "aliyun-q")] {
        let issued = issue(&Asked(of(name).unwrap())).await.unwrap();
        assert_eq!(issued.credentials().access_key_id(), expected);
    }
    let error = of("r").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("`r`") && error.to_string().contains(".ossutilconfig"));
    let named = crate::rig::around(&[NO_ECS, ("OSS_PROFILE", "q")]).home(home.path());
    assert_eq!(id(&named).await.unwrap(), "aliyun-q");
    let path = home.path().join(".aliyun/config.json");
    let file = crate::rig::around(&[NO_ECS, ("OSS_CONFIG_FILE", path.to_str().unwrap())]);
    assert_eq!(id(&file.home(home.path())).await.unwrap(), "aliyun");
    let no_file = CredentialsChain::new(around).config_file("/no/such/file").find().unwrap_err();
    assert_eq!(no_file.kind(), ErrorKind::Config);
}

#[tokio::test]
async fn variables_choose_files_and_switch_one_off() {
    let home = home(&FILES[1..]);
    let at = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let off = around(&[NO_ECS, ("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "true")]);
    assert_eq!(id(&off.home(home.path())).await.unwrap(), "lib");
    let ini = at(".alibabacloud/credentials.ini");
    let named = around(&[
        NO_ECS,
        ("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "true"),
        ("ALIBABA_CLOUD_CREDENTIALS_FILE", &ini),
    ]);
    assert_eq!(id(&named.home(home.path())).await.unwrap(), "lib-ini");
    let config = at(".aliyun/config.json");
    let named = around(&[NO_ECS, ("ALIBABA_CLOUD_CONFIG_FILE", &config)]);
    assert_eq!(id(&named.home("/no/such/home")).await.unwrap(), "aliyun");
    let profile = around(&[NO_ECS, ("ALIBABA_CLOUD_PROFILE", "q")]);
    assert_eq!(id(&profile.home(home.path())).await.unwrap(), "aliyun-q");
}

#[tokio::test]
async fn what_is_there_but_cannot_be_used_is_not_passed_over() {
    let home = home(&[(".ossutilconfig", "[default]\naccess_key_id=x\n"), FILES[1]]);
    let error = id(&around(&[NO_ECS]).home(home.path())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.to_string().contains(".ossutilconfig"), "{error}");
    // Who has others does not care.
    let with_pair = around(&OSS_PAIR).home(home.path());
    assert_eq!(id(&with_pair).await.unwrap(), "oss-id");
    let half = around(&[OSS_PAIR[0]]).home(home.path());
    assert_eq!(id(&half).await.unwrap_err().kind(), ErrorKind::Credentials);
}

#[test]
fn settings_of_a_profile_apply_to_credentials_of_variables_too() {
    let home = home(&FILES);
    let around = around(&OSS_PAIR).home(home.path());
    let found = CredentialsChain::new(around.clone()).find().unwrap();
    let endpoint = found.profile.unwrap().settings().endpoint.clone();
    assert_eq!(endpoint.as_deref(), Some("oss-cn-beijing.aliyuncs.com"));
    assert!(found.warnings.is_empty());
    let named = CredentialsChain::new(around).profile("p").find().unwrap();
    assert!(named.warnings[0].contains("profile `p` are not used"), "{:?}", named.warnings);
}

#[tokio::test]
async fn a_role_in_a_variable_is_assumed_with_the_pair_in_variables() {
    let sts = Loopback::start(|asked| {
        assert_eq!(asked.parameter("RoleArn").as_deref(), Some("arn"));
        assert_eq!(asked.parameter("RoleSessionName").as_deref(), Some("me"));
        let id = format!("STS.of.{}", asked.parameter("AccessKeyId").unwrap());
        Answer::json(format!(r#"{{"Credentials":{}}}"#, answer(&id, 3600)))
    })
    .unwrap();
    let role = [("OSS_ROLE_ARN", "arn"), ("OSS_ROLE_SESSION_NAME", "me")];
    let around = around(&[&OSS_PAIR[..], &role].concat()).sts_endpoint(sts.url());
    assert_eq!(id(&around).await.unwrap(), "STS.of.oss-id");
}
