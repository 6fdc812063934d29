//! A request as the service understands it: bucket and key out of host and target.

use http::{HeaderMap, Method, Uri};
use percent_encoding::percent_decode_str;

use crate::range;
use crate::refusal::Refusal;

/// One request without its body.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The host as asked for, without the port.
    pub(crate) host: String,
    /// The path as sent.
    pub(crate) path: String,
    pub(crate) bucket: Option<String>,
    pub(crate) key: Option<String>,
    /// Decoded parameters in the order sent.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
}

impl Call {
    /// Reads a request; `names` decides which hosts are the service's own.
    pub(crate) fn read(
        request: &http::request::Parts,
        names: &HostNames,
        is_bucket: impl Fn(&str) -> bool,
    ) -> Result<Self, Refusal> {
        let host = host_of(request);
        let path = decode(path_of(&request.uri))?;
        let (bucket, key) = match names.bucket_of(&host, is_bucket) {
            Some(bucket) => (Some(bucket.to_owned()), path[1..].to_owned()),
            None => {
                let (bucket, key) = path[1..].split_once('/').unwrap_or_else(|| (&path[1..], ""));
                (Some(bucket.to_owned()).filter(|bucket| !bucket.is_empty()), key.to_owned())
            }
        };
        if bucket.is_none() && !key.is_empty() {
            return Err(invalid_bucket_name());
        }
        Ok(Self {
            method: request.method.clone(),
            host,
            path: path_of(&request.uri).to_owned(),
            bucket,
            key: Some(key).filter(|key| !key.is_empty()),
            query: decode_query(request.uri.query().unwrap_or_default())?,
            headers: request.headers.clone(),
        })
    }

    /// A header as text; one that is no visible ASCII counts as absent.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A query parameter, empty when it is only a name.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Where the range asked for begins.
    pub(crate) fn range_start(&self) -> Option<u64> {
        range::start_of(self.header("range")?)
    }

    /// Whether the range asked for holds this byte.
    pub(crate) fn covers(&self, position: u64) -> bool {
        self.header("range").is_some_and(|header| range::covers(header, position))
    }
}

/// The names under which the simulator is addressed without a bucket.
#[derive(Debug, Clone)]
pub(crate) struct HostNames(pub(crate) Vec<String>);

impl HostNames {
    /// The bucket in a virtual-hosted name.
    fn bucket_of<'a>(&self, host: &'a str, is_bucket: impl Fn(&str) -> bool) -> Option<&'a str> {
        if self.0.iter().any(|own| own == host) {
            return None;
        }
        let (label, rest) = host.split_once('.')?;
        (self.0.iter().any(|own| own == rest) || is_bucket(label)).then_some(label)
    }
}

fn host_of(request: &http::request::Parts) -> String {
    let from_header = || request.headers.get(http::header::HOST)?.to_str().ok();
    // An absolute target, as a client of a proxy sends it, takes precedence over the header.
    let authority = request.uri.authority().map(http::uri::Authority::as_str);
    let authority = authority.or_else(from_header).unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    host.to_ascii_lowercase()
}

fn path_of(uri: &Uri) -> &str {
    match uri.path() {
        "" | "*" => "/",
        path => path,
    }
}

/// Decodes percent escapes and nothing else: `..`, `//` and `+` are part of a key.
fn decode(text: &str) -> Result<String, Refusal> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|_| {
        Refusal::bad_request("InvalidObjectName", "The specified object is not valid.")
    })
}

/// In a query a plus sign is a space: that is how some clients write it.
fn decode_query(text: &str) -> Result<Vec<(String, String)>, Refusal> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(&name.replace('+', " "))?, decode(&value.replace('+', " "))?))
        })
        .collect()
}

fn invalid_bucket_name() -> Refusal {
    Refusal::bad_request("InvalidBucketName", "The specified bucket is not valid.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(host: &str, target: &str) -> Result<Call, Refusal> {
        let request = http::Request::builder().uri(target).header("host", host).body(()).unwrap();
        let names = HostNames(vec!["localhost".into(), "127.0.0.1".into()]);
        Call::read(&request.into_parts().0, &names, |bucket| bucket == "examplebucket")
    }

    fn place(host: &str, target: &str) -> (Option<String>, Option<String>) {
        let call = read(host, target).unwrap();
        (call.bucket, call.key)
    }

    fn at(bucket: &str, key: &str) -> (Option<String>, Option<String>) {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        (some(bucket), some(key))
    }

    #[test]
    fn host_and_path_name_bucket_and_key() {
        let virtual_hosted = "examplebucket.localhost:8080";
        assert_eq!(place(virtual_hosted, "/a/b"), at("examplebucket", "a/b"));
        assert_eq!(place("examplebucket.127.0.0.1:1", "/"), at("examplebucket", ""));
        assert_eq!(place("examplebucket.oss.example", "/k"), at("examplebucket", "k"));
        assert_eq!(place("other.localhost", "/k"), at("other", "k"));
        assert_eq!(place("127.0.0.1:8080", "/examplebucket/a/b"), at("examplebucket", "a/b"));
        assert_eq!(place("127.0.0.1", "/examplebucket"), at("examplebucket", ""));
        assert_eq!(place("127.0.0.1", "/"), at("", ""));
        let proxied = "http://examplebucket.localhost:9/k";
        assert_eq!(place("127.0.0.1", proxied), at("examplebucket", "k"));
    }

    #[test]
    fn the_path_is_decoded_and_never_normalised() {
        let virtual_hosted = "examplebucket.localhost";
        for (target, key) in [
            ("/a//b", "a//b"),
            ("//a", "/a"),
            ("/a/../b/./c/", "a/../b/./c/"),
            ("/%2e%2e/a%2Fb", "../a/b"),
            ("/a+b%20c%2B", "a+b c+"),
            ("/%E6%96%87", "文"),
        ] {
            assert_eq!(place(virtual_hosted, target).1.as_deref(), Some(key), "{target}");
        }
    }

    #[test]
    fn a_key_that_is_not_utf8_is_refused() {
        assert_eq!(read("examplebucket.localhost", "/%ff").unwrap_err().code, "InvalidObjectName");
    }

    #[test]
    fn query_parameters_are_decoded() {
        let call = read("localhost", "/?acl&prefix=a%20b+c%2B&empty=").unwrap();
        assert_eq!(call.parameter("acl"), Some(""));
        assert_eq!(call.parameter("prefix"), Some("a b c+"));
        assert_eq!(call.parameter("empty"), Some(""));
        assert_eq!(call.parameter("absent"), None);
    }
}
