//! Which settings apply, and where each comes from: a flag, else a variable, else a profile.

use crate::environment::Environment;
use crate::hi::usage;
use crate::identity::{self, Credentialed};
use crate::low::{AddressingStyle, IdentityArgs, SignVersion};
use ossget::{
    Addressing, CredentialsProvider, Endpoint, Error, Profile, ProfileSettings, SignatureVersion,
};
use std::ffi::OsString;
use std::sync::Arc;

/// The settings that flags, variables and a profile give; `None` leaves the choice to the library.
#[derive(Debug)]
pub(crate) struct Settings {
    /// As it was written, not yet looked at.
    pub(crate) endpoint: Option<Sourced<String>>,
    /// The region to sign for, where the endpoint's own is not to be taken.
    pub(crate) region: Option<Sourced<String>>,
    /// How the bucket is addressed.
    pub(crate) addressing: Option<Sourced<Addressing>>,
    /// The version of the signature.
    pub(crate) sign_version: Option<Sourced<SignatureVersion>>,
    /// The Cloud Box to sign for.
    pub(crate) cloud_box_id: Option<Sourced<String>>,
    /// The profile whose settings apply.
    pub(crate) profile: Option<Profile>,
    /// What requests are signed with.
    pub(crate) credentials: Arc<dyn CredentialsProvider>,
    /// What the user should know although nothing is wrong with it.
    pub(crate) warnings: Vec<String>,
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sourced<T> {
    /// The value.
    pub(crate) value: T,
    /// A flag, a variable, or a profile.
    pub(crate) origin: String,
}

impl Settings {
    /// Joins what the user typed with variables and the profile. A profile may have settings for
    /// `bucket` alone.
    ///
    /// # Errors
    ///
    /// Those of [`identity::credentials`], and `Config` for a variable that is not UTF-8.
    pub(crate) fn new(
        low: &IdentityArgs,
        environment: &Environment,
        bucket: Option<&str>,
    ) -> Result<Self, Error> {
        let Credentialed { provider, profile, warnings } =
            identity::credentials(low, environment, bucket)?;
        let nothing = ProfileSettings::default();
        let written = profile.as_ref().map_or(&nothing, Profile::settings);
        let place = profile.as_ref().map(place).unwrap_or_default();
        let of_flag = |value: &Option<String>, flag: &str| {
            value.as_ref().map(|value| Sourced { value: value.clone(), origin: flag.to_owned() })
        };
        let region = match of_flag(&low.region, "--region") {
            Some(region) => Some(region),
            None => variable("OSS_REGION", environment)?,
        };
        let endpoint = match of_flag(&low.endpoint, "-e/--endpoint") {
            Some(endpoint) => Some(endpoint),
            None => variable("OSS_ENDPOINT", environment)?,
        };
        // What the profile says of the region goes with its own endpoint, and where another one
        // names none: else a request to one region would be signed for another.
        let own_endpoint = endpoint.is_none();
        let endpoint = endpoint.or_else(|| sourced(written.endpoint.clone(), &place));
        let names_region = |endpoint: &Sourced<String>| {
            Endpoint::parse(&endpoint.value).is_ok_and(|endpoint| endpoint.region().is_some())
        };
        let fits = own_endpoint || !endpoint.as_ref().is_some_and(names_region);
        let of_profile = || sourced(written.region.clone().filter(|_| fits), &place);
        let region = region.or_else(of_profile);
        let endpoint = endpoint.or_else(|| region.as_ref().and_then(public_endpoint));
        let addressing = low.addressing_style.map(addressing);
        let version = low.sign_version.map(sign_version);
        let cloud_box_id = of_flag(&low.profile.cloud_box_id, "--cloud-box-id");
        Ok(Self {
            endpoint,
            region,
            addressing: sourced(addressing, "--addressing-style")
                .or_else(|| sourced(written.addressing, &place)),
            sign_version: sourced(version, "--sign-version")
                .or_else(|| sourced(written.sign_version, &place)),
            cloud_box_id: cloud_box_id.or_else(|| sourced(written.cloud_box_id.clone(), &place)),
            profile,
            credentials: provider,
            warnings,
        })
    }
}

fn sourced<T>(value: Option<T>, origin: &str) -> Option<Sourced<T>> {
    value.map(|value| Sourced { value, origin: origin.to_owned() })
}

fn variable(name: &str, environment: &Environment) -> Result<Option<Sourced<String>>, Error> {
    let value = environment.get(name).map(OsString::into_string).transpose();
    let value =
        value.map_err(|_| usage(format!("the environment variable {name} is not UTF-8")))?;
    Ok(sourced(value, name))
}

fn place(profile: &Profile) -> String {
    format!("profile {} in {}", profile.name(), profile.path().display())
}

/// The public endpoint of a region, as ossutil 2 takes it where none is named.
fn public_endpoint(region: &Sourced<String>) -> Option<Sourced<String>> {
    let is_region = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let name = &region.value;
    (!name.is_empty() && name.bytes().all(is_region)).then(|| Sourced {
        value: format!("https://oss-{name}.aliyuncs.com"),
        origin: format!("the region, from {}", region.origin),
    })
}

const fn addressing(style: AddressingStyle) -> Addressing {
    match style {
        AddressingStyle::Virtual => Addressing::Virtual,
        AddressingStyle::Path => Addressing::Path,
        AddressingStyle::Cname => Addressing::Cname,
    }
}

const fn sign_version(version: SignVersion) -> SignatureVersion {
    match version {
        SignVersion::V4 => SignatureVersion::V4,
        SignVersion::V1 => SignatureVersion::V1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::low::{Command, LowArgs};
    use std::fs;

    const NO_ECS: (&str, &str) = ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true");
    const FILE: &str = "[default]\nendpoint = oss-cn-beijing.aliyuncs.com\nregion = cn-beijing-x\n\
                        addressing-style = path\nsign-version = v1\ncloud-box-id = cb-1\n\
                        access_key_id = ak\naccess_key_secret = canary\n\
                        [profile where]\nregion = cn-shanghai\n";

    fn settings(flags: &[&str], variables: &'static [(&'static str, &'static str)]) -> Settings {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), FILE).unwrap();
        let fixed = ["ossget", "get", "oss://bkt/k", "f", "-c", file.path().to_str().unwrap()];
        let arguments = fixed.iter().chain(flags).map(OsString::from);
        let Command::Get(low) = LowArgs::parse_arguments(arguments).unwrap().command else {
            panic!("not `get`");
        };
        let settings = Settings::new(&low.identity, &Environment::of(variables), None).unwrap();
        assert!(!format!("{settings:?}").contains("canary"));
        settings
    }

    fn text(sourced: &Option<Sourced<String>>) -> (&str, &str) {
        let sourced = sourced.as_ref().expect("a value");
        (&sourced.value, sourced.origin.split(' ').next().unwrap())
    }

    /// Faults: 71.
    #[test]
    fn a_flag_wins_over_a_variable_and_that_over_the_profile() {
        let profile = settings(&[], &[NO_ECS]);
        assert_eq!(text(&profile.endpoint), ("oss-cn-beijing.aliyuncs.com", "profile"));
        assert_eq!(text(&profile.region), ("cn-beijing-x", "profile"));
        assert_eq!(text(&profile.cloud_box_id), ("cb-1", "profile"));
        assert_eq!(profile.addressing.unwrap().value, Addressing::Path);
        assert_eq!(profile.sign_version.unwrap().value, SignatureVersion::V1);

        let variables = &[NO_ECS, ("OSS_ENDPOINT", "https://e.example"), ("OSS_REGION", "r-e")];
        let environment = settings(&[], variables);
        assert_eq!(text(&environment.endpoint), ("https://e.example", "OSS_ENDPOINT"));
        assert_eq!(text(&environment.region), ("r-e", "OSS_REGION"));

        let flags = ["-e", "f.example", "--region", "r-f", "--cloud-box-id", "cb-2"];
        let more = ["--addressing-style", "cname", "--sign-version", "v4"];
        let flags = settings(&[&flags[..], &more].concat(), variables);
        assert_eq!(text(&flags.endpoint), ("f.example", "-e/--endpoint"));
        assert_eq!(text(&flags.region), ("r-f", "--region"));
        assert_eq!(text(&flags.cloud_box_id), ("cb-2", "--cloud-box-id"));
        assert_eq!(flags.addressing.unwrap().value, Addressing::Cname);
        assert_eq!(flags.sign_version.unwrap().value, SignatureVersion::V4);
    }

    #[test]
    fn the_region_of_a_profile_is_not_signed_for_at_an_endpoint_of_another_region() {
        let elsewhere = settings(&["-e", "oss-cn-hangzhou.aliyuncs.com"], &[NO_ECS]);
        assert_eq!(elsewhere.region, None);
        let unnamed = settings(&["-e", "cdn.example.com"], &[NO_ECS]);
        assert_eq!(text(&unnamed.region), ("cn-beijing-x", "profile"));
    }

    #[test]
    fn a_region_alone_leads_to_its_public_endpoint() {
        let of_profile = settings(&["--profile", "where"], &[NO_ECS]);
        assert_eq!(text(&of_profile.endpoint), ("https://oss-cn-shanghai.aliyuncs.com", "the"));
        assert_eq!(text(&of_profile.region), ("cn-shanghai", "profile"));
        let odd = settings(&["--profile", "where", "--region", "x/../y"], &[NO_ECS]);
        assert_eq!(odd.endpoint, None);
    }
}
