//! Settings of clouds in the environment.

use ossget::{Error, ErrorKind};
use url::Url;

/// The variables of a cloud with their names in lower case. An empty one counts as none.
///
/// # Errors
///
/// [`Config`](ErrorKind::Config) for a value that object_store would take and then fail with, or tell.
pub(super) fn variables(prefix: &str) -> Result<Vec<(String, String)>, Error> {
    let all = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.to_str().filter(|name| name.starts_with(prefix))?;
        Some((name.to_owned(), value.to_str()?.to_owned()))
    });
    let mut settings = Vec::new();
    for (name, value) in all.filter(|(_, value)| !value.is_empty()) {
        check(&name, &value)?;
        settings.push((name.to_ascii_lowercase(), value));
    }
    Ok(settings)
}

fn check(name: &str, value: &str) -> Result<(), Error> {
    // Not shown: it may be a secret.
    let refused = |why: &str, hint: &'static str| {
        Err(Error::new(ErrorKind::Config, format!("{name} {why}")).with_hint(hint))
    };
    if value.contains(char::is_control) {
        return refused("holds a line break or another control character", "set it anew");
    }
    if !name.contains("ENDPOINT") {
        return Ok(());
    }
    match Url::parse(value) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") || url.host().is_none() => {
            refused("is no http:// or https:// URL", "write it like https://host:port")
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            refused("holds a user or a password", "set credentials in variables of their own")
        }
        Ok(_) => Ok(()),
        Err(_) => refused("is no URL", "write it like https://host:port"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused_by_name_and_not_shown() {
        for (name, value, is_fine) in [
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000", true),
            ("AWS_ENDPOINT", "https://h/path", true),
            ("AWS_ENDPOINT_URL", "canary", false),
            ("AWS_ENDPOINT_URL", "ftp://canary", false),
            ("AWS_ENDPOINT_URL", "http://user:canary@h", false),
            ("AZURE_STORAGE_ENDPOINT", "http://canary@h", false),
            ("AWS_SECRET_ACCESS_KEY", "a/b+c=", true),
            ("AWS_SECRET_ACCESS_KEY", "canary\n", false),
        ] {
            let checked = check(name, value);
            assert_eq!(checked.is_ok(), is_fine, "{name} {value}");
            if let Err(error) = checked {
                let told = format!("{error} {error:?} {}", error.hint().unwrap_or_default());
                assert!(told.contains(name) && !told.contains("canary"), "{told}");
            }
        }
    }
}
