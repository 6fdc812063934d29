//! What is kept of an object besides its bytes.

use super::told;
use crate::rig::Rig;
use crate::trial::{Finding, Trial};
use object_store::path::Path;
use object_store::{Attribute, Attributes, Error, ObjectStore as _, ObjectStoreExt as _};
use object_store::{PutOptions, TagSet};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::new("attributes of put_opts are kept and told, or refused", |rig| {
            Box::pin(of_put(rig))
        }),
        Trial::new("attributes of an upload are kept and told, or refused", |rig| {
            Box::pin(of_upload(rig))
        }),
        Trial::new("tags of put_opts are kept, or refused", |rig| Box::pin(tags(rig))),
    ]
}

fn path() -> Path {
    Path::from("kept")
}

/// With keys of metadata that OSS takes: hyphens, not underscores as in the suite.
fn attributes() -> Attributes {
    Attributes::from_iter([
        (Attribute::CacheControl, "max-age=604800"),
        (Attribute::ContentDisposition, "attachment"),
        (Attribute::ContentLanguage, "en-US"),
        (Attribute::ContentType, "text/html; charset=utf-8"),
        (Attribute::Metadata("test-key".into()), "test_value"),
    ])
}

async fn of_put(rig: &Rig) -> Finding {
    match rig.store.put_opts(&path(), "x".into(), attributes().into()).await {
        Ok(_) => kept(rig).await,
        Err(error) => refused(&error),
    }
}

/// Of two parts: opendal puts a single one as a whole, which takes other headers.
async fn of_upload(rig: &Rig) -> Finding {
    let upload = async {
        let mut upload = rig.store.put_multipart_opts(&path(), attributes().into()).await?;
        for _ in 0..2 {
            upload.put_part(vec![7; 200_000].into()).await?;
        }
        upload.complete().await
    };
    match upload.await {
        Ok(_) => kept(rig).await,
        Err(error) => refused(&error),
    }
}

/// Both what the service keeps and what the store tells of it.
async fn kept(rig: &Rig) -> Finding {
    let found = match rig.store.get(&path()).await {
        Ok(found) => found.attributes,
        Err(error) => return Finding::No(told(&error)),
    };
    let wanted = attributes();
    let told = wanted.iter().filter(|(key, value)| found.get(key) == Some(value)).count();
    let mut kept = Vec::new();
    for (name, value) in HEADERS {
        if header(rig, name).await.as_deref() == Some(value) {
            kept.push(name);
        }
    }
    let seen = format!("the service keeps {kept:?}; get tells {told} of {}", wanted.len());
    Finding::same((kept.len(), told), (HEADERS.len(), wanted.len()), seen)
}

async fn tags(rig: &Rig) -> Finding {
    let mut tags = TagSet::default();
    tags.push("team", "storage");
    match rig.store.put_opts(&path(), "x".into(), PutOptions::from(tags)).await {
        Ok(_) => {
            let count = header(rig, "x-oss-tagging-count").await.unwrap_or_else(|| "0".into());
            Finding::same(&*count, "1", format!("{count} of 1 kept"))
        }
        Err(error) => refused(&error),
    }
}

/// What the service says of the object, whatever the store makes of it.
async fn header(rig: &Rig, name: &str) -> Option<String> {
    let object = rig.bucket().object("kept").ok()?;
    let stat = rig.bucket().head(&object, &[]).await.ok()?;
    stat.headers.into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// As the trait wants it of a store that cannot.
fn refused(error: &Error) -> Finding {
    let is_refusal = matches!(error, Error::NotImplemented { .. } | Error::NotSupported { .. });
    Finding::same(is_refusal, true, told(error))
}

/// The attributes, as the service has them.
const HEADERS: [(&str, &str); 5] = [
    ("cache-control", "max-age=604800"),
    ("content-disposition", "attachment"),
    ("content-language", "en-US"),
    ("content-type", "text/html; charset=utf-8"),
    ("x-oss-meta-test-key", "test_value"),
];
