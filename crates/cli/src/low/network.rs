//! How the network is reached.

use clap::Args;
use std::convert::Infallible;
use std::fmt;

/// How the network is reached.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Endpoint and identity")]
pub(crate) struct NetworkArgs {
    /// The proxy to go through: http://, socks5:// or socks5h://[USER:PASSWORD@]HOST[:PORT]
    /// [env: HTTPS_PROXY, or http_proxy for an http:// endpoint, then ALL_PROXY; NO_PROXY].
    #[arg(long, value_name = "URL", value_parser = proxy_url)]
    pub(crate) proxy: Option<ProxyUrl>,
    /// Go through no proxy, whatever --proxy or the environment says.
    #[arg(long)]
    pub(crate) no_proxy: bool,
}

/// A URL that may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ProxyUrl(String);

impl ProxyUrl {
    /// All of it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyUrl").finish_non_exhaustive()
    }
}

/// Takes anything: the parser's errors repeat what they refuse.
fn proxy_url(text: &str) -> Result<ProxyUrl, Infallible> {
    Ok(ProxyUrl(text.to_owned()))
}
