//! The last signing key that was derived: it is good for a day.

use crate::v4::{Scope, SigningKey};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Derives keys, and the last one only once: a key depends on the secret, the UTC day, the region
/// and the product, so that nearly all requests of a day have the same.
#[derive(Default)]
pub(crate) struct KeyCache(Mutex<Option<Cached>>);

struct Cached {
    secret: SecretString,
    scope: String,
    key: SigningKey,
}

impl KeyCache {
    pub(crate) fn signature(
        &self,
        secret: &SecretString,
        scope: &Scope<'_>,
        string_to_sign: &str,
    ) -> String {
        let name = scope.to_string();
        // What a panic may have left is a whole key or none.
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = &*cached
            && cached.is_of(secret, &name)
        {
            return cached.key.sign(string_to_sign);
        }
        let key = SigningKey::derive(secret, scope);
        let signature = key.sign(string_to_sign);
        *cached = Some(Cached { secret: secret.clone(), scope: name, key });
        signature
    }
}

impl Cached {
    fn is_of(&self, secret: &SecretString, scope: &str) -> bool {
        self.scope == scope && self.secret.expose_secret() == secret.expose_secret()
    }
}

impl Clone for KeyCache {
    /// An empty one: it costs one derivation.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for KeyCache {
    /// What is cached changes no signature.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for KeyCache {}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyCache")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v4;

    #[test]
    fn whatever_was_signed_before_the_signature_is_that_of_a_fresh_key() {
        let cache = KeyCache::default();
        let (one, other) = (SecretString::from("canary-1"), SecretString::from("canary-2"));
        let scope = |date, region, product| Scope { date, region, product };
        let first = scope("20250309", "cn-hangzhou", "oss");
        let scopes = [
            first,
            scope("20250310", "cn-hangzhou", "oss"),
            scope("20250309", "cn-beijing", "oss"),
            scope("20250309", "cn-hangzhou", "oss-cloudbox"),
            first,
            first,
        ];
        for scope in &scopes {
            for secret in [&one, &other, &one, &one] {
                assert_eq!(
                    cache.signature(secret, scope, "text"),
                    v4::signature(secret, scope, "text")
                );
            }
        }
        assert!(!format!("{cache:?}").contains("canary"));
    }
}
