use super::server::Protocol;
use super::*;
use std::error::Error as _;

fn environment(variables: &'static [(&'static str, &'static str)]) -> Proxy {
    Proxy::from_lookup(|name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
    })
}

/// The proxy on the way to a URI.
fn way(proxy: &Proxy, uri: &str) -> Option<String> {
    let rules = proxy.rules().unwrap();
    rules.server(&uri.parse().unwrap()).map(|server| server.name().to_owned())
}

#[test]
fn a_url_is_read_with_the_defaults_of_its_scheme() {
    for (url, name) in [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("HTTP://Proxy.Example/", "http://proxy.example:80"),
        ("user:canary@proxy.example", "http://proxy.example:80"),
        ("socks5://127.0.0.1", "socks5://127.0.0.1:1080"),
        ("SOCKS5H://user:canary@[::1]:9", "socks5h://[::1]:9"),
    ] {
        let server = Server::parse(url).unwrap();
        assert_eq!(server.name(), name);
        assert_eq!(format!("{server:?}"), format!("Server({name:?})"));
    }
}

#[test]
fn credentials_are_decoded_for_either_protocol() {
    let server = Server::parse("http://us%40er:p%2F%3Aw@h").unwrap();
    // us@er:p/:w
    let value = server.authorization().unwrap();
    assert_eq!(value, "Basic dXNAZXI6cC86dw==");
    assert!(value.is_sensitive());
    let server = Server::parse("socks5h://us%40er:p%2F%3Aw@h").unwrap();
    let Protocol::Socks { login: Some(login), .. } = server.protocol() else {
        panic!("{server:?}")
    };
    assert_eq!(*login, ("us@er".to_owned(), "p/:w".to_owned()));
    assert!(Server::parse("http://h").unwrap().authorization().is_none());
}

#[test]
fn what_cannot_be_used_is_refused_without_being_repeated() {
    for (url, why) in [
        ("", Unusable::NotUrl),
        ("http://", Unusable::NotUrl),
        ("http://user:zqzq@", Unusable::NotUrl),
        ("http://user:zqzq@h:0", Unusable::NotUrl),
        ("http://h:zqzq", Unusable::NotUrl),
        ("http://h:99999", Unusable::NotUrl),
        ("http://h:", Unusable::NotUrl),
        ("http://h/zqzq", Unusable::NotUrl),
        ("http://h?zqzq", Unusable::NotUrl),
        ("http://user:zq@zq@h:1", Unusable::NotUrl),
        ("http://user:zq/zq@h:1", Unusable::NotUrl),
        ("http://user:12#zqzq@h:1", Unusable::NotUrl),
        ("http://user:12/zqzq@h:1", Unusable::NotUrl),
        ("http://user:zq zq@h:1", Unusable::NotUrl),
        ("https://user:zqzq@h", Unusable::Tls),
        ("socks4://user:zqzq@h", Unusable::Scheme),
        ("zqzq://h", Unusable::Scheme),
    ] {
        assert_eq!(Server::parse(url).err(), Some(why), "{url}");
        let proxy = Proxy::new(url);
        let error = proxy.rules().unwrap_err();
        let cause = error.source().unwrap().to_string();
        let told = format!("{error} {error:?} {cause} {proxy:?}");
        assert!(!told.contains("zq"), "{told}");
    }
    let long = format!("socks5://{}:p@h", "u".repeat(256));
    assert_eq!(Server::parse(&long).err(), Some(Unusable::LongLogin));
}

#[test]
fn an_error_names_the_variable() {
    let error = environment(&[("HTTPS_PROXY", "https://canary@h")]).rules().unwrap_err();
    assert_eq!(error.to_string(), "the proxy in HTTPS_PROXY cannot be used");
    let error = Proxy::new("https://canary@h").rules().unwrap_err();
    assert_eq!(error.to_string(), "the proxy cannot be used");
    // What is not asked is not judged.
    let both = environment(&[("http_proxy", "a"), ("https_proxy", "b"), ("ALL_PROXY", "https://")]);
    assert!(both.rules().is_ok());
}

#[test]
fn the_environment_is_read_as_usual() {
    let all = environment(&[("all_proxy", "socks5://all"), ("HTTPS_PROXY", "upper")]);
    assert_eq!(way(&all, "http://h.example/").as_deref(), Some("socks5://all:1080"));
    assert_eq!(way(&all, "https://h.example/").as_deref(), Some("http://upper:80"));
    let lower = environment(&[
        ("http_proxy", "lower"),
        ("HTTP_PROXY", "upper"),
        ("https_proxy", ""),
        ("HTTPS_PROXY", "upper"),
        ("ALL_PROXY", "all"),
    ]);
    assert_eq!(way(&lower, "http://h.example/").as_deref(), Some("http://lower:80"));
    assert_eq!(way(&lower, "https://h.example/").as_deref(), Some("http://upper:80"));
    assert_eq!(way(&environment(&[]), "https://h.example/"), None);
    assert_eq!(way(&Proxy::none(), "https://h.example/"), None);
}

#[test]
fn http_proxy_in_upper_case_is_somebodys_request_in_a_cgi_program() {
    let http = |proxy: Proxy| way(&proxy, "http://h.example/");
    assert!(http(environment(&[("HTTP_PROXY", "evil")])).is_some());
    assert_eq!(http(environment(&[("HTTP_PROXY", "evil"), ("REQUEST_METHOD", "GET")])), None);
    let lower = environment(&[("http_proxy", "ours"), ("REQUEST_METHOD", "GET")]);
    assert_eq!(http(lower).as_deref(), Some("http://ours:80"));
}

/// Faults: 143.
#[test]
fn the_environments_proxy_is_not_asked_for_this_machine_nor_for_what_no_proxy_names() {
    let proxy = environment(&[
        ("ALL_PROXY", "http://p"),
        ("no_proxy", ".example.com, other.example ,10.0.0.0/8,192.168.1.1,fd00::/8"),
    ]);
    for direct in [
        "http://localhost/",
        "https://LocalHost.:1/",
        "https://bucket.localhost/",
        "http://127.0.0.1:9000/",
        "http://127.8.9.10/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://0.0.0.0/",
        "http://100.100.100.200/latest/meta-data/",
        "http://[::ffff:100.100.100.200]/",
        "https://example.com/",
        "https://a.b.EXAMPLE.com/",
        "https://sub.other.example/",
        "https://10.1.2.3/",
        "http://192.168.1.1/",
        "http://[fd00::1]/",
    ] {
        assert_eq!(way(&proxy, direct), None, "{direct}");
    }
    for through in [
        "https://notexample.com/",
        "https://localhost.example/",
        "https://11.1.2.3/",
        "http://192.168.1.2/",
        "http://100.100.100.201/",
        "http://[fe00::1]/",
    ] {
        assert_eq!(way(&proxy, through).as_deref(), Some("http://p:80"), "{through}");
    }
    let none = environment(&[("ALL_PROXY", "http://p"), ("NO_PROXY", "*")]);
    assert_eq!(way(&none, "https://h.example/"), None);
}

#[test]
fn a_proxy_that_is_named_outright_takes_all_but_the_metadata_service() {
    let proxy = Proxy::new("http://p");
    for through in ["http://localhost/", "https://127.0.0.1/", "https://h.example/"] {
        assert_eq!(way(&proxy, through).as_deref(), Some("http://p:80"), "{through}");
    }
    assert_eq!(way(&proxy, "http://100.100.100.200/"), None);
}

#[test]
fn only_a_proxy_elsewhere_carries_loopback_away() {
    assert!(Proxy::new("http://p").carries_loopback_away());
    assert!(!Proxy::new("http://localhost:1").carries_loopback_away());
    assert!(!Proxy::new("socks5://[::1]:1").carries_loopback_away());
    assert!(!environment(&[("ALL_PROXY", "http://p")]).carries_loopback_away());
    assert!(!Proxy::none().carries_loopback_away());
}

#[test]
fn debug_shows_no_credentials() {
    for proxy in [
        Proxy::new("http://canary:canary@p"),
        Proxy::new("http://canary:canary"),
        environment(&[("ALL_PROXY", "http://canary:canary@p")]),
    ] {
        let rules = proxy.rules();
        let builder = crate::HyperTransport::builder().proxy(proxy.clone());
        let told = format!("{proxy:?} {rules:?} {builder:?}");
        assert!(!told.contains("canary"), "{told}");
    }
}
