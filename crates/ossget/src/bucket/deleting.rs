//! Deleting objects.

use super::{Bucket, document, flag, parameter};
use crate::patience::with_patience;
use crate::source::Call;
use crate::{Error, ErrorKind, Object};
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};

/// What became of each key, in the order of the keys.
pub type Deletion = Vec<Result<(), Error>>;

impl Bucket {
    /// Deletes an object (DeleteObject); that there is none is no error.
    ///
    /// # Errors
    ///
    /// Those of the service.
    pub async fn delete(&self, object: &Object) -> Result<(), Error> {
        let call = Call::of_object(Method::DELETE, object, HeaderMap::new());
        self.exchange(&call).await.map(drop)
    }

    /// Deletes objects by one request (DeleteMultipleObjects), 1,000 at most; that there is none is
    /// no error.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) for more keys than that, and for one that no object can have;
    /// those of the service. What becomes of each key is in the result.
    pub async fn delete_all(&self, keys: &[String]) -> Result<Deletion, Error> {
        if keys.len() > MOST {
            return Err(Error::config("the number of keys", keys.len(), "1,000 at most"));
        }
        let objects = keys.iter().map(|key| self.object(key.as_str()));
        let objects: Vec<Object> = objects.collect::<Result<_, _>>()?;
        if let [object] = objects.as_slice() {
            return Ok(vec![self.delete(object).await]);
        }
        let mut deleted = HashSet::new();
        let mut failed = HashMap::new();
        // XML has no way to write certain characters that keys may hold.
        let (writable, others): (Vec<&Object>, Vec<&Object>) =
            objects.iter().partition(|object| object.key().chars().all(is_writable));
        if !writable.is_empty() {
            deleted.extend(self.delete_listed(&writable).await?);
        }
        for object in others {
            let gone = failed.values().find(|error: &&Error| error.is_transient());
            let outcome = match gone.map(Error::repeated) {
                // The others would be waited for as long.
                Some(error) => Err(error),
                None => self.delete(object).await,
            };
            match outcome {
                Ok(()) => drop(deleted.insert(object.key().to_owned())),
                Err(error) => drop(failed.insert(object.key().to_owned(), error)),
            }
        }
        let outcome = |key: &String| match deleted.contains(key) {
            true => Ok(()),
            false => Err(failed.get(key).map_or_else(left, Error::repeated)),
        };
        Ok(keys.iter().map(outcome).collect())
    }

    async fn delete_listed(&self, objects: &[&Object]) -> Result<Vec<String>, Error> {
        let document = list(objects);
        let mut call =
            self.call(Method::POST, vec![flag("delete"), parameter("encoding-type", "url")]);
        call.headers = document::digest(document.as_bytes());
        call.body = Bytes::from(document);
        with_patience(self.patience, || async {
            let response = self.requests.exchange(&call).await?;
            let deleted: DeleteResult = document::read(response, self.read_timeout).await?;
            deleted.deleted.iter().map(|it| document::decoded(&it.key)).collect()
        })
        .await
    }
}

#[derive(Debug, Deserialize)]
struct DeleteResult {
    #[serde(rename = "Deleted", default)]
    deleted: Vec<Deleted>,
}

#[derive(Debug, Deserialize)]
struct Deleted {
    #[serde(rename = "Key")]
    key: String,
}

/// The document `Delete`.
fn list(objects: &[&Object]) -> String {
    let mut document = String::from("<Delete><Quiet>false</Quiet>");
    for object in objects {
        document.push_str("<Object><Key>");
        document.push_str(&quick_xml::escape::escape(object.key()));
        document.push_str("</Key></Object>");
    }
    document.push_str("</Delete>");
    document
}

/// What a document can hold as it is (XML 1.0, 2.2). A carriage return would be read as a line feed.
const fn is_writable(character: char) -> bool {
    matches!(character, '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'..)
}

fn left() -> Error {
    Error::new(ErrorKind::Service, "the service did not delete the object, and does not say why")
}

const MOST: usize = 1_000;
