//! What is downloaded, how, and by which tools.

use super::data::Object;

pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) object: Object,
    /// Ranges in flight, or objects at once.
    pub(super) connections: u32,
    pub(super) server: Server,
    pub(super) target: Target,
    /// The tool whose figures the others are divided by.
    pub(super) reference: &'static str,
    pub(super) tools: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    Plain,
    Tls,
    /// So many bytes a second for each connection.
    Paced,
    /// The same, but a hundredth of that for the third connection since it was started.
    Straggling,
    /// Plain, with a round trip of 20 ms.
    Far,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Memory,
    Disk,
}

/// Bytes a second for each connection of the paced servers.
pub(super) const PACE: u64 = 20 << 20;

const PLAIN: Scenario = Scenario {
    name: "a",
    title: "1 GiB over HTTP to memory, 8 connections",
    object: Object::Gib1,
    connections: 8,
    server: Server::Plain,
    target: Target::Memory,
    reference: "floor",
    tools: &["floor", "ossget", "ossget-auto", "s5cmd", "aria2c", "rclone", "obstore", "curl"],
};

pub(super) const SCENARIOS: &[Scenario] = &[
    PLAIN,
    Scenario {
        name: "a64",
        title: "1 GiB over HTTP to memory, 64 connections",
        connections: 64,
        tools: &["floor", "ossget"],
        ..PLAIN
    },
    Scenario {
        name: "b",
        title: "1 GiB over TLS 1.3 to memory, 8 connections",
        server: Server::Tls,
        ..PLAIN
    },
    Scenario {
        name: "c",
        title: "4 GiB over HTTP to the disk, 8 connections; of others the sync that follows counts",
        object: Object::Gib4,
        target: Target::Disk,
        reference: "floor-direct",
        tools: &["floor-direct", "ossget", "s5cmd", "aria2c"],
        ..PLAIN
    },
    Scenario {
        name: "c64",
        title: "4 GiB over HTTP to the disk, 64 connections",
        object: Object::Gib4,
        connections: 64,
        target: Target::Disk,
        reference: "floor-direct",
        tools: &["floor-direct", "ossget"],
        ..PLAIN
    },
    Scenario {
        name: "d8",
        title: "1 GiB, 20 MiB/s for each of 8 connections: 6.40 s at best",
        server: Server::Paced,
        tools: &["floor", "ossget", "s5cmd", "aria2c"],
        ..PLAIN
    },
    Scenario {
        name: "d16",
        title: "1 GiB, 20 MiB/s for each of 16 connections: 3.20 s at best, 1.60 s with 32",
        connections: 16,
        server: Server::Paced,
        tools: &["floor", "ossget", "ossget-auto", "s5cmd", "aria2c"],
        ..PLAIN
    },
    Scenario {
        name: "e",
        title: "2,000 objects of 64 KiB over HTTP to memory, 16 at once",
        object: Object::Small,
        connections: 16,
        reference: "curl-many",
        tools: &["curl-many", "ossget-many", "obstore-many", "s5cmd-many"],
        ..PLAIN
    },
    Scenario {
        name: "f",
        title: "1 GiB over HTTP to memory, 8 connections, a round trip of 20 ms",
        server: Server::Far,
        ..PLAIN
    },
    Scenario {
        name: "f100k",
        title: "100 KiB over HTTP to memory, a round trip of 20 ms: 0.040 s with the connection",
        object: Object::Kib100,
        connections: 1,
        server: Server::Far,
        reference: "curl",
        tools: &["curl", "ossget"],
        ..PLAIN
    },
    Scenario {
        name: "g",
        title: "200 MiB over HTTP to memory in parts of 100 KiB, 4 connections",
        object: Object::Mib200,
        connections: 4,
        reference: "oss2-100k",
        tools: &["oss2-100k", "ossget-100k"],
        ..PLAIN
    },
    Scenario {
        name: "i",
        title: "1 byte over HTTP to memory",
        object: Object::Byte,
        connections: 1,
        reference: "curl",
        tools: &["curl", "ossget"],
        ..PLAIN
    },
    Scenario {
        name: "k",
        title: "as d8, but 0.2 MiB/s for the third connection",
        server: Server::Straggling,
        tools: &["floor-without", "ossget", "ossget-without", "s5cmd"],
        reference: "ossget-without",
        ..PLAIN
    },
];
