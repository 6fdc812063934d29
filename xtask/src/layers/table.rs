//! The layer rules as data. A new entry needs a decision note in `docs/decisions/`.

/// One crate of the workspace and what it may depend on.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) package: &'static str,
    pub(crate) folder: &'static str,
    /// Crates of the workspace.
    pub(crate) edges: &'static [Allowed],
    /// Further crates of the workspace, for tests only.
    pub(crate) test_edges: &'static [Allowed],
    /// Crates from the registry. What only tests use is not restricted.
    pub(crate) external: External,
    pub(crate) unsafe_code: UnsafeCode,
    pub(crate) no_std: bool,
}

#[derive(Debug)]
pub(crate) enum External {
    Only(&'static [Allowed]),
    Any,
}

#[derive(Debug)]
pub(crate) struct Allowed {
    pub(crate) name: &'static str,
    pub(crate) presence: Presence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Always,
    /// Behind a feature: the crate must build without it.
    Optional,
}

/// What the crate's `lib.rs`, `main.rs` and further binaries must say about unsafe code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnsafeCode {
    /// `#![forbid(unsafe_code)]`.
    Forbidden,
    /// `#![deny(unsafe_code)]`, lifted by the one module that holds all of it.
    OneModule,
}

const fn always(name: &'static str) -> Allowed {
    Allowed { name, presence: Presence::Always }
}

const fn optional(name: &'static str) -> Allowed {
    Allowed { name, presence: Presence::Optional }
}

pub(crate) const LAYERS: &[Layer] = &[
    Layer {
        package: "ossget-core",
        folder: "crates/core",
        edges: &[],
        test_edges: &[],
        // Nothing: what it cannot reach it cannot depend on by accident.
        external: External::Only(&[]),
        unsafe_code: UnsafeCode::Forbidden,
        no_std: true,
    },
    Layer {
        package: "ossget-sign",
        folder: "crates/sign",
        edges: &[],
        test_edges: &[],
        external: External::Only(SIGN),
        unsafe_code: UnsafeCode::Forbidden,
        no_std: false,
    },
    Layer {
        package: "ossget-transport",
        folder: "crates/transport",
        edges: &[],
        test_edges: &[],
        external: External::Only(TRANSPORT),
        unsafe_code: UnsafeCode::Forbidden,
        no_std: false,
    },
    Layer {
        package: "ossget-fs",
        folder: "crates/fs",
        edges: &[],
        test_edges: &[],
        external: External::Only(FS),
        unsafe_code: UnsafeCode::OneModule,
        no_std: false,
    },
    Layer {
        package: "ossget",
        folder: "crates/ossget",
        edges: LEAVES,
        test_edges: TESTKIT,
        external: External::Only(FACADE),
        unsafe_code: UnsafeCode::Forbidden,
        no_std: false,
    },
    Layer {
        package: "ossget-object-store",
        folder: "crates/object-store",
        // The facade is all it adapts.
        edges: &[always("ossget")],
        // Itself: the tests are run for both versions of object_store.
        test_edges: &[always("ossget-testkit"), always("ossget-object-store")],
        external: External::Only(OBJECT_STORE),
        unsafe_code: UnsafeCode::Forbidden,
        no_std: false,
    },
    Layer {
        package: "ossget-cli",
        folder: "crates/cli",
        edges: &[
            always("ossget"),                // the facade, and nothing below it
            optional("ossget-object-store"), // s3://, gs://, az:// and file:// sources
        ],
        test_edges: TESTKIT,
        external: External::Only(CLI),
        unsafe_code: UnsafeCode::Forbidden,
        no_std: false,
    },
    Layer {
        package: "ossget-testkit",
        folder: "crates/testkit",
        edges: LEAVES,
        test_edges: &[],
        // It imitates servers and disks: whatever that takes.
        external: External::Any,
        unsafe_code: UnsafeCode::Forbidden,
        no_std: false,
    },
    Layer {
        package: "ossget-fuzz",
        folder: "fuzz",
        // What strangers hand to each layer, straight to that layer.
        edges: FUZZED,
        test_edges: &[],
        external: External::Any,
        // The allocator that counts, of these binaries only.
        unsafe_code: UnsafeCode::OneModule,
        no_std: false,
    },
    Layer {
        package: "ossget-tests",
        folder: "tests",
        // The simulator that the binaries are run against, and the published checkpoint format, to
        // read what they leave.
        edges: &[always("ossget-core"), always("ossget-testkit")],
        // The log of the library at levels that the command line does not reach; requests that no
        // command makes.
        test_edges: &[always("ossget"), always("ossget-sign")],
        external: External::Any,
        // The system calls that faults are made with.
        unsafe_code: UnsafeCode::OneModule,
        no_std: false,
    },
    Layer {
        package: "xtask",
        folder: "xtask",
        edges: &[],
        test_edges: &[],
        // For what `cargo metadata` and `ossget --json` print; for the bytes that `bench` serves.
        external: External::Only(&[always("crc-fast"), always("serde_json")]),
        unsafe_code: UnsafeCode::Forbidden,
        no_std: false,
    },
];

const LEAVES: &[Allowed] = &[
    always("ossget-core"),
    always("ossget-sign"),
    always("ossget-transport"),
    always("ossget-fs"),
];

const FUZZED: &[Allowed] = &[
    always("ossget"),
    always("ossget-core"),
    always("ossget-sign"),
    always("ossget-transport"),
    always("ossget-fs"),
];

const TESTKIT: &[Allowed] = &[always("ossget-testkit")];

const SIGN: &[Allowed] = &[
    always("base64"), // V1 signatures
    always("hmac"),
    always("http"),             // the request that is signed
    always("jiff"),             // writes a given time as text
    always("percent-encoding"), // canonical requests
    always("secrecy"),          // keys that do not print themselves
    always("sha1"),             // V1
    always("sha2"),             // V4
    always("thiserror"),
    always("zeroize"), // keys are wiped when dropped
];

const TRANSPORT: &[Allowed] = &[
    always("async-trait"), // the trait is used as an object
    always("bytes"),       // body chunks
    always("futures"),     // body streams
    always("http"),        // requests and response heads
    always("http-body"),   // bodies of custom transports
    always("thiserror"),
    optional("http-body-util"),      // feature hyper
    optional("hyper"),               // feature hyper
    optional("hyper-rustls"),        // feature hyper
    optional("hyper-util"),          // feature hyper: the connector, proxies
    optional("rustls"),              // feature hyper
    optional("rustls-native-certs"), // feature hyper: the system's roots
    optional("rustls-pki-types"),    // feature hyper: reads --ca-cert
    optional("tokio"),               // feature hyper: sockets and timers
    optional("tower-service"),       // feature hyper: the connector's trait
    optional("tracing"),             // feature hyper: connection events
    optional("webpki-roots"),        // feature hyper: roots where the system has none
];

const FS: &[Allowed] = &[
    always("fs4"),     // reserves disk space on Windows
    always("libc"),    // sync_file_range, which rustix lacks
    always("memmap2"), // huge pages for direct writes
    always("rustix"),  // locks, openat, renameat2 and statx without unsafe code
    always("thiserror"),
];

const FACADE: &[Allowed] = &[
    always("async-trait"), // sources and credentials providers are used as objects
    always("base64"),      // Content-MD5 and credential files
    always("bytes"),
    always("configparser"), // credential files in INI form
    always("crc-fast"),     // CRC-64/XZ over every byte, in the pass that writes it
    always("futures"),
    always("getrandom"), // partial file names, jitter
    always("http"),
    always("jiff"),             // HTTP dates and credential expiry
    always("md-5"),             // --checksum
    always("percent-encoding"), // secrets that a server repeats
    always("quick-xml"),        // listings and error bodies
    always("serde"),            // shapes of listings, error bodies, credential files
    always("serde_json"),       // answers of STS and of metadata, config.json
    always("sha2"),             // checkpoint names and --checksum
    always("shlex"),            // the words of a command for credentials
    always("thiserror"),
    always("tokio"), // tasks, timers, a program for credentials
    always("tracing"),
];

const OBJECT_STORE: &[Allowed] = &[
    always("async-trait"), // in the signatures of object_store's traits
    always("bytes"),       // in the signatures of object_store's traits
    always("futures"),     // in the signatures of object_store's traits
    always("http"),        // in the signature of its `Signer`
    optional("http-body"), // bodies for object_store's clients of clouds
    optional("http-body-util"),
    optional("object_store"),
    optional("percent-encoding"), // paths in file:// URLs
    always("tokio"),              // reads files of a store of files off the runtime
    always("tracing"),            // keys that a listing leaves out
    always("url"),                // in the signature of its `Signer`
];

const CLI: &[Allowed] = &[
    always("clap"),
    always("indicatif"),          // progress bars
    always("serde"),              // events
    always("serde_json"),         // --json and --report
    always("tokio"),              // the runtime, signals
    always("tracing-subscriber"), // -v and --log-file
];
