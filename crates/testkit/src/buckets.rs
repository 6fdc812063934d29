//! What the service says about a bucket: listings, location, info.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::call::Call;
use crate::clock::iso_date;
use crate::document::{Document, Encoding, XML};
use crate::refusal::{Refusal, escape};
use crate::reply::Reply;
use crate::store::{Store, Stored};
use crate::upload_lists;

/// GET on a bucket.
pub(crate) fn read(
    store: &Store,
    call: &Call,
    bucket: &str,
    region: &str,
) -> Result<Reply, Refusal> {
    if call.parameter("bucketInfo").is_some() {
        return Ok(Reply::xml(bucket_info(call, bucket, region)));
    }
    if call.parameter("location").is_some() {
        let document = format!("{XML}<LocationConstraint>oss-{region}</LocationConstraint>");
        return Ok(Reply::xml(document));
    }
    if call.parameter("uploads").is_some() {
        return upload_lists::list_uploads(store, call, bucket);
    }
    let is_listing = |name: &str| LISTING.contains(&name) || is_of_signature(name);
    if let Some((name, _)) = call.query.iter().find(|(name, _)| !is_listing(name)) {
        return Err(Refusal::not_implemented(&format!("The simulator knows no ?{name}.")));
    }
    let version = match call.parameter("list-type") {
        Some("2") => ListVersion::Two,
        _ => ListVersion::One,
    };
    list(store, call, bucket, version)
}

/// GET on the service: the buckets.
pub(crate) fn list_buckets(store: &Store, region: &str) -> Reply {
    let mut document = format!("{XML}<ListAllMyBucketsResult>{OWNER}<Buckets>");
    for bucket in store.buckets() {
        document.push_str(&format!(
            "<Bucket><Name>{bucket}</Name><Location>oss-{region}</Location>\
             <Region>{region}</Region><CreationDate>2024-01-01T00:00:00.000Z</CreationDate>\
             <StorageClass>Standard</StorageClass>\
             <ExtranetEndpoint>oss-{region}.aliyuncs.com</ExtranetEndpoint>\
             <IntranetEndpoint>oss-{region}-internal.aliyuncs.com</IntranetEndpoint></Bucket>"
        ));
    }
    document.push_str("</Buckets><IsTruncated>false</IsTruncated></ListAllMyBucketsResult>");
    Reply::xml(document)
}

fn bucket_info(call: &Call, bucket: &str, region: &str) -> String {
    let host = escape(&call.host);
    format!(
        "{XML}<BucketInfo><Bucket><Name>{bucket}</Name><Location>oss-{region}</Location>\
         <Region>{region}</Region><CreationDate>2024-01-01T00:00:00.000Z</CreationDate>\
         <ExtranetEndpoint>{host}</ExtranetEndpoint><IntranetEndpoint>{host}</IntranetEndpoint>\
         <StorageClass>Standard</StorageClass><DataRedundancyType>LRS</DataRedundancyType>\
         <AccessMonitor>Disabled</AccessMonitor><AccessControlList><Grant>private</Grant>\
         </AccessControlList>{OWNER}</Bucket></BucketInfo>"
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListVersion {
    One,
    Two,
}

/// One line of a listing.
enum Listed {
    Object(String, Arc<Stored>),
    Prefix(String),
}

impl Listed {
    /// Where a continued listing goes on after this line.
    fn mark(&self) -> &str {
        match self {
            Self::Object(key, _) => key,
            Self::Prefix(prefix) => prefix,
        }
    }
}

fn list(store: &Store, call: &Call, bucket: &str, version: ListVersion) -> Result<Reply, Refusal> {
    let parameter = |name| call.parameter(name).unwrap_or_default();
    let max = match call.parameter("max-keys").filter(|text| !text.is_empty()) {
        None => 100,
        Some(text) => {
            text.parse().ok().filter(|max| (1..=1000).contains(max)).ok_or_else(|| {
                Refusal::bad_request("InvalidArgument", "Argument max-keys must be 1 to 1000.")
                    .child("ArgumentName", "max-keys")
                    .child("ArgumentValue", text)
            })?
        }
    };
    let after = match (version, parameter("continuation-token")) {
        (ListVersion::One, _) => parameter("marker").to_owned(),
        (ListVersion::Two, "") => parameter("start-after").to_owned(),
        (ListVersion::Two, token) => read_token(token)?,
    };
    let (prefix, delimiter) = (parameter("prefix"), parameter("delimiter"));
    let keys = store.list(bucket, &after);
    let mut lines = group(keys, &after, prefix, delimiter);
    let is_truncated = lines.len() > max;
    lines.truncate(max);

    let mut document = Document::new("ListBucketResult", Encoding::of(call));
    document.plain("Name", bucket);
    document.encoded("Prefix", prefix);
    document.plain("MaxKeys", &max.to_string());
    document.encoded("Delimiter", delimiter);
    document.encoding_type();
    document.plain("IsTruncated", if is_truncated { "true" } else { "false" });
    let next = lines.last().filter(|_| is_truncated).map(Listed::mark);
    match version {
        ListVersion::One => {
            document.encoded("Marker", &after);
            if let Some(next) = next {
                document.encoded("NextMarker", next);
            }
        }
        ListVersion::Two => {
            document.encoded("StartAfter", parameter("start-after"));
            document.plain("KeyCount", &lines.len().to_string());
            if let token @ Some(_) = call.parameter("continuation-token") {
                document.plain("ContinuationToken", token.unwrap_or_default());
            }
            if let Some(next) = next {
                document.plain("NextContinuationToken", &write_token(next));
            }
        }
    }
    let owner = version == ListVersion::One || parameter("fetch-owner") == "true";
    write_lines(&mut document, &lines, if owner { OWNER } else { "" });
    Ok(document.reply())
}

/// Applies prefix and delimiter; a common prefix counts as one line.
fn group(
    keys: Vec<(String, Arc<Stored>)>,
    after: &str,
    prefix: &str,
    delimiter: &str,
) -> Vec<Listed> {
    let mut lines: Vec<Listed> = Vec::new();
    for (key, object) in keys {
        let Some(rest) = key.strip_prefix(prefix) else { continue };
        let end = if delimiter.is_empty() { None } else { rest.find(delimiter) };
        let Some(end) = end else {
            lines.push(Listed::Object(key, object));
            continue;
        };
        let common = &key[..prefix.len() + end + delimiter.len()];
        let is_listed = lines.last().is_some_and(|line| line.mark() == common);
        // A marker that is a common prefix stands for all keys in it.
        if !is_listed && common != after {
            lines.push(Listed::Prefix(common.to_owned()));
        }
    }
    lines
}

fn write_lines(document: &mut Document, lines: &[Listed], owner: &str) {
    for line in lines {
        if let Listed::Object(key, object) = line {
            document.element("Contents", |document| {
                document.encoded("Key", key);
                document.plain("LastModified", &iso_date(object.modified));
                document.plain("ETag", &object.etag);
                document.plain("Type", object.object_type.name());
                document.plain("Size", &object.content.size().to_string());
                document.plain("StorageClass", object.metadata.storage_class.name());
                document.raw(owner);
            });
        }
    }
    for line in lines {
        if let Listed::Prefix(prefix) = line {
            document.element("CommonPrefixes", |document| document.encoded("Prefix", prefix));
        }
    }
}

fn write_token(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

fn read_token(token: &str) -> Result<String, Refusal> {
    let decoded = URL_SAFE_NO_PAD.decode(token).ok().and_then(|key| String::from_utf8(key).ok());
    decoded.ok_or_else(|| {
        Refusal::bad_request("InvalidArgument", "The continuation token is not valid.")
            .child("ArgumentName", "continuation-token")
    })
}

fn is_of_signature(name: &str) -> bool {
    name.starts_with("x-oss-")
        || ["OSSAccessKeyId", "Signature", "Expires", "security-token"].contains(&name)
}

const LISTING: [&str; 9] = [
    "list-type",
    "prefix",
    "delimiter",
    "max-keys",
    "marker",
    "start-after",
    "continuation-token",
    "encoding-type",
    "fetch-owner",
];
const OWNER: &str =
    "<Owner><ID>1000000000000000</ID><DisplayName>1000000000000000</DisplayName></Owner>";
