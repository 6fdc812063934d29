//! Which proxy the requests go through.

use crate::environment::Environment;
use crate::low::NetworkArgs;
use ossget::Proxy;

/// The proxy that flags and environment name: `--no-proxy` wins, then `--proxy`.
pub(crate) fn proxy(low: &NetworkArgs, environment: &Environment) -> Proxy {
    match &low.proxy {
        _ if low.no_proxy => Proxy::none(),
        Some(url) => Proxy::new(url.expose()),
        None => Proxy::from_lookup(|name| environment.get(name)),
    }
}

/// What to say about a password on the command line.
pub(crate) fn warning(low: &NetworkArgs) -> Option<String> {
    let exposed = low.proxy.as_ref().is_some_and(|url| url.expose().contains('@'));
    exposed.then(|| {
        "every user of this machine can read the credentials in --proxy; \
         set HTTPS_PROXY or ALL_PROXY in the environment instead"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::low::{Command, LowArgs};
    use std::ffi::OsString;

    const VARIABLES: &[(&str, &str)] = &[("HTTPS_PROXY", "http://of-the-environment:1")];

    fn low(flags: &[&str]) -> NetworkArgs {
        let all = ["ossget", "get", "oss://bkt/k", "f"].iter().chain(flags).map(OsString::from);
        match LowArgs::parse_arguments(all).unwrap().command {
            Command::Get(get) => get.identity.network,
            _ => panic!("not `get`"),
        }
    }

    fn chosen(flags: &[&str]) -> String {
        format!("{:?}", proxy(&low(flags), &Environment::of(VARIABLES)))
    }

    #[test]
    fn no_proxy_wins_over_proxy_and_proxy_over_the_environment() {
        assert_eq!(chosen(&[]), "Proxy(as the environment says)");
        assert_eq!(chosen(&["--proxy", "socks5h://p"]), "Proxy(socks5h://p:1080)");
        assert_eq!(chosen(&["--no-proxy"]), "Proxy(none)");
        assert_eq!(chosen(&["--proxy", "http://p", "--no-proxy"]), "Proxy(none)");
    }

    #[test]
    fn the_last_proxy_counts() {
        assert_eq!(chosen(&["--proxy", "http://a", "--proxy", "http://b"]), "Proxy(http://b:80)");
    }

    #[test]
    fn a_password_on_the_command_line_is_warned_of_and_not_shown() {
        let exposed = low(&["--proxy", "http://canary-user:canary-word@p"]);
        let warning = warning(&exposed).unwrap();
        let shown = format!("{exposed:?} {warning} {:?}", proxy(&exposed, &Environment::of(&[])));
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(super::warning(&low(&["--proxy", "http://p"])), None);
        assert_eq!(super::warning(&low(&[])), None);
    }
}
