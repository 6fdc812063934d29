//! The `config.json` of Alibaba Cloud's command line.

use super::{
    Halves, Pair, Profile, ProfileSettings, Recipe, RoleKeys, Secrecy, Wanted, missing, place,
    unknown_mode,
};
use crate::credentials::sts::Network;
use crate::credentials::{
    AssumeRole, CredentialsProcess, CredentialsSource, CredentialsUri, EcsRole, OidcRole,
    Surroundings, issued,
};
use crate::error::printable;
use crate::{Error, ErrorKind};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Looks for a profile. Without a name: the one that `ALIBABA_CLOUD_PROFILE` names, or else
/// `current`.
pub(super) fn find(text: &str, path: &Path, wanted: Wanted<'_>) -> Result<Option<Profile>, Error> {
    let config = issued::parse(text.as_bytes(), &path.display().to_string(), ErrorKind::Config)?;
    let variable = wanted.around.variable("ALIBABA_CLOUD_PROFILE")?;
    let name = match (wanted.name, &variable) {
        (Some(name), _) => name,
        (None, Some(name)) => name,
        (None, None) => config.get("current").and_then(Value::as_str).unwrap_or("default"),
    };
    let file = ConfigFile { config: &config, path, around: wanted.around };
    let Some(entry) = file.entry(name) else {
        return Ok(None);
    };
    let settings = ProfileSettings {
        region: text_of(entry, "region_id").map(str::to_owned),
        ..ProfileSettings::default()
    };
    let recipe = file.recipe(name, entry, &mut Vec::new())?;
    Ok(Some(Profile { name: name.to_owned(), path: path.to_owned(), settings, recipe }))
}

struct ConfigFile<'a> {
    config: &'a Value,
    path: &'a Path,
    around: &'a Surroundings,
}

impl ConfigFile<'_> {
    fn entry(&self, name: &str) -> Option<&Value> {
        let profiles = self.config.get("profiles")?.as_array()?;
        profiles.iter().find(|profile| text_of(profile, "name") == Some(name))
    }

    /// How a profile gets its credentials. `seen` are the profiles that lead here.
    fn recipe(&self, name: &str, entry: &Value, seen: &mut Vec<String>) -> Result<Recipe, Error> {
        let place = place(self.path, name);
        let around = || self.around.clone();
        let required = |key: &str| text_of(entry, key).ok_or_else(|| missing(&place, key));
        let pair = || Pair::new(&halves(entry), &place);
        let ecs = || match text_of(entry, "ram_role_name") {
            Some(role) => EcsRole::new(around()).role(role),
            None => EcsRole::new(around()),
        };
        let role = || {
            let seconds = entry.get("expired_seconds").filter(|it| it.as_u64() != Some(0));
            let seconds = seconds.map(|seconds| match seconds {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            role_keys(entry, seconds.as_deref().filter(|it| *it != "null")).role(&place)
        };
        let of = |source: Arc<dyn CredentialsSource>| Recipe::Source(source, Secrecy::HoldsNone);
        let mode = text_of(entry, "mode").unwrap_or("AK");
        Ok(match mode.to_ascii_lowercase().as_str() {
            "ak" => Recipe::Written(Pair::new(&Halves { token: None, ..halves(entry) }, &place)?),
            "ststoken" => {
                required("sts_token")?;
                Recipe::Written(pair()?.until(expiration(entry)))
            }
            "ecsramrole" => of(Arc::new(ecs())),
            "ramrolearn" => {
                let source = AssumeRole::new(Arc::new(pair()?), role()?, around());
                Recipe::Source(Arc::new(source), Secrecy::HoldsSecret)
            }
            "ramrolearnwithrolename" | "ramrolearnwithecs" => {
                of(Arc::new(AssumeRole::new(Arc::new(ecs()), role()?, around())))
            }
            "chainableramrolearn" => {
                let (base, secrecy) = self.base(name, required("source_profile")?, seen)?;
                let source = AssumeRole::new(base, role()?, around());
                Recipe::Source(Arc::new(source), secrecy)
            }
            "oidc" => {
                let token = self.around.expanded(required("oidc_token_file")?);
                let provider = required("oidc_provider_arn")?;
                of(Arc::new(OidcRole::new(role()?, provider, token, around())))
            }
            "external" => {
                let command = required("process_command")?;
                of(Arc::new(CredentialsProcess::words(command)?))
            }
            "credentialsuri" => {
                of(Arc::new(CredentialsUri::new(required("credentials_uri")?, around())?))
            }
            _ => return Err(unknown_mode(&place, mode, hint(mode))),
        })
    }

    /// The credentials with which a role is assumed.
    fn base(
        &self,
        name: &str,
        source: &str,
        seen: &mut Vec<String>,
    ) -> Result<(Arc<dyn CredentialsSource>, Secrecy), Error> {
        let wrong = |what: &str| {
            let message = format!(
                "{} has the source profile `{}`, which {what}",
                place(self.path, name),
                printable(source, super::MAX_SHOWN)
            );
            Error::new(ErrorKind::Config, message).with_hint("correct its source_profile")
        };
        seen.push(name.to_owned());
        if seen.iter().any(|seen| seen == source) {
            return Err(wrong("leads back to itself"));
        }
        if seen.len() > super::DEEPEST {
            return Err(wrong("is one too many in a row"));
        }
        let entry = self.entry(source).ok_or_else(|| wrong("is not there"))?;
        match self.recipe(source, entry, seen)? {
            Recipe::Written(pair) => Ok((Arc::new(pair), Secrecy::HoldsSecret)),
            Recipe::Source(base, secrecy) => Ok((base, secrecy)),
            Recipe::None | Recipe::Anonymous => Err(wrong("has no credentials")),
        }
    }
}

fn text_of<'a>(entry: &'a Value, key: &str) -> Option<&'a str> {
    entry.get(key)?.as_str().filter(|text| !text.is_empty())
}

fn halves(entry: &Value) -> Halves<'_> {
    Halves {
        id: text_of(entry, "access_key_id"),
        secret: text_of(entry, "access_key_secret"),
        token: text_of(entry, "sts_token"),
    }
}

fn role_keys<'a>(entry: &'a Value, seconds: Option<&'a str>) -> RoleKeys<'a> {
    let is_vpc = entry.get("enable_vpc").and_then(Value::as_bool).unwrap_or_default();
    RoleKeys {
        arn: text_of(entry, "ram_role_arn"),
        // The libraries for Go and for Python read different ones.
        session_name: text_of(entry, "ram_session_name")
            .or_else(|| text_of(entry, "role_session_name")),
        seconds,
        policy: text_of(entry, "policy"),
        external_id: text_of(entry, "external_id"),
        sts_endpoint: text_of(entry, "sts_endpoint"),
        sts_region: text_of(entry, "sts_region"),
        network: if is_vpc { Network::Vpc } else { Network::Public },
    }
}

/// When the token ends, in seconds since 1970; 0 for nobody knows.
fn expiration(entry: &Value) -> Option<SystemTime> {
    let seconds = entry.get("sts_expiration")?.as_u64().filter(|seconds| *seconds > 0)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn hint(mode: &str) -> &'static str {
    match mode.to_ascii_lowercase().as_str() {
        "cloudsso" | "oauth" => {
            "signing in takes a browser: let `aliyun` do it and hand its token on, in environment \
             variables or a profile of mode External"
        }
        _ => "choose AK, StsToken, RamRoleArn, EcsRamRole, OIDC, ChainableRamRoleArn or External",
    }
}
