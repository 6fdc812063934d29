//! ossutil's configuration file, the layouts of 1.x and 2.x.

use super::{
    DEEPEST, Halves, MAX_SHOWN, Pair, Profile, ProfileSettings, Recipe, RoleKeys, Secrecy, Wanted,
    missing, place, unknown_mode,
};
use crate::credentials::ini::{Ini, Section};
use crate::credentials::sts::Network;
use crate::credentials::{
    AssumeRole, CredentialsProcess, CredentialsSource, CredentialsUri, EcsRole, OidcRole,
    Surroundings,
};
use crate::error::printable;
use crate::{Addressing, Error, ErrorKind, SignatureVersion};
use std::path::Path;
use std::sync::Arc;

/// Looks for a profile.
pub(super) fn find(ini: &Ini, path: &Path, wanted: Wanted<'_>) -> Result<Option<Profile>, Error> {
    let name = wanted.name.unwrap_or(DEFAULT);
    let Some(section) = complete(ini, path, name)? else {
        return Ok(None);
    };
    let place = place(path, name);
    let mut settings = settings(&section, &place)?;
    if let Some(bucket) = wanted.bucket {
        of_bucket(ini, bucket, &mut settings)?;
    }
    let recipe = recipe(ini, &section, &place, wanted.around)?;
    Ok(Some(Profile { name: name.to_owned(), path: path.to_owned(), settings, recipe }))
}

/// The section of a profile with all that it inherits.
fn complete(ini: &Ini, path: &Path, name: &str) -> Result<Option<Section>, Error> {
    let Some(mut section) = own(ini, name) else {
        return Ok(None);
    };
    let mut seen = vec![name.to_lowercase()];
    let mut next = source_profile(&section);
    while let Some(source) = next {
        let place = place(path, name);
        let shown = printable(source.clone(), MAX_SHOWN);
        if seen.contains(&source.to_lowercase()) {
            let message = format!("{place} inherits from `{shown}`, which inherits from itself");
            return Err(Error::new(ErrorKind::Config, message)
                .with_hint("break the circle of source_profile"));
        }
        if seen.len() > DEEPEST {
            let message = format!("{place} inherits from too many others in a row");
            return Err(Error::new(ErrorKind::Config, message).with_hint("shorten the row"));
        }
        let inherited = own(ini, &source).ok_or_else(|| {
            let message = format!("{place} inherits from `{shown}`, which is not there");
            Error::new(ErrorKind::Config, message).with_hint("correct its source_profile")
        })?;
        next = source_profile(&inherited);
        section.inherit(&inherited);
        seen.push(source.to_lowercase());
    }
    Ok(Some(section))
}

fn source_profile(section: &Section) -> Option<String> {
    section.get(&["sourceprofile"]).map(str::to_owned)
}

/// The section of a profile without what it inherits.
fn own(ini: &Ini, name: &str) -> Option<Section> {
    let named = ini.section(&format!("profile {name}")).cloned();
    if !name.eq_ignore_ascii_case(DEFAULT) {
        return named;
    }
    let mut modern = ini.section(DEFAULT).cloned();
    if let (Some(modern), Some(named)) = (&mut modern, &named) {
        modern.inherit(named);
    }
    let (modern, old) = (modern.or(named), ini.section(OLD).cloned());
    match (modern, old) {
        (Some(mut modern), Some(mut old)) => {
            // 1.x has a section of this name, too, for the level of its log and the like. Halves of
            // two pairs must not meet.
            if modern.get(CREDENTIALS).is_some() {
                old.forget(CREDENTIALS);
            }
            modern.inherit(&old);
            Some(modern)
        }
        (modern, old) => modern.or(old),
    }
}

fn settings(section: &Section, place: &str) -> Result<ProfileSettings, Error> {
    let text = |keys: &[&str]| section.get(keys).map(str::to_owned);
    let forced = section.get(&["forcepathstyle"]).is_some_and(|it| it.eq_ignore_ascii_case("true"));
    let addressing = match section.get(&["addressingstyle"]) {
        Some(style) => Some(addressing(style, place)?),
        None => forced.then_some(Addressing::Path),
    };
    let sign_version = match section.get(&["signversion", "signatureversion"]) {
        None => None,
        Some(version) if version.eq_ignore_ascii_case("v4") => Some(SignatureVersion::V4),
        Some(version) if version.eq_ignore_ascii_case("v1") => Some(SignatureVersion::V1),
        Some(other) => return Err(unknown(place, "sign version", other, "v4 or v1")),
    };
    Ok(ProfileSettings {
        endpoint: text(&["endpoint", "host"]),
        region: text(&["region", "regionid"]),
        addressing,
        sign_version,
        cloud_box_id: text(&["cloudboxid"]),
    })
}

/// What is of this bucket only. In 1.x `[Bucket-Cname]` comes before `[Bucket-Endpoint]`.
fn of_bucket(ini: &Ini, bucket: &str, settings: &mut ProfileSettings) -> Result<(), Error> {
    let old = |section: &str| {
        let section = ini.section(section)?;
        section.exactly(bucket).map(str::to_owned)
    };
    if let Some(host) = old("bucket-cname") {
        settings.endpoint = Some(host);
        settings.addressing = Some(Addressing::Cname);
    } else if let Some(host) = old("bucket-endpoint") {
        settings.endpoint = Some(host);
    }
    let Some(section) = ini.section(&format!("buckets {bucket}")) else {
        return Ok(());
    };
    if let Some(endpoint) = section.get(&["endpoint"]) {
        settings.endpoint = Some(endpoint.to_owned());
    }
    if let Some(region) = section.get(&["region"]) {
        settings.region = Some(region.to_owned());
    }
    if let Some(style) = section.get(&["addressingstyle"]) {
        settings.addressing = Some(addressing(style, &format!("section [buckets {bucket}]"))?);
    }
    Ok(())
}

fn addressing(style: &str, place: &str) -> Result<Addressing, Error> {
    match style.to_ascii_lowercase().as_str() {
        "virtual" => Ok(Addressing::Virtual),
        "path" => Ok(Addressing::Path),
        "cname" => Ok(Addressing::Cname),
        _ => Err(unknown(place, "addressing style", style, "virtual, path or cname")),
    }
}

fn unknown(place: &str, what: &str, value: &str, known: &str) -> Error {
    let value = printable(value, MAX_SHOWN);
    Error::new(ErrorKind::Config, format!("{place} has the {what} `{value}`"))
        .with_hint(format!("write {known}"))
}

fn recipe(
    ini: &Ini,
    section: &Section,
    place: &str,
    around: &Surroundings,
) -> Result<Recipe, Error> {
    let pair = || Pair::new(&halves(section), place);
    let ecs = || {
        let role = EcsRole::new(around.clone());
        match section.get(&["ecsrolename", "ramrolename"]) {
            Some(name) => role.role(name),
            None => role,
        }
    };
    let of = |source: Arc<dyn CredentialsSource>| Recipe::Source(source, Secrecy::HoldsNone);
    let mode = section.get(&["mode"]).unwrap_or_default().to_ascii_lowercase();
    let mode = if mode.is_empty() { guessed(section) } else { mode.as_str() };
    Ok(match mode {
        "" => match ak_service(ini) {
            Some(role) => of(Arc::new(EcsRole::new(around.clone()).role(role))),
            None => Recipe::None,
        },
        "anonymous" => Recipe::Anonymous,
        "ak" | "ststoken" => Recipe::Written(pair()?),
        "ecsramrole" => of(Arc::new(ecs())),
        "ramrolearn" => {
            let keys = halves(section);
            let (base, secrecy): (Arc<dyn CredentialsSource>, _) = match keys.id.or(keys.secret) {
                Some(_) => (Arc::new(pair()?), Secrecy::HoldsSecret),
                None => (Arc::new(ecs()), Secrecy::HoldsNone),
            };
            let role = role_keys(section).role(place)?;
            Recipe::Source(Arc::new(AssumeRole::new(base, role, around.clone())), secrecy)
        }
        "oidc" | "oidcrolearn" => {
            let provider = section
                .get(&["oidcproviderarn"])
                .ok_or_else(|| missing(place, "oidc-provider-arn"))?;
            let token = section
                .get(&["oidctokenfile", "oidctokenfilepath"])
                .ok_or_else(|| missing(place, "oidc-token-file"))?;
            let role = role_keys(section).role(place)?;
            let token = around.expanded(token);
            of(Arc::new(OidcRole::new(role, provider, token, around.clone())))
        }
        "process" | "external" | "externalprocess" | "credentialprocess" => {
            let command =
                section.get(PROCESS).ok_or_else(|| missing(place, "credential-process"))?;
            of(Arc::new(CredentialsProcess::shell(command)))
        }
        "uri" | "credentialsuri" | "credentialuri" | "externaluri" => {
            let uri = section.get(URI).ok_or_else(|| missing(place, "credentials-uri"))?;
            of(Arc::new(CredentialsUri::new(uri, around.clone())?))
        }
        other => return Err(unknown_mode(place, other, KNOWN)),
    })
}

/// The mode that is meant where none is named.
fn guessed(section: &Section) -> &'static str {
    let has = |keys: &[&str]| section.get(keys).is_some();
    if has(ROLE_ARN) {
        if has(&["oidcproviderarn"]) { "oidc" } else { "ramrolearn" }
    } else if has(&["accesskeyid", "accessid", "accesskeysecret", "accesskey"]) {
        "ak"
    } else if has(PROCESS) {
        "process"
    } else if has(URI) {
        "uri"
    } else if has(&["ecsrolename"]) {
        "ecsramrole"
    } else {
        ""
    }
}

fn halves(section: &Section) -> Halves<'_> {
    Halves {
        id: section.get(&["accesskeyid", "accessid"]),
        secret: section.get(&["accesskeysecret", "accesskey"]),
        token: section.get(&["ststoken", "securitytoken"]),
    }
}

fn role_keys(section: &Section) -> RoleKeys<'_> {
    RoleKeys {
        arn: section.get(ROLE_ARN),
        session_name: section.get(&["rolesessionname", "ramsessionname"]),
        seconds: section.get(&["tokentimeout", "durationseconds", "expiredseconds"]),
        policy: section.get(&["policy"]),
        external_id: section.get(&["externalid"]),
        sts_endpoint: section.get(&["stsendpoint"]),
        sts_region: section.get(&["stsregion"]),
        network: Network::Public,
    }
}

/// The role that 1.x names by the address of its metadata.
fn ak_service(ini: &Ini) -> Option<String> {
    let url = ini.section("akservice")?.get(&["ecsak"])?;
    let role = url.trim_end_matches('/').rsplit('/').next()?;
    (!role.is_empty()).then(|| role.to_owned())
}

const DEFAULT: &str = "default";
/// The section of 1.x.
const OLD: &str = "credentials";
const ROLE_ARN: &[&str] = &["rolearn", "ramrolearn"];
const PROCESS: &[&str] = &["credentialprocess", "credentialsprocess", "processcommand"];
const URI: &[&str] = &["credentialsuri", "credentialuri"];
const CREDENTIALS: &[&str] = &[
    "mode",
    "accesskeyid",
    "accessid",
    "accesskeysecret",
    "accesskey",
    "ststoken",
    "securitytoken",
    "rolearn",
    "ramrolearn",
    "ecsrolename",
    "credentialprocess",
    "credentialsprocess",
    "processcommand",
    "credentialsuri",
    "credentialuri",
    "sourceprofile",
];
const KNOWN: &str = "choose AK, StsToken, RamRoleArn, EcsRamRole, OIDC, Process, URI or Anonymous";
