//! The tools, and how each is started.

use super::measure::Place;
use super::rig::Rig;
use super::scenario::Server;
use crate::process::{program, root, succeeds};

pub(super) struct Tool {
    pub(super) name: &'static str,
    /// Words, with what changes from scenario to scenario in braces.
    command: &'static str,
    /// Whether it reads the keys from its standard input.
    pub(super) reads_keys: bool,
    /// The server in place of the scenario's.
    pub(super) server: Option<Server>,
}

impl Tool {
    const fn new(name: &'static str, command: &'static str) -> Self {
        Self { name, command, reads_keys: false, server: None }
    }

    const fn reading_keys(mut self) -> Self {
        self.reads_keys = true;
        self
    }

    const fn from(mut self, server: Server) -> Self {
        self.server = Some(server);
        self
    }

    pub(super) fn named(name: &str) -> &'static Self {
        TOOLS.iter().find(|tool| tool.name == name).expect("scenarios name tools of the list")
    }

    /// Whether what it needs is installed.
    pub(super) fn is_there(&self, rig: &Rig) -> bool {
        match self.command.split(' ').next().unwrap_or_default() {
            "{python}" => {
                let module = if self.name.starts_with("oss2") { "oss2" } else { "obstore" };
                succeeds(program(rig.venv("python")).args(["-c", &format!("import {module}")]))
            }
            "s5cmd" => succeeds(program(rig.find("s5cmd")).arg("version")),
            word if word.starts_with('{') => true,
            word => succeeds(program(rig.find(word)).arg("--version")),
        }
    }

    /// The command for one download.
    pub(super) fn words(&self, place: &Place, rig: &Rig) -> Vec<String> {
        let release = root().join("target/release");
        let release = std::env::var_os("CARGO_TARGET_DIR")
            .map_or(release, |it| root().join(it).join("release"));
        let out = place.out.display().to_string();
        let folder = place.folder.display().to_string();
        let (name, keys) = (place.name(), rig.keys().display().to_string());
        let values: [(&str, &str); 16] = [
            ("ossget", &release.join("ossget").display().to_string()),
            ("many", &release.join("examples/many").display().to_string()),
            ("floor", &rig.helper("floor").display().to_string()),
            ("python", &rig.venv("python").display().to_string()),
            ("clients", &root().join("bench/clients").display().to_string()),
            ("url", &format!("{}/bench/{}", place.endpoint, place.key)),
            ("endpoint", &place.endpoint),
            ("port", &place.port.to_string()),
            ("key", place.key),
            ("size", &place.size.to_string()),
            ("n", &place.connections.to_string()),
            ("ca", &rig.authority().display().to_string()),
            (
                "tls",
                &if place.is_tls { rig.authority().display().to_string() } else { String::new() },
            ),
            // Of a client that cannot be told whom to trust: it has less to do, then.
            ("unverified", if place.is_tls { "--no-verify-ssl" } else { "" }),
            ("out", &out),
            ("folder", &folder),
        ];
        let mut words = Vec::new();
        for (index, word) in self.command.split(' ').enumerate() {
            let mut word = match index {
                0 if !word.starts_with('{') => rig.find(word).display().to_string(),
                _ => word.replace("{name}", &name).replace("{keys}", &keys),
            };
            for (what, value) in values {
                word = word.replace(&format!("{{{what}}}"), value);
            }
            if !word.is_empty() {
                words.push(word);
            }
        }
        words
    }
}

macro_rules! ossget {
    ($options:literal) => {
        concat!(
            "{ossget} get oss://bench/{key} {out} --endpoint {endpoint} --anonymous \
             --addressing-style path --ca-cert {ca} -q ",
            $options
        )
    };
}

const FLOOR: &str = "{floor} pwrite 127.0.0.1 {port} /bench/{key} {size} {n} 524288 {out} {tls}";

const TOOLS: &[Tool] = &[
    Tool::new("floor", FLOOR),
    Tool::new("floor-without", FLOOR).from(Server::Paced),
    Tool::new(
        "floor-direct",
        "{floor} direct 127.0.0.1 {port} /bench/{key} {size} {n} 1048576 {out}",
    ),
    Tool::new("ossget", ossget!("--parallel {n}")),
    Tool::new("ossget-auto", ossget!("--parallel auto")),
    Tool::new("ossget-100k", ossget!("--parallel {n} --part-size 100KiB")),
    Tool::new("ossget-without", ossget!("--parallel {n}")).from(Server::Paced),
    Tool::new("ossget-many", "{many} {endpoint} bench {folder} {n}").reading_keys(),
    Tool::new("curl", "curl -sf --cacert {ca} -o {out} {url}"),
    Tool::new(
        "curl-many",
        "curl -sf --parallel --parallel-max {n} -K {keys}.curl --output-dir {folder}",
    ),
    Tool::new(
        "aria2c",
        "aria2c -q --no-conf -x{n} -s{n} -k1M --file-allocation=none --allow-overwrite=true \
         --ca-certificate={ca} -d {folder} -o {name} {url}",
    ),
    Tool::new(
        "s5cmd",
        "s5cmd {unverified} --no-sign-request --endpoint-url {endpoint} cp --concurrency {n} \
         --part-size 8 s3://bench/{key} {out}",
    ),
    Tool::new(
        "s5cmd-many",
        "s5cmd --numworkers {n} --no-sign-request --endpoint-url {endpoint} cp s3://bench/small/* \
         {folder}/",
    ),
    Tool::new(
        "rclone",
        "rclone --config /dev/null -q --ca-cert {ca} copyto \
         :http,url='{endpoint}/bench/':{key} {out} --multi-thread-streams {n} \
         --multi-thread-cutoff 8M --multi-thread-chunk-size 8M",
    ),
    Tool::new("obstore", "{python} {clients}/obstore_get.py {endpoint} {n} one {key} {out}"),
    Tool::new("obstore-many", "{python} {clients}/obstore_get.py {endpoint} {n} many {folder}")
        .reading_keys(),
    Tool::new("oss2-100k", "{python} {clients}/oss2_get.py {endpoint} {n} 102400 {key} {out}"),
];
