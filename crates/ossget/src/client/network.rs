//! How a source of somebody else's reaches its servers.

use crate::Error;
use crate::endpoint::Endpoint;
use crate::source::{Plaintext, Source};
use ossget_transport::{Limits, Proxy, Transport};
use std::fmt;
use std::sync::Arc;

/// How servers are reached: what a [`ClientBuilder`](crate::ClientBuilder) was told of proxies,
/// certificates and time limits, for a source that [`Client::of_source`](crate::Client::of_source)
/// opens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Network {
    /// Sends each request once.
    pub transport: Arc<dyn Transport>,
    /// The same without a proxy: for what a cloud tells its machines of themselves, roles' credentials
    /// among it.
    pub direct: Arc<dyn Transport>,
    /// The time limits of one exchange.
    pub limits: Limits,
    plaintext: Plaintext,
    /// Whether a proxy elsewhere would carry away what goes to this machine.
    loopback_leaves: bool,
}

impl Network {
    /// Reaches servers over `transport`. Plain http is for this machine alone.
    pub fn new(transport: Arc<dyn Transport>, limits: Limits) -> Self {
        let direct = Arc::clone(&transport);
        Self { transport, direct, limits, plaintext: Plaintext::Refuse, loopback_leaves: false }
    }

    /// Reaches what must go through no proxy over `transport`.
    #[must_use]
    pub fn direct(mut self, transport: Arc<dyn Transport>) -> Self {
        self.direct = transport;
        self
    }

    /// Plain http to hosts other than this one as well, or not.
    pub(super) const fn plaintext(mut self, plaintext: Plaintext) -> Self {
        self.plaintext = plaintext;
        self
    }

    /// What the transport does to requests to this machine.
    pub(super) fn by_way_of(mut self, proxy: &Proxy) -> Self {
        self.loopback_leaves = proxy.carries_loopback_away();
        self
    }

    /// Whether what must not be read or changed on the way may go to `authority`, a host and
    /// perhaps a port, over plain http: to this machine, or wherever
    /// [`allow_plaintext`](crate::DangerousBuilder::allow_plaintext) was said.
    #[must_use]
    pub fn allows_plaintext_to(&self, authority: &str) -> bool {
        let here = || {
            Endpoint::parse(&format!("http://{authority}"))
                .is_ok_and(|endpoint| endpoint.is_loopback())
        };
        self.plaintext == Plaintext::Allow || (!self.loopback_leaves && here())
    }
}

/// Makes a source of the network.
type Opener = dyn FnOnce(Network) -> Result<Arc<dyn Source>, Error> + Send + Sync;

/// Opens a source once the network is there.
pub(super) struct Open(Box<Opener>);

impl Open {
    pub(super) fn new(
        open: impl FnOnce(Network) -> Result<Arc<dyn Source>, Error> + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(open))
    }

    pub(super) fn over(self, network: Network) -> Result<Arc<dyn Source>, Error> {
        (self.0)(network)
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Open")
    }
}
