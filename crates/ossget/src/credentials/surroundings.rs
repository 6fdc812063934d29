//! What the sources of credentials find around them: variables, a home directory, services.

use crate::{Error, ErrorKind};
use ossget_transport::{HyperTransport, Proxy, Transport};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What the sources of credentials find around them: environment variables, a home directory, and
/// where services are.
///
/// By default everything is this process's and Alibaba Cloud's own; tests, and programs that are
/// configured in another way, set what they want to be different. Cheap to clone; clones share
/// connections.
#[derive(Clone)]
pub struct Surroundings {
    lookup: Arc<Lookup>,
    home: Option<PathBuf>,
    metadata: String,
    sts: Option<String>,
    ca_cert: Option<PathBuf>,
    proxy: Proxy,
    transport: Lazy,
    direct: Lazy,
}

type Lookup = dyn Fn(&str) -> Option<OsString> + Send + Sync;
type Lazy = Arc<Mutex<Option<Arc<dyn Transport>>>>;

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn new() -> Self {
        Self::with_lookup(|name| std::env::var_os(name))
    }

    /// With environment variables read through `lookup`, which is given their names. The home
    /// directory is what `HOME` says, on Windows `USERPROFILE`.
    #[must_use]
    pub fn with_lookup(lookup: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static) -> Self {
        let variable = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        let home = lookup(variable).filter(|home| !home.is_empty()).map(PathBuf::from);
        Self {
            lookup: Arc::new(lookup),
            home,
            metadata: METADATA.to_owned(),
            sts: None,
            ca_cert: None,
            proxy: Proxy::none(),
            transport: Lazy::default(),
            direct: Lazy::default(),
        }
    }

    /// The directory in which files of settings are looked for.
    #[must_use]
    pub fn home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }

    /// Where the metadata of an ECS instance are, `http://100.100.100.200` unless set; no path.
    #[must_use]
    pub fn metadata_endpoint(mut self, url: impl Into<String>) -> Self {
        self.metadata = url.into();
        self
    }

    /// Where STS is, as `https://sts.cn-hangzhou.aliyuncs.com`, whatever a profile says; no path.
    #[must_use]
    pub fn sts_endpoint(mut self, url: impl Into<String>) -> Self {
        self.sts = Some(url.into());
        self
    }

    /// The proxy to reach STS and `https://` URIs through; none unless set. The metadata of an ECS
    /// instance are never asked through one.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// A file of PEM certificates to trust besides the system's.
    #[must_use]
    pub fn ca_cert(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_cert = Some(path.into());
        self
    }

    /// How STS and a credentials URI are reached. Made when it is first needed, unless set.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Arc::new(Mutex::new(Some(transport)));
        self
    }

    /// How the metadata of an ECS instance are reached. It must not use a proxy: the address means
    /// another machine there, and what it answers is secret. Made when it is first needed, unless
    /// set, and then without any.
    #[must_use]
    pub fn direct_transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.direct = Arc::new(Mutex::new(Some(transport)));
        self
    }

    /// The value of a variable; an empty one is as good as none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for one that is not UTF-8.
    pub fn variable(&self, name: &str) -> Result<Option<String>, Error> {
        let value = (self.lookup)(name).filter(|value| !value.is_empty());
        value.map(OsString::into_string).transpose().map_err(|_| {
            Error::new(ErrorKind::Config, format!("the environment variable {name} is not UTF-8"))
        })
    }

    /// Whether a variable says yes: `true` or `1`, in any case.
    pub(super) fn says_yes(&self, name: &str) -> bool {
        let value = (self.lookup)(name).map(|value| value.to_string_lossy().to_ascii_lowercase());
        value.is_some_and(|value| value == "true" || value == "1")
    }

    /// The same lookup, to be read anew for each request.
    pub(super) fn lookup(&self) -> impl Fn(&str) -> Option<OsString> + Send + Sync + 'static {
        let lookup = Arc::clone(&self.lookup);
        move |name| lookup(name)
    }

    /// A file in the home directory, if there is one.
    pub(super) fn at_home(&self, name: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(name))
    }

    /// A path as people write it, with `~/` for the home directory.
    pub(super) fn expanded(&self, path: &str) -> PathBuf {
        match (path.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(path),
        }
    }

    pub(super) fn metadata(&self) -> &str {
        self.metadata.trim_end_matches('/')
    }

    pub(super) fn sts(&self) -> Option<&str> {
        self.sts.as_deref().map(|url| url.trim_end_matches('/'))
    }

    pub(super) fn reaching(&self) -> Result<Arc<dyn Transport>, Error> {
        get(&self.transport, self.ca_cert.as_deref(), self.proxy.clone())
    }

    pub(super) fn reaching_directly(&self) -> Result<Arc<dyn Transport>, Error> {
        get(&self.direct, None, Proxy::none())
    }
}

impl Default for Surroundings {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Surroundings {
    /// Without the variables: some are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("home", &self.home)
            .field("metadata", &self.metadata)
            .field("sts", &self.sts)
            .finish_non_exhaustive()
    }
}

fn get(lazy: &Lazy, ca_cert: Option<&Path>, proxy: Proxy) -> Result<Arc<dyn Transport>, Error> {
    let mut slot = lazy.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(transport) = &*slot {
        return Ok(Arc::clone(transport));
    }
    let failed = |error| {
        let what = "the way to the service of credentials cannot be set up";
        Error::new(ErrorKind::Config, what).with_source(error)
    };
    let mut builder = HyperTransport::builder().read_buffer(READ_BUFFER).proxy(proxy);
    if let Some(path) = ca_cert {
        builder = builder.extra_ca_file(path).map_err(failed)?;
    }
    let transport: Arc<dyn Transport> = Arc::new(builder.build().map_err(failed)?);
    *slot = Some(Arc::clone(&transport));
    Ok(transport)
}

/// The same address on every instance (ECS documentation, "Instance metadata").
const METADATA: &str = "http://100.100.100.200";

/// Answers have about 1 KiB.
const READ_BUFFER: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &'static [(&'static str, &'static str)]) -> Surroundings {
        Surroundings::with_lookup(move |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn a_tilde_is_the_home_directory() {
        let here = of(&[]).home("/home/me");
        assert_eq!(here.expanded("~/a/b"), Path::new("/home/me/a/b"));
        assert_eq!(here.expanded("/a/~/b"), Path::new("/a/~/b"));
        assert_eq!(here.at_home(".x"), Some(PathBuf::from("/home/me/.x")));
        assert_eq!(of(&[]).at_home(".x"), None);
    }

    #[test]
    fn a_switch_is_on_for_true_and_1_only() {
        let switches = of(&[("A", "TRUE"), ("B", "1"), ("C", "false"), ("D", ""), ("E", "yes")]);
        let on = ["A", "B", "C", "D", "E", "F"].map(|name| switches.says_yes(name));
        assert_eq!(on, [true, true, false, false, false, false]);
    }

    #[test]
    fn debug_shows_no_variable() {
        let here = of(&[("OSS_ACCESS_KEY_SECRET", "canary"), ("HOME", "/h")]);
        assert!(!format!("{here:?}").contains("canary"));
    }
}
