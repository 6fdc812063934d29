//! A store from a URL and the environment.

use super::error::generic;
use super::object_store::Error;
use super::{IllegalKeys, LongRanges, OssStore};
use ossget::{Client, CredentialsChain, CredentialsProvider, Endpoint, Surroundings};
use std::sync::Arc;
use std::time::Duration;

/// Makes an [`OssStore`] of a URL, `oss://BUCKET`, and of the environment.
///
/// What is not set is taken from `OSS_ENDPOINT` and `OSS_REGION`, from the profile that ossutil and the
/// Alibaba Cloud CLI use, and from the places where [`CredentialsChain`] looks for credentials. Of a
/// region alone the public endpoint is `https://oss-REGION.aliyuncs.com`.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct OssStoreBuilder {
    url: String,
    surroundings: Surroundings,
    endpoint: Option<String>,
    region: Option<String>,
    credentials: Option<Arc<dyn CredentialsProvider>>,
    allow_http: bool,
    patience: Option<Duration>,
    illegal_keys: IllegalKeys,
    long_ranges: LongRanges,
}

impl OssStoreBuilder {
    /// A store of the bucket that `url` names; a path after it is ignored, as engines register
    /// stores by their buckets.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            surroundings: Surroundings::new(),
            endpoint: None,
            region: None,
            credentials: None,
            allow_http: false,
            patience: None,
            illegal_keys: IllegalKeys::default(),
            long_ranges: LongRanges::default(),
        }
    }

    /// Other surroundings than those of this process.
    pub fn surroundings(mut self, surroundings: Surroundings) -> Self {
        self.surroundings = surroundings;
        self
    }

    /// The endpoint, such as `https://oss-cn-hangzhou.aliyuncs.com`.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// The region to sign for, such as `cn-hangzhou`; as the endpoint names it unless set.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Where credentials come from.
    pub fn credentials(mut self, credentials: impl CredentialsProvider) -> Self {
        self.credentials = Some(Arc::new(credentials));
        self
    }

    /// Allows credentials to be used over plain http to other hosts than this one. Whoever is on the
    /// way can read and change everything.
    pub const fn allow_http(mut self) -> Self {
        self.allow_http = true;
        self
    }

    /// How long an operation may go on failing without any progress.
    pub const fn patience(mut self, time: Duration) -> Self {
        self.patience = Some(time);
        self
    }

    /// What becomes of a listed key that no path can be; left out unless set.
    pub const fn illegal_keys(mut self, what: IllegalKeys) -> Self {
        self.illegal_keys = what;
        self
    }

    /// How long ranges are fetched; by one request each unless set.
    pub const fn long_ranges(mut self, how: LongRanges) -> Self {
        self.long_ranges = how;
        self
    }

    /// Makes the store. Asks no service, unless credentials have to be looked for.
    ///
    /// # Errors
    ///
    /// [`Error::Generic`] for what is missing or cannot be.
    pub fn build(self) -> Result<OssStore, Error> {
        let bucket = bucket(&self.url)?;
        let found = CredentialsChain::new(self.surroundings.clone()).bucket(bucket);
        let variable = |name| self.surroundings.variable(name).map_err(generic);
        let (credentials, profile) = match &self.credentials {
            Some(given) => (Arc::clone(given), None),
            None => {
                let found = found.find().map_err(generic)?;
                (found.provider, found.profile)
            }
        };
        let settings = profile.as_ref().map(|profile| profile.settings().clone());
        let settings = settings.unwrap_or_default();
        let given = self.endpoint.clone().or(variable("OSS_ENDPOINT")?);
        // What the profile says of the region goes with its own endpoint: another one that names its
        // region is signed for that one.
        let fits = !given.as_ref().is_some_and(|endpoint| names_region(endpoint));
        let region = self.region.clone().or(variable("OSS_REGION")?);
        let region = region.or_else(|| settings.region.filter(|_| fits));
        let public = region.as_ref().map(|region| format!("https://oss-{region}.aliyuncs.com"));
        let endpoint = given.or(settings.endpoint).or(public).ok_or_else(|| {
            generic("no endpoint: set OSS_ENDPOINT, such as https://oss-cn-hangzhou.aliyuncs.com")
        })?;
        let mut client = Client::builder(endpoint, credentials);
        if let Some(region) = region {
            client = client.region(region);
        }
        if self.allow_http {
            client = client.dangerous().allow_plaintext();
        }
        let store = OssStore::new(&client.build().map_err(generic)?, bucket)?;
        let store = store.illegal_keys(self.illegal_keys).long_ranges(self.long_ranges);
        Ok(match self.patience {
            Some(time) => OssStore { bucket: store.bucket.patience(time), ..store },
            None => store,
        })
    }
}

fn names_region(endpoint: &str) -> bool {
    Endpoint::parse(endpoint).is_ok_and(|endpoint| endpoint.region().is_some())
}

fn bucket(url: &str) -> Result<&str, Error> {
    let rest = url.strip_prefix("oss://");
    // Not shown: it may be a presigned URL.
    let rest = rest.ok_or_else(|| generic("the URL is not of the form oss://bucket"))?;
    Ok(rest.split('/').next().unwrap_or_default())
}
