//! The access key pair and the STS token.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::SignError;

/// An access key pair and, for temporary credentials, the security token that belongs to it.
///
/// The secret and the token are wiped from memory on drop. `Debug` shows neither of them, and of
/// the access key id only the first four characters.
#[derive(Clone)]
pub struct Credentials {
    access_key_id: String,
    secret: SecretString,
    token: Option<SecretString>,
}

impl Credentials {
    /// Makes long-lived credentials of an access key pair.
    ///
    /// # Errors
    ///
    /// [`SignError::EmptyCredential`] if either half is empty. [`SignError::MalformedCredential`] if
    /// the id holds anything but visible ASCII, or one of `/ , ; :`, which delimit it in the
    /// `Authorization` header, or if the secret holds a control character.
    pub fn new(
        access_key_id: impl Into<String>,
        access_key_secret: impl Into<String>,
    ) -> Result<Self, SignError> {
        // Wrapped before anything can fail, so that a refused secret is wiped too.
        let secret = SecretString::from(access_key_secret.into());
        let access_key_id = access_key_id.into();
        if access_key_id.is_empty() {
            return Err(SignError::EmptyCredential { field: ID });
        }
        if secret.expose_secret().is_empty() {
            return Err(SignError::EmptyCredential { field: SECRET });
        }
        if !access_key_id.chars().all(|c| c.is_ascii_graphic() && !"/,;:".contains(c)) {
            return Err(SignError::MalformedCredential { field: ID });
        }
        if secret.expose_secret().chars().any(char::is_control) {
            return Err(SignError::MalformedCredential { field: SECRET });
        }
        Ok(Self { access_key_id, secret, token: None })
    }

    /// Sets the STS security token that was issued together with the pair; an empty one means none.
    ///
    /// # Errors
    ///
    /// [`SignError::MalformedCredential`] if the token holds anything but visible ASCII: it becomes
    /// the value of a header.
    pub fn security_token(mut self, token: impl Into<String>) -> Result<Self, SignError> {
        let token = SecretString::from(token.into());
        if !token.expose_secret().chars().all(|c| c.is_ascii_graphic()) {
            return Err(SignError::MalformedCredential { field: TOKEN });
        }
        self.token = Some(token).filter(|token| !token.expose_secret().is_empty());
        Ok(self)
    }

    /// Returns the access key id in full; it is not secret, but should not be printed either.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// Returns the access key secret.
    #[must_use]
    pub const fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// Whether the other credentials are the same: id, secret and token. Not in constant time.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        let secrets = [self, other].map(|it| {
            (it.secret.expose_secret(), it.token.as_ref().map(ExposeSecret::expose_secret))
        });
        self.access_key_id == other.access_key_id && secrets[0] == secrets[1]
    }

    /// Returns the security token, if the credentials are temporary.
    #[must_use]
    pub const fn token(&self) -> Option<&SecretString> {
        self.token.as_ref()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &mask(&self.access_key_id))
            .field("secret", &format_args!("[redacted]"))
            .field("token", &self.token.as_ref().map(|_| format_args!("[redacted]")))
            .finish()
    }
}

/// Keeps the first four characters, which tell the kind of key (`LTAI`, `STS.`), or none of an id
/// so short that four would be most of it.
fn mask(access_key_id: &str) -> String {
    let shown = if access_key_id.len() >= MASKABLE { &access_key_id[..4] } else { "" };
    format!("{shown}…")
}

const ID: &str = "access key id";
const SECRET: &str = "access key secret";
const TOKEN: &str = "security token";
const MASKABLE: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_an_empty_half_of_the_pair() {
        let id = Credentials::new("", "sk").unwrap_err();
        assert_eq!(id, SignError::EmptyCredential { field: ID });
        let secret = Credentials::new("ak", "").unwrap_err();
        assert_eq!(secret, SignError::EmptyCredential { field: SECRET });
    }

    /// Faults: 140.
    #[test]
    fn refuses_an_id_that_would_change_the_authorization_header() {
        for id in
            ["ak\r\nx: y", "ak\n", "a\0k", "a k", "a/k", "a,k", "a:k", "a;k", "ключ", "ak\u{7f}"]
        {
            let error = Credentials::new(id, "sk").unwrap_err();
            assert_eq!(error, SignError::MalformedCredential { field: ID }, "{id:?}");
        }
    }

    #[test]
    fn refuses_control_characters_in_the_secret() {
        for secret in ["sk\n", "\tsk", "s\0k", "s\u{85}k"] {
            let error = Credentials::new("ak", secret).unwrap_err();
            assert_eq!(error, SignError::MalformedCredential { field: SECRET }, "{secret:?}");
        }
    }

    /// Faults: 140.
    #[test]
    fn refuses_a_token_that_is_not_visible_ascii() {
        for token in ["t\r\nhost: x", "t\n", " t", "t\0", "жетон"] {
            let error = Credentials::new("ak", "sk").unwrap().security_token(token).unwrap_err();
            assert_eq!(error, SignError::MalformedCredential { field: TOKEN }, "{token:?}");
        }
    }

    #[test]
    fn takes_an_empty_token_for_none_and_replaces_an_earlier_one() {
        let pair = Credentials::new("ak", "sk").unwrap();
        assert!(pair.token().is_none());
        let temporary = pair.security_token("token").unwrap();
        assert_eq!(temporary.token().unwrap().expose_secret(), "token");
        assert!(temporary.security_token("").unwrap().token().is_none());
    }

    #[test]
    fn the_same_are_those_of_which_every_half_is_the_same() {
        let pair = |id, secret| Credentials::new(id, secret).unwrap();
        let with = |token| pair("ak", "sk").security_token(token).unwrap();
        assert!(pair("ak", "sk").is_same_as(&with("")));
        assert!(with("t").is_same_as(&with("t")));
        for other in [pair("ax", "sk"), pair("ak", "sx"), with("t")] {
            assert!(!pair("ak", "sk").is_same_as(&other));
        }
        assert!(!with("t").is_same_as(&with("u")));
    }

    /// Faults: 134.
    #[test]
    fn shows_four_characters_of_a_real_id_and_nothing_else() {
        let credentials = Credentials::new("LTAI5tFakeFakeFakeFake", "canary-secret")
            .unwrap()
            .security_token("canary-token")
            .unwrap();
        assert_eq!(
            format!("{credentials:?}"),
            "Credentials { access_key_id: \"LTAI…\", secret: [redacted], token: Some([redacted]) }"
        );
        let short = Credentials::new("LTAI5tFake", "sk").unwrap();
        assert!(format!("{short:#?}").contains("access_key_id: \"…\""));
    }
}
