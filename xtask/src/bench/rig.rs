//! The server, its namespaces, and the helpers in C.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::data::{Objects, curl_list};
use super::scenario::{PACE, Server, Target};
use crate::ci::install;
use crate::process::{Context, Failure, Outcome, cargo, on_path, program, root, run, succeeds};

/// Where everything lies that the runs need.
pub(super) struct Rig {
    /// On a disk.
    work: PathBuf,
    /// In memory.
    memory: PathBuf,
}

impl Rig {
    /// Builds the programs and helpers.
    pub(super) fn build() -> Outcome<Self> {
        let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        let rig = Self {
            work: root().join(target).join("bench"),
            memory: PathBuf::from("/dev/shm/ossget-bench"),
        };
        for (name, package) in [
            ("nginx", "nginx-light"),
            ("/usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so", HEADERS_MORE),
            ("/usr/include/openssl/ssl.h", "libssl-dev"),
            ("gcc", "gcc"),
            ("ip", "iproute2"),
            ("openssl", "openssl"),
            ("curl", "curl"),
        ] {
            let is_there = || {
                Path::new(name).is_absolute() && Path::new(name).exists() || on_path(name).is_some()
            };
            if !is_there() {
                install(package, is_there)?;
            }
        }
        fs::create_dir_all(&rig.work).context(rig.work.display())?;
        for (helper, options) in [
            ("floor", &["-pthread", "-lssl", "-lcrypto"][..]),
            ("launch", &[]),
            ("delay", &["-pthread"]),
            ("pace.so", &["-shared", "-fPIC", "-ldl"]),
        ] {
            let source = format!("bench/{}.c", helper.trim_end_matches(".so"));
            let out = rig.helper(helper);
            run(program("gcc").args(["-O2", "-o"]).arg(out).arg(source).args(options))?;
        }
        run(&mut cargo(["build", "--release", "-p", "ossget-cli"]))?;
        run(&mut cargo(["build", "--release", "-p", "ossget", "--example", "many"]))?;
        if !rig.work.join("server.pem").exists() {
            rig.make_certificates()?;
        }
        Ok(rig)
    }

    pub(super) fn helper(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }

    pub(super) fn www(&self) -> PathBuf {
        self.memory.join("www")
    }

    /// A list of the small objects.
    pub(super) fn keys(&self) -> PathBuf {
        self.work.join("keys")
    }

    /// The certificate that signs the server's.
    pub(super) fn authority(&self) -> PathBuf {
        self.work.join("ca.pem")
    }

    pub(super) fn out(&self, target: Target) -> PathBuf {
        match target {
            Target::Memory => self.memory.join("out"),
            Target::Disk => self.work.join("out"),
        }
    }

    /// A program of the virtual environment in which rivals may be installed.
    pub(super) fn venv(&self, name: &str) -> PathBuf {
        self.work.join("venv/bin").join(name)
    }

    /// A rival: of the virtual environment, or else of this machine.
    pub(super) fn find(&self, name: &str) -> PathBuf {
        let own = self.venv(name);
        if own.exists() { own } else { on_path(name).unwrap_or_else(|| name.into()) }
    }

    /// What is dirty goes to the disk before the clock starts.
    pub(super) fn sync(&self) -> Outcome {
        run_quietly(&mut program("sync"))
    }

    /// An authority, and the server's certificate that it signs.
    fn make_certificates(&self) -> Outcome {
        let openssl = |words: &str| {
            run_quietly(program("openssl").args(words.split(' ')).current_dir(&self.work))
        };
        let extensions = self.work.join("server.ext");
        let text = "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n";
        fs::write(&extensions, text).context(extensions.display())?;
        openssl(
            "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost",
        )?;
        openssl(
            "req -x509 -newkey rsa:2048 -nodes -days 3650 -keyout ca.key -out ca.pem \
             -subj /CN=ossget-bench -addext keyUsage=critical,keyCertSign,cRLSign",
        )?;
        openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 \
             -extfile server.ext -out server.pem",
        )
    }

    /// Starts the servers that serve all scenarios but those with a straggler.
    pub(super) fn serve(&self, objects: &Objects) -> Outcome<Servers> {
        let crcs = self.work.join("crcs.conf");
        fs::write(&crcs, objects.crc_map()).context(crcs.display())?;
        let list = self.work.join("keys.curl");
        fs::write(&list, curl_list(&Server::Plain.endpoint())).context(list.display())?;
        let mut servers = Servers::default();
        for space in [NEAR, FAR] {
            // Of a run that was killed.
            succeeds(program("ip").args(["netns", "del", space]));
            run_quietly(program("ip").args(["netns", "add", space]))?;
            servers.spaces.push(space);
        }
        run_quietly(inside(NEAR).args(["ip", "link", "set", "lo", "up"]))?;
        servers.running.push(self.start_nginx("plain", 2, &self.plain_listeners(), 0)?);
        servers.running.push(self.start_nginx("paced", 2, &[Server::Paced.port()], 0)?);
        let mut delay = program(self.helper("delay"));
        delay.args([NEAR, FAR, ONE_WAY_MICROSECONDS]).stdout(Stdio::piped());
        let mut delay = Running(delay.spawn().context("delay")?);
        let mut ready = String::new();
        let told = delay.0.stdout.take().ok_or_else(|| Failure::new("delay has no output"))?;
        BufReader::new(told).read_line(&mut ready).context("delay")?;
        servers.running.push(delay);
        join_spaces()?;
        Ok(servers)
    }

    /// Starts a server whose third connection is a straggler.
    pub(super) fn start_straggling(&self) -> Outcome<Running> {
        self.start_nginx("straggling", 1, &[Server::Straggling.port()], 3)
    }

    /// What runs a client of this server.
    pub(super) fn client(&self, server: Server) -> Command {
        inside(if server == Server::Far { FAR } else { NEAR })
    }

    fn plain_listeners(&self) -> [u16; 2] {
        [Server::Plain.port(), Server::Tls.port()]
    }

    fn start_nginx(
        &self,
        name: &str,
        workers: u32,
        ports: &[u16],
        straggler: u32,
    ) -> Outcome<Running> {
        let config = self.work.join(format!("{name}.conf"));
        let mut listeners = String::new();
        for &port in ports {
            let tls = if port == Server::Tls.port() { " ssl" } else { "" };
            listeners += &format!("listen 127.0.0.1:{port}{tls} backlog=4096; ");
        }
        let template = root().join("bench/nginx.conf");
        let text = fs::read_to_string(&template).context(template.display())?;
        let text = text
            .replace("@NAME@", name)
            .replace("@WORKERS@", &workers.to_string())
            .replace("@WORK@", &self.work.display().to_string())
            .replace("@WWW@", &self.www().display().to_string())
            .replace("@LISTEN@", &listeners);
        fs::write(&config, text).context(config.display())?;
        let mut nginx = inside(NEAR);
        nginx.args(["nginx", "-g", "daemon off;", "-p"]).arg(&self.work).arg("-c").arg(&config);
        if name != "plain" {
            nginx.env("LD_PRELOAD", self.helper("pace.so"));
            nginx.env("PACE_BYTES", PACE.to_string()).env("PACE_STRAGGLER", straggler.to_string());
        }
        let running = Running(nginx.spawn().context("nginx")?);
        let begun = Instant::now();
        for port in ports {
            let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, *port);
            // Looked for without a connection, which would count.
            let mut listening = inside(NEAR);
            listening.args(["ss", "-Hltn", "src", &address.to_string()]);
            while listening.output().is_ok_and(|it| it.stdout.is_empty()) {
                if begun.elapsed() > Duration::from_secs(10) {
                    return Err(Failure::new(format!("nginx does not listen at {address}")));
                }
                sleep(Duration::from_millis(10));
            }
        }
        Ok(running)
    }
}

impl Server {
    pub(super) const fn port(self) -> u16 {
        match self {
            Self::Plain | Self::Far => 18080,
            Self::Paced => 18081,
            Self::Straggling => 18082,
            Self::Tls => 18443,
        }
    }

    pub(super) fn endpoint(self) -> String {
        let scheme = if self == Self::Tls { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port())
    }
}

/// Servers and namespaces, gone when this is dropped.
#[derive(Default)]
pub(super) struct Servers {
    running: Vec<Running>,
    spaces: Vec<&'static str>,
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.running.clear();
        for space in &self.spaces {
            succeeds(program("ip").args(["netns", "del", space]));
        }
    }
}

/// A process that is told to end when this is dropped.
pub(super) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // nginx ends its workers when it is told to end, not when it is killed.
        succeeds(program("kill").arg(self.0.id().to_string()));
        let _ = self.0.wait();
    }
}

/// Clients of the far namespace reach the server's addresses over the delayed link only.
fn join_spaces() -> Outcome {
    let near = "ip link set rtt0 up mtu 1500 txqueuelen 10000; \
        sysctl -qw net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.rtt0.route_localnet=1 \
        net.ipv4.conf.rtt0.rp_filter=0 net.ipv4.conf.all.rp_filter=0; \
        ip route del local 127.1.0.2 table local 2>/dev/null || true; \
        ip rule add to 127.1.0.2 lookup 77 pref 5; ip rule del pref 0 lookup local; \
        ip rule add pref 10 lookup local; ip route add 127.1.0.2 dev rtt0 src 127.0.0.1 table 77";
    let far = "ip link set rtt0 up mtu 1500 txqueuelen 10000; \
        sysctl -qw net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.rtt0.route_localnet=1 \
        net.ipv4.conf.rtt0.rp_filter=0 net.ipv4.conf.all.rp_filter=0; \
        ip addr add 127.1.0.2/32 dev rtt0; ip route add 127.0.0.1 dev rtt0 src 127.1.0.2";
    for (space, script) in [(NEAR, near), (FAR, far)] {
        run_quietly(inside(space).args(["sh", "-ec", script]))?;
    }
    Ok(())
}

fn inside(space: &str) -> Command {
    let mut command = program("ip");
    command.args(["netns", "exec", space]);
    command
}

fn run_quietly(command: &mut Command) -> Outcome {
    let line = crate::process::line_of(command);
    let output = command.output().context(format_args!("cannot start `{line}`"))?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("`{line}`: {}\n{told}", output.status)))
}

const HEADERS_MORE: &str = "libnginx-mod-http-headers-more-filter";
/// Where servers run, and clients but those far away.
const NEAR: &str = "ossget-near";
const FAR: &str = "ossget-far";
const ONE_WAY_MICROSECONDS: &str = "10000";
