//! Downloads through real proxies: tinyproxy and microsocks, from Debian's packages of these names
//! (`tinyproxy-bin`, `microsocks`), on loopback.
#![allow(clippy::unwrap_used, reason = "clippy knows the test functions, not what they share")]

use ossget::{Client, Credentials, Object, Proxy, StaticCredentials};
use ossget_testkit::Content;
use ossget_testkit::scripted::{Authority, Certificate, ScriptedServer};
use ossget_tests::{Ended, Rig, binary, difference, skipped, wait_until};
use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tracing_subscriber::fmt::MakeWriter;

const SIZE: u64 = 3_000_000;
const USER: &str = "proxy-user";
const PASSWORD: &str = "canary-Xy7Qw3";
/// `proxy-user:canary-Xy7Qw3`
const BASIC: &str = "cHJveHktdXNlcjpjYW5hcnktWHk3UXcz";
const ARGS: &[&str] = &["--part-size", "500KiB", "--parallel", "3"];

/// A proxy that runs, and what it says.
struct RealProxy {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
    _dir: TempDir,
}

/// Whether a proxy wants to know who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Everybody,
    WithPassword,
}

impl RealProxy {
    /// tinyproxy, with more lines of configuration.
    fn http(access: Access, more: &str) -> Self {
        Self::start(|dir, address| {
            let log = dir.path().join("log");
            let mut text = format!(
                "Listen {}\nPort {}\nTimeout 60\nMaxClients 50\nLogFile \"{}\"\nLogLevel Connect\n\
                 Allow 127.0.0.1\n{more}\n",
                address.ip(),
                address.port(),
                log.display()
            );
            if access == Access::WithPassword {
                text += &format!("BasicAuth {USER} {PASSWORD}\n");
            }
            let configuration = dir.path().join("conf");
            fs::write(&configuration, text).unwrap();
            let mut command = Command::new("tinyproxy");
            command.arg("-d").arg("-c").arg(configuration).stderr(Stdio::null());
            (command, log)
        })
    }

    /// microsocks.
    fn socks(access: Access) -> Self {
        Self::start(|dir, address| {
            let log = dir.path().join("log");
            let mut command = Command::new("microsocks");
            command.args(["-i", &address.ip().to_string(), "-p", &address.port().to_string()]);
            if access == Access::WithPassword {
                command.args(["-u", USER, "-P", PASSWORD]);
            }
            command.stderr(fs::File::create(&log).unwrap());
            (command, log)
        })
    }

    /// Neither can be told to take any free port: one that was free a moment ago is tried, and
    /// another if somebody else was faster.
    fn start(command: impl Fn(&TempDir, SocketAddr) -> (Command, PathBuf)) -> Self {
        for _ in 0..10 {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = free.local_addr().unwrap();
            drop(free);
            let dir = tempfile::tempdir().unwrap();
            let (mut command, log) = command(&dir, address);
            command.stdin(Stdio::null()).stdout(Stdio::null());
            let mut process = command.spawn().unwrap();
            let mut gone = false;
            wait_until("the proxy", || {
                gone = process.try_wait().unwrap().is_some();
                gone || TcpStream::connect(address).is_ok()
            });
            if !gone {
                return Self { process, address, log, _dir: dir };
            }
        }
        panic!("no proxy could be started");
    }

    fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    fn url_with_password(&self, scheme: &str) -> String {
        format!("{scheme}://{USER}:{PASSWORD}@{}", self.address)
    }

    fn url_for(&self, access: Access, scheme: &str) -> String {
        match access {
            Access::Everybody => self.url(scheme),
            Access::WithPassword => self.url_with_password(scheme),
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Asserts that it was asked for something, and no more than so many times.
    fn assert_asked(&self, what: &str, at_most: usize) {
        let log = self.log();
        let times = log.matches(what).count();
        assert!((1..=at_most).contains(&times), "{what} {times} times in {log}");
    }
}

impl Drop for RealProxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A server with an object over TLS, and a folder to download it to.
struct SecureRig {
    server: ScriptedServer,
    dir: TempDir,
}

impl SecureRig {
    fn new() -> Self {
        let authority = Authority::new().unwrap();
        let server = ScriptedServer::builder(Content::generated(1, SIZE));
        let server = server.tls(&authority, Certificate::Good).start().unwrap();
        let dir = tempfile::tempdir().unwrap();
        authority.write_pem(dir.path().join("ca.pem")).unwrap();
        Self { server, dir }
    }

    fn port(&self) -> u16 {
        self.server.endpoint().rsplit_once(':').unwrap().1.parse().unwrap()
    }

    /// The command that downloads the object from `endpoint`.
    fn command(&self, endpoint: &str, args: &[&str]) -> Command {
        let mut command = Command::new(binary("ossget"));
        command
            .args(["get", "oss://examplebucket/dir/object.bin", "object.bin", "--json"])
            .args(["--endpoint", endpoint, "--region", "cn-hangzhou", "--ca-cert", "ca.pem"])
            .args(["--addressing-style", "path"])
            .args(ARGS)
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("OSS_ACCESS_KEY_ID", "id")
            .env("OSS_ACCESS_KEY_SECRET", "secret")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        self.command(&self.server.endpoint(), args).output().unwrap().into()
    }

    fn assert_downloaded(&self, ended: &Ended) {
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let destination = self.dir.path().join("object.bin");
        assert_eq!(difference(&destination, self.server.content()), None);
        fs::remove_file(destination).unwrap();
    }
}

/// Where everything that is logged goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn note(&self, text: &str) {
        self.0.lock().unwrap().extend_from_slice(text.as_bytes());
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Says so where a program is missing.
fn is_missing(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    if !found {
        skipped(&format!("{program} is not installed"));
    }
    !found
}

fn assert_clean(ended: &Ended) {
    let told = format!("{ended:?}");
    for canary in [PASSWORD, BASIC, USER] {
        assert!(!told.contains(canary), "{told}");
    }
}

/// Bound but not listening: it refuses, and nobody else is given its port while it lives.
fn dead_port() -> (TcpSocket, SocketAddr) {
    let taken = TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = taken.local_addr().unwrap();
    (taken, address)
}

#[test]
fn an_https_object_comes_through_connect_of_a_real_proxy() {
    if is_missing("tinyproxy") {
        return;
    }
    for access in [Access::Everybody, Access::WithPassword] {
        let rig = SecureRig::new();
        let proxy = RealProxy::http(access, "");
        let ended = rig.run(&["--proxy", &proxy.url_for(access, "http")]);
        rig.assert_downloaded(&ended);
        assert_clean(&ended);
        assert_eq!(ended.stderr.contains("--proxy"), access == Access::WithPassword, "{ended:?}");
        // Three connections at most, each for several requests, none past the proxy.
        proxy.assert_asked(&format!("CONNECT 127.0.0.1:{} HTTP/1.1", rig.port()), 4);
        assert!(!proxy.log().contains("GET"), "{}", proxy.log());
        assert_eq!(proxy.log().matches("CONNECT 127").count() as u64, rig.server.connections());
    }
}

#[test]
fn an_http_object_is_asked_of_a_real_proxy_in_absolute_form() {
    if is_missing("tinyproxy") {
        return;
    }
    for access in [Access::Everybody, Access::WithPassword] {
        let rig = Rig::new(2, SIZE);
        let proxy = RealProxy::http(access, "");
        let url = proxy.url_for(access, "http");
        let ended = rig.run_well(&[ARGS, &["--proxy", &url]].concat());
        assert_clean(&ended);
        let target = rig.sim.endpoint();
        proxy.assert_asked(&format!("GET {target}/examplebucket/dir/object.bin HTTP/1.1"), 20);
        assert!(!proxy.log().contains("CONNECT 127"), "{}", proxy.log());
    }
}

#[test]
fn objects_come_through_a_real_socks_proxy_which_may_resolve_the_name() {
    if is_missing("microsocks") {
        return;
    }
    for access in [Access::Everybody, Access::WithPassword] {
        let plain = Rig::new(3, SIZE);
        let proxy = RealProxy::socks(access);
        let ended =
            plain.run_well(&[ARGS, &["--proxy", &proxy.url_for(access, "socks5")]].concat());
        assert_clean(&ended);
        let target = plain.sim.endpoint();
        proxy.assert_asked(target.strip_prefix("http://").unwrap(), 4);

        let rig = SecureRig::new();
        let endpoint = format!("https://localhost:{}", rig.port());
        for (scheme, host) in [("socks5", "127.0.0.1"), ("socks5h", "localhost")] {
            let proxy = RealProxy::socks(access);
            let url = proxy.url_for(access, scheme);
            let ended = rig.command(&endpoint, &["--proxy", &url]).output().unwrap().into();
            rig.assert_downloaded(&ended);
            assert_clean(&ended);
            proxy.assert_asked(&format!("connected to {host}:{}", rig.port()), 4);
        }
    }
}

/// Faults: 24, 143.
#[test]
fn a_real_proxy_that_refuses_is_final_and_is_named() {
    if is_missing("tinyproxy") || is_missing("microsocks") {
        return;
    }
    let rig = SecureRig::new();
    let locked = RealProxy::http(Access::WithPassword, "");
    let closed = RealProxy::http(Access::Everybody, "ConnectPort 1");
    let socks = RealProxy::socks(Access::WithPassword);
    let wrong = |scheme: &str, proxy: &RealProxy| format!("{scheme}://{USER}:no@{}", proxy.address);
    for (proxy, url, text) in [
        (&locked, locked.url("http"), "wants credentials (407)"),
        (&closed, closed.url_with_password("http"), "CONNECT with 403 Forbidden"),
        (&socks, socks.url("socks5h"), "wants credentials"),
        (&locked, wrong("http", &locked), "does not accept the credentials"),
        (&socks, wrong("socks5h", &socks), "does not accept the credentials"),
    ] {
        let ended = rig.run(&["--proxy", &url]);
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(ended.stderr.contains(text), "{ended:?}");
        assert!(ended.stderr.contains(&proxy.address.to_string()), "{ended:?}");
        let failed = ended.event("object_failed");
        assert_eq!(failed["kind"], "denied", "{ended:?}");
        assert_clean(&ended);
    }
    // Once a run.
    locked.assert_asked("CONNECT 127", 2);
    closed.assert_asked("CONNECT 127", 1);
    assert_eq!(rig.server.connections(), 0);
}

/// Faults: 134, 136.
#[test]
fn the_log_of_all_that_can_be_logged_holds_no_credentials_of_a_proxy() {
    if is_missing("tinyproxy") || is_missing("microsocks") {
        return;
    }
    let log = Log::default();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .init();
    let rig = Rig::new(4, SIZE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let http = RealProxy::http(Access::WithPassword, "");
    let socks = RealProxy::socks(Access::WithPassword);
    let (_taken, dead) = dead_port();
    for (url, succeeds) in [
        (http.url_with_password("http"), true),
        (socks.url_with_password("socks5h"), true),
        (format!("http://{USER}:{PASSWORD}@{dead}"), false),
    ] {
        let credentials =
            StaticCredentials::new(Credentials::new("test-id", "test-secret").unwrap());
        let builder = Client::builder(rig.sim.endpoint(), credentials).region("cn-hangzhou");
        let client = builder.proxy(Proxy::new(url)).build().unwrap();
        let object = Object::new("examplebucket", "dir/object.bin").unwrap();
        let download = client.download(object, rig.destination());
        let download = download.retry_max_time(std::time::Duration::from_millis(100));
        log.note(&format!("{client:?} {download:?}"));
        let outcome = runtime.block_on(async move { download.await });
        log.note(&format!("{outcome:?}"));
        assert_eq!(outcome.is_ok(), succeeds, "{outcome:?}");
        if succeeds {
            rig.assert_downloaded();
            fs::remove_file(rig.destination()).unwrap();
        }
    }
    let logged = log.text();
    assert!(logged.contains("connected through a proxy"), "{logged}");
    for canary in [PASSWORD, BASIC, USER] {
        assert!(!logged.contains(canary), "{canary}: {logged}");
    }
}

/// Faults: 24.
#[test]
fn a_proxy_that_is_not_there_is_tried_again_and_named() {
    let rig = SecureRig::new();
    let (_taken, dead) = dead_port();
    for scheme in ["http", "socks5", "socks5h"] {
        let url = format!("{scheme}://{USER}:{PASSWORD}@{dead}");
        let ended = rig.run(&["--proxy", &url, "--retry-max-time", "1s", "-vv"]);
        assert_eq!(ended.code, Some(75), "{ended:?}");
        let named = format!("the proxy {scheme}://{dead} cannot be reached");
        assert!(ended.stderr.contains(&named), "{ended:?}");
        assert_clean(&ended);
    }
    assert_eq!(rig.server.connections(), 0);
}

/// Faults: 143.
#[test]
fn the_environments_proxy_is_for_other_machines_and_flags_win_over_it() {
    let rig = SecureRig::new();
    let (_taken, dead) = dead_port();
    let url = format!("http://{USER}:{PASSWORD}@{dead}");
    let named = format!("the proxy http://{dead} cannot be reached");
    let run = |endpoint: &str, variable: &str, args: &[&str]| -> Ended {
        let mut command = rig.command(endpoint, args);
        command.args(["--retry-max-time", "100ms"]).env(variable, &url);
        let ended = command.output().unwrap().into();
        assert_clean(&ended);
        ended
    };
    let here = rig.server.endpoint();
    for variable in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        rig.assert_downloaded(&run(&here, variable, &[]));
        let elsewhere = run("https://oss.example.invalid", variable, &[]);
        assert_eq!(elsewhere.code, Some(75), "{elsewhere:?}");
        assert!(elsewhere.stderr.contains(&named), "{elsewhere:?}");
    }
    let direct = run("https://oss.example.invalid", "ALL_PROXY", &["--no-proxy"]);
    assert!(!direct.stderr.contains("proxy"), "{direct:?}");
    assert!(direct.stderr.contains("does not resolve (oss.example.invalid)"), "{direct:?}");
    let (_other_taken, other) = dead_port();
    let flag = format!("socks5h://{other}");
    for endpoint in [&here, "https://oss.example.invalid"] {
        let ended = run(endpoint, "ALL_PROXY", &["--proxy", &flag]);
        assert_eq!(ended.code, Some(75), "{ended:?}");
        assert!(ended.stderr.contains(&format!("the proxy {flag} cannot be")), "{ended:?}");
    }
}

/// Faults: 134, 139, 143.
#[test]
fn a_proxy_that_cannot_be_used_is_a_usage_error_without_its_password() {
    let rig = SecureRig::new();
    for (url, text) in [
        (format!("https://{USER}:{PASSWORD}@proxy.example"), "TLS to a proxy"),
        (format!("socks4://{USER}:{PASSWORD}@proxy.example"), "only http://"),
        (format!("http://{USER}:{PASSWORD}/@proxy.example"), "%2F"),
        (format!("{USER}:{PASSWORD}"), "must be a URL"),
        (String::new(), "must be a URL"),
    ] {
        let ended = rig.run(&["--proxy", &url]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(text), "{ended:?}");
        assert_clean(&ended);
        if url.is_empty() {
            continue;
        }
        let mut command = rig.command(&rig.server.endpoint(), &[]);
        let ended: Ended = command.env("HTTPS_PROXY", &url).output().unwrap().into();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("HTTPS_PROXY"), "{ended:?}");
        assert_clean(&ended);
    }
    // Loopback needs no permission for plain http, but not by way of another machine.
    let plain = Rig::new(1, 1000);
    let away = plain.run(&["--proxy", "http://proxy.example:3128"]);
    assert_eq!(away.code, Some(2), "{away:?}");
    assert!(away.stderr.contains("plain http"), "{away:?}");
    assert_eq!(rig.server.connections(), 0);
}
