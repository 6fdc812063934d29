//! The INI file of Alibaba Cloud's credentials libraries: `type` tells it from ossutil's.

use super::{
    Halves, Pair, Profile, ProfileSettings, Recipe, RoleKeys, Secrecy, Wanted, missing, place,
    unknown_mode,
};
use crate::Error;
use crate::credentials::ini::{Ini, Section};
use crate::credentials::sts::Network;
use crate::credentials::{
    AssumeRole, CredentialsSource, CredentialsUri, EcsRole, OidcRole, Surroundings,
};
use std::path::Path;
use std::sync::Arc;

/// Looks for a profile. Without a name: the one that `ALIBABA_CLOUD_PROFILE` names, or else
/// `default`. A section without `type` is none of this kind.
pub(super) fn find(ini: &Ini, path: &Path, wanted: Wanted<'_>) -> Result<Option<Profile>, Error> {
    let variable = wanted.around.variable("ALIBABA_CLOUD_PROFILE")?;
    let name = wanted.name.or(variable.as_deref()).unwrap_or("default");
    let Some(section) = ini.section(name) else {
        return Ok(None);
    };
    let Some(kind) = section.get(&["type"]) else {
        return Ok(None);
    };
    let recipe = recipe(section, kind, &place(path, name), wanted.around)?;
    let (name, path) = (name.to_owned(), path.to_owned());
    Ok(Some(Profile { name, path, settings: ProfileSettings::default(), recipe }))
}

fn recipe(
    section: &Section,
    kind: &str,
    place: &str,
    around: &Surroundings,
) -> Result<Recipe, Error> {
    let halves = Halves {
        id: section.get(&["accesskeyid"]),
        secret: section.get(&["accesskeysecret"]),
        token: section.get(&["securitytoken"]),
    };
    let pair = || Pair::new(&halves, place);
    let of = |source: Arc<dyn CredentialsSource>| Recipe::Source(source, Secrecy::HoldsNone);
    Ok(match kind.to_ascii_lowercase().as_str() {
        "access_key" => Recipe::Written(Pair::new(&Halves { token: None, ..halves }, place)?),
        "sts" => {
            halves.token.ok_or_else(|| missing(place, "security_token"))?;
            Recipe::Written(pair()?)
        }
        "ram_role_arn" => {
            let role = role_keys(section).role(place)?;
            let source = AssumeRole::new(Arc::new(pair()?), role, around.clone());
            Recipe::Source(Arc::new(source), Secrecy::HoldsSecret)
        }
        "ecs_ram_role" => {
            let role = EcsRole::new(around.clone());
            of(Arc::new(match section.get(&["rolename"]) {
                Some(name) => role.role(name),
                None => role,
            }))
        }
        "oidc_role_arn" => {
            let provider = section
                .get(&["oidcproviderarn"])
                .ok_or_else(|| missing(place, "oidc_provider_arn"))?;
            let token = section
                .get(&["oidctokenfilepath", "oidctokenfile"])
                .ok_or_else(|| missing(place, "oidc_token_file_path"))?;
            let role = role_keys(section).role(place)?;
            let token = around.expanded(token);
            of(Arc::new(OidcRole::new(role, provider, token, around.clone())))
        }
        "credentials_uri" => {
            let uri = section
                .get(&["credentialsuri"])
                .ok_or_else(|| missing(place, "credentials_uri"))?;
            of(Arc::new(CredentialsUri::new(uri, around.clone())?))
        }
        _ => return Err(unknown_mode(place, kind, KNOWN)),
    })
}

fn role_keys(section: &Section) -> RoleKeys<'_> {
    RoleKeys {
        arn: section.get(&["rolearn"]),
        session_name: section.get(&["rolesessionname"]),
        seconds: section.get(&["durationseconds", "rolesessionexpiration"]),
        policy: section.get(&["policy"]),
        external_id: section.get(&["externalid"]),
        sts_endpoint: section.get(&["stsendpoint"]),
        sts_region: section.get(&["stsregion", "stsregionid"]),
        network: Network::Public,
    }
}

const KNOWN: &str = "choose access_key, sts, ram_role_arn, ecs_ram_role or oidc_role_arn";
