//! The signature of Alibaba Cloud's RPC services, of which STS is one: version 1.0, HMAC-SHA1.
//!
//! OSS itself is not one of them. A role is assumed there, and what STS answers signs requests to
//! OSS. As everywhere in this crate the time and the nonce come in as values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use secrecy::{ExposeSecret, SecretString};

use crate::v1::hmac_sha1;
use crate::{Credentials, encode};

/// Signs a request whose parameters are these, and returns what to add to its query: the key's id,
/// the security token of temporary credentials, how it is signed, and the signature.
///
/// The caller puts `Timestamp` and `SignatureNonce` into the query.
#[must_use]
pub fn sign(
    method: &Method,
    query: &[(String, String)],
    form: &[(String, String)],
    credentials: &Credentials,
) -> Vec<(String, String)> {
    let mut added = Vec::new();
    let mut add = |name: &str, value: &str| added.push((name.to_owned(), value.to_owned()));
    add("AccessKeyId", credentials.access_key_id());
    if let Some(token) = credentials.token() {
        add("SecurityToken", token.expose_secret());
    }
    add("SignatureMethod", "HMAC-SHA1");
    add("SignatureVersion", "1.0");
    let text = string_to_sign(method, &[query, form, &added].concat());
    added.push(("Signature".to_owned(), signature(credentials.secret(), &text)));
    added
}

/// Builds the text whose HMAC is the signature: the method, the encoded path `/`, and the encoded
/// parameters of query and form together, sorted by name.
///
/// A parameter without a value is signed as `name=`, unlike in OSS's own signatures. `Signature`
/// itself must not be among the parameters.
#[must_use]
pub fn string_to_sign(method: &Method, parameters: &[(String, String)]) -> String {
    let mut sorted: Vec<&(String, String)> = parameters.iter().collect();
    sorted.sort_unstable();
    let pairs: Vec<String> =
        sorted.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    format!("{method}&%2F&{}", encode(&pairs.join("&")))
}

/// Computes the signature: base64 of 20 bytes, keyed with the secret and a `&` behind it.
#[must_use]
pub fn signature(secret: &SecretString, string_to_sign: &str) -> String {
    let key = SecretString::from(format!("{}&", secret.expose_secret()));
    STANDARD.encode(hmac_sha1(key.expose_secret().as_bytes(), string_to_sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// The example of Alibaba Cloud's documentation, "RPC request signature".
    #[test]
    fn the_documented_example_is_signed_as_documented() {
        let parameters = parameters(&[
            ("Version", "2014-05-26"),
            ("Timestamp", "2016-02-23T12:46:24Z"),
            ("SignatureVersion", "1.0"),
            ("SignatureNonce", "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("Format", "XML"),
            ("Action", "DescribeRegions"),
            ("AccessKeyId", "testid"),
        ]);
        let text = string_to_sign(&Method::GET, &parameters);
        assert_eq!(
            text,
            "GET&%2F&AccessKeyId%3Dtestid%26Action%3DDescribeRegions%26Format%3DXML\
             %26SignatureMethod%3DHMAC-SHA1%26SignatureNonce%3D3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf\
             %26SignatureVersion%3D1.0%26Timestamp%3D2016-02-23T12%253A46%253A24Z\
             %26Version%3D2014-05-26"
        );
        let secret = SecretString::from("testsecret".to_owned());
        assert_eq!(signature(&secret, &text), "OLeaidS1JvxuMvnyHOwuJ+uX5qY=");
    }

    #[test]
    fn what_is_not_unreserved_is_encoded_twice() {
        let text = string_to_sign(&Method::POST, &parameters(&[("b", "~ *+/"), ("a", "")]));
        assert_eq!(text, "POST&%2F&a%3D%26b%3D~%2520%252A%252B%252F");
    }

    #[test]
    fn what_is_added_is_signed_and_the_token_with_it() {
        let query = parameters(&[("Action", "AssumeRole"), ("SignatureNonce", "n")]);
        let form = parameters(&[("RoleArn", "acs:ram::1:role/r")]);
        let pair = Credentials::new("testid", "testsecret").unwrap();
        for credentials in [pair.clone(), pair.security_token("tok/en=").unwrap()] {
            let mut added = sign(&Method::POST, &query, &form, &credentials);
            let (name, found) = added.pop().unwrap();
            let token = added.iter().any(|(name, value)| {
                (name.as_str(), value.as_str()) == ("SecurityToken", "tok/en=")
            });
            assert_eq!(token, credentials.token().is_some());
            let text = string_to_sign(&Method::POST, &[&form[..], &query, &added].concat());
            assert_eq!(
                (name.as_str(), found),
                ("Signature", signature(credentials.secret(), &text))
            );
        }
    }

    #[test]
    fn the_order_given_does_not_matter() {
        let (one, other) = ([("a", "1"), ("b", "2")], [("b", "2"), ("a", "1")]);
        let text = |pairs: &[_]| string_to_sign(&Method::POST, &parameters(pairs));
        assert_eq!(text(&one), text(&other));
    }
}
