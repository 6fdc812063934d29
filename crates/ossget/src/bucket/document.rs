//! The XML documents of answers and requests.

use crate::ErrorKind;
use crate::budget::Budget;
use crate::source::{SourceError, next_chunk};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use md5::{Digest as _, Md5};
use ossget_core::Failure;
use ossget_transport::Response;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Reads the document that an answer holds.
pub(super) async fn read<T: DeserializeOwned>(
    response: Response,
    silence: Duration,
) -> Result<T, SourceError> {
    let mut body = Budget::default().meter(response.body);
    let mut bytes = Vec::new();
    while let Some(chunk) = next_chunk(&mut body, silence).await? {
        if bytes.len() + chunk.len() > MOST {
            return Err(SourceError::protocol("the answer's document is too long"));
        }
        bytes.extend_from_slice(&chunk);
    }
    parse(&bytes)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SourceError> {
    let unreadable = || SourceError::protocol("the answer's document cannot be read");
    let text = std::str::from_utf8(bytes).map_err(|error| unreadable().with_source(error))?;
    // What it declares could be anything, and expand to any length.
    if text.contains("<!DOCTYPE") {
        return Err(unreadable());
    }
    quick_xml::de::from_str(text).map_err(|error| unreadable().with_source(error))
}

/// What a name or a key in a document means that was asked for with `encoding-type=url`.
pub(super) fn decoded(text: &str) -> Result<String, SourceError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|error| {
        SourceError::new(Failure::Fatal, "a key of the listing is not UTF-8")
            .with_kind(ErrorKind::Protocol)
            .with_source(error)
    })
}

/// `Content-MD5`, by which the service knows that the document of a request came over whole.
pub(super) fn digest(document: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&STANDARD.encode(Md5::digest(document))) {
        headers.insert(CONTENT_MD5, value);
    }
    headers
}

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
/// Bytes of a document at most: a page of 1,000 keys of 1,023 bytes, each of them encoded as three,
/// has 3 MiB and what is said of them.
const MOST: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Answer {
        #[serde(rename = "Key")]
        key: String,
    }

    #[test]
    fn a_document_declares_nothing() {
        let read = |text: &str| parse::<Answer>(text.as_bytes());
        assert_eq!(read("<A><Key>a&amp;b</Key></A>").unwrap().key, "a&b");
        for bad in [
            "",
            "<A><Key>a</A>",
            "<A/>",
            "<!DOCTYPE A [<!ENTITY x \"y\">]><A><Key>&x;</Key></A>",
            "<A><Key>&x;</Key></A>",
        ] {
            assert_eq!(read(bad).unwrap_err().failure(), Failure::Protocol, "{bad}");
        }
        assert!(parse::<Answer>(b"<A><Key>\xff</Key></A>").is_err());
    }

    #[test]
    fn keys_are_decoded_and_must_be_text() {
        assert_eq!(decoded("a%20b%2Bc+d%E4%B8%AD").unwrap(), "a b+c+d中");
        assert_eq!(decoded("%ff").unwrap_err().kind(), ErrorKind::Protocol);
    }

    #[test]
    fn the_digest_is_that_of_rfc_1864() {
        // The MD5 of nothing.
        assert_eq!(digest(b"")[CONTENT_MD5], "1B2M2Y8AsgTpgAmY7PhCfg==");
    }
}
