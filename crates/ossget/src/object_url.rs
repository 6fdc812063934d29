//! The URL of an object, public or presigned.

use crate::endpoint::Endpoint;
use crate::{Error, ErrorKind, Object};
use http::Uri;
use http::uri::PathAndQuery;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use percent_encoding::percent_decode_str;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The URL of an object, public or presigned: whoever has it may read the object.
///
/// Its query may hold a signature, so neither `Debug` nor `Display` shows it, nor does any error.
/// Scheme, host, port and path alone say which object is meant: a new URL for the same object goes
/// on with what an older one began.
///
/// ```
/// use ossget::ObjectUrl;
///
/// let url: ObjectUrl = "https://examplebucket.oss-cn-hangzhou.aliyuncs.com/dir/a%20b.bin\
///     ?x-oss-date=20251128T210000Z&x-oss-expires=3600&x-oss-signature=…".replace('…', "0a").parse()?;
/// assert_eq!(url.to_string(), "https://examplebucket.oss-cn-hangzhou.aliyuncs.com/dir/a%20b.bin");
/// assert_eq!(url.object().file_name(), "a b.bin");
/// assert!(url.expires().is_some());
/// # Ok::<(), ossget::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ObjectUrl {
    endpoint: Endpoint,
    /// As it must be on the wire, byte for byte.
    target: PathAndQuery,
    expires: Option<SystemTime>,
}

impl ObjectUrl {
    /// The object that the URL names.
    #[must_use]
    pub fn object(&self) -> Object {
        let path = self.target.path();
        Object::of_url(self.endpoint.to_string(), path.strip_prefix('/').unwrap_or(path).to_owned())
    }

    /// When the URL ceases to be of use, by its own account: `x-oss-date` and `x-oss-expires` of a
    /// V4 signature, `Expires` of a V1 signature, `X-Amz-Date` and `X-Amz-Expires`.
    #[must_use]
    pub const fn expires(&self) -> Option<SystemTime> {
        self.expires
    }

    /// What the service is to make of the object: `x-oss-process`.
    #[must_use]
    pub fn process(&self) -> Option<String> {
        // The service tells upper from lower case here, and takes the name percent-encoded, too.
        let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let mut all = parameters(&self.target);
        all.find(|(name, _)| decoded(name) == "x-oss-process").map(|(_, value)| decoded(value))
    }

    /// All of it, with its query: a secret.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{}{}", self.endpoint, self.target)
    }

    /// Whether the URL has a query that may sign it.
    pub(crate) fn is_signed(&self) -> bool {
        self.secrets().next().is_some()
    }

    pub(crate) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// All of it, for the transport.
    pub(crate) fn uri(&self) -> Result<Uri, http::Error> {
        let endpoint = Uri::from_str(&self.endpoint.to_string())?.into_parts();
        Uri::builder()
            .scheme(self.endpoint.scheme())
            .authority(endpoint.authority.map_or_else(String::new, |it| it.to_string()))
            .path_and_query(self.target.clone())
            .build()
    }

    /// What nobody must be told: each value that signs, as it is written and decoded.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = String> {
        parameters(&self.target)
            .filter(|(name, value)| is_secret(name) && !value.is_empty())
            .flat_map(|(_, value)| {
                let decoded = percent_decode_str(value).decode_utf8_lossy().into_owned();
                [value.to_owned(), decoded]
            })
    }
}

impl FromStr for ObjectUrl {
    type Err = Error;

    /// Reads `http[s]://host[:port]/path[?query]`. Path and query are taken as they are: nothing
    /// is encoded, decoded or normalised.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for anything else, so for a user name, a fragment, a character that
    /// a URL has only percent-encoded, a path that names nothing; for a signature that covers
    /// headers which a download has to choose itself; and for a host as with [`Endpoint::parse`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = |bound: &str| Error::config("the URL", "(not shown)", bound);
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| refused("http(s)://host/path"))?;
        let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(at);
        if target.contains('#') {
            return Err(refused("without a fragment (`#`)"));
        }
        if !target.starts_with('/') || target.starts_with("/?") || target == "/" {
            return Err(refused("http(s)://host/path, with a path that names an object"));
        }
        if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refused("of visible ASCII characters, others percent-encoded"));
        }
        if target.split('?').next().unwrap_or_default().len() > MAX_PATH {
            return Err(refused("with a path of 3072 bytes at most"));
        }
        let endpoint = Endpoint::parse(&format!("{scheme}://{authority}"))?;
        let target = PathAndQuery::from_str(target)
            .map_err(|error| refused("a valid URL").with_source(error))?;
        if let Some(name) = signed_headers(&target).find(|name| name != "host") {
            let what = format!("the URL is signed for a request with the header `{name}`");
            return Err(Error::new(ErrorKind::Config, what)
                .with_hint("get a URL that is signed for a plain GET"));
        }
        let expires = expiry(&target);
        Ok(Self { endpoint, target, expires })
    }
}

impl fmt::Display for ObjectUrl {
    /// Scheme, host, port and path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.endpoint, self.target.path())
    }
}

impl fmt::Debug for ObjectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectUrl({self})")
    }
}

/// Names and values of the query as they are written.
fn parameters(target: &PathAndQuery) -> impl Iterator<Item = (&str, &str)> {
    let query = target.query().unwrap_or_default();
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn parameter(target: &PathAndQuery, wanted: &str) -> Option<String> {
    let (_, value) = parameters(target).find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}

/// The headers, apart from those that OSS always signs, which the signature covers.
fn signed_headers(target: &PathAndQuery) -> impl Iterator<Item = String> {
    let lists = ["x-oss-additional-headers", "X-Amz-SignedHeaders"];
    let all = lists.into_iter().filter_map(|name| parameter(target, name)).collect::<Vec<_>>();
    let names = all.join(";").to_ascii_lowercase();
    names
        .split(';')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}

/// Sources: the OSS documentation ("Include a V4 signature in a URL", "Include a V1 signature in
/// a URL"), and that of Amazon S3 for its own.
fn expiry(target: &PathAndQuery) -> Option<SystemTime> {
    for (date, lifetime) in [("x-oss-date", "x-oss-expires"), ("X-Amz-Date", "X-Amz-Expires")] {
        if let (Some(date), Some(lifetime)) = (parameter(target, date), parameter(target, lifetime))
        {
            let signed = DateTime::strptime("%Y%m%dT%H%M%SZ", &date).ok()?;
            let signed: SystemTime = signed.to_zoned(TimeZone::UTC).ok()?.timestamp().into();
            return signed.checked_add(Duration::from_secs(lifetime.parse().ok()?));
        }
    }
    let seconds = parameter(target, "Expires")?.parse().ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Whether a parameter's value lets whoever knows it in. Of parameters that nobody has heard of
/// each may.
fn is_secret(name: &str) -> bool {
    !HARMLESS.iter().any(|harmless| harmless.eq_ignore_ascii_case(name))
        && !name.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("response-"))
}

/// The longest key there is, all of it percent-encoded, and a little more: a checkpoint has room for
/// so much.
const MAX_PATH: usize = 3072;

/// Parameters that say what is wanted, or which signature it is, and let nobody in.
const HARMLESS: [&str; 16] = [
    "",
    "Expires",
    "OSSAccessKeyId",
    "versionId",
    "x-oss-additional-headers",
    "x-oss-credential",
    "x-oss-date",
    "x-oss-expires",
    "x-oss-process",
    "x-oss-request-payer",
    "x-oss-signature-version",
    "x-oss-traffic-limit",
    "X-Amz-Algorithm",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
];

#[cfg(test)]
mod tests;
