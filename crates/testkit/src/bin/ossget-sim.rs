//! `ossget-sim`: the OSS simulator for other processes.

#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ossget_testkit::{
    Control, Fault, FaultSpec, ObjectSpec, On, Simulator, SimulatorBuilder, SpecError, Versioning,
    parse_size,
};

/// A simulator of Alibaba Cloud OSS on this machine.
///
/// Prints `listening on http://ADDRESS:PORT` when it is ready and serves until it is interrupted
/// or terminated. Requests are checked like the service checks them.
#[derive(Debug, Parser)]
#[command(name = "ossget-sim", version)]
struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// A directory whose files DIR/BUCKET/KEY are objects; what is PUT is stored there.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// A bucket; may be given several times, --object applies to the first.
    #[arg(long, value_name = "NAME", default_value = "examplebucket")]
    bucket: Vec<String>,

    /// The access key id requests must use.
    #[arg(long, value_name = "ID", env = "OSS_ACCESS_KEY_ID", default_value = "testid")]
    access_key_id: String,

    /// The secret they must be signed with; for tests, never a real one.
    #[arg(
        long,
        value_name = "SECRET",
        env = "OSS_ACCESS_KEY_SECRET",
        default_value = "testsecret",
        hide_env_values = true
    )]
    access_key_secret: String,

    /// The security token they must carry besides.
    #[arg(long, value_name = "TOKEN", env = "OSS_SESSION_TOKEN", hide_env_values = true)]
    sts_token: Option<String>,

    /// The region V4 signatures must name.
    #[arg(long, value_name = "REGION", default_value = "cn-hangzhou")]
    region: String,

    /// Let anyone read without a signature.
    #[arg(long)]
    public_read: bool,

    /// Keep what is replaced and deleted, under version ids.
    #[arg(long)]
    versioning: bool,

    /// A generated object, KEY=SIZE or KEY=SIZE@SEED, as in big=48TiB@7; may be repeated.
    #[arg(long, value_name = "KEY=SIZE[@SEED]")]
    object: Vec<ObjectSpec>,

    /// Bytes a second of all connections together, as in 40MiB.
    #[arg(long, value_name = "RATE", value_parser = parse_size)]
    throttle: Option<u64>,

    /// Bytes a second of each connection.
    #[arg(long, value_name = "RATE", value_parser = parse_size)]
    throttle_each: Option<u64>,

    /// Append each request to a file, one JSON object a line, when its response has ended.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// A fault, METHOD:CONDITION...:FAULT, as in get:nth=3:cut=65536:rst; may be repeated.
    ///
    /// Conditions: key=PATTERN parameter=NAME nth=N times=N always from=N before=N.
    /// Faults: cut=N[:rst] cut-head=N[:rst] stall=N stall-head drop trickle=RATE[@N] flip=N
    /// wrong-bytes=N short=N excess=N chunked ignore-range wrong-content-range
    /// status=CODE[/OSSCODE][:retry-after=TEXT] latency=250ms replace=SIZE[@SEED] delete crc=N
    /// no-crc wrong-etag header=NAME=VALUE no-header=NAME.
    #[arg(long, value_name = "SPEC", verbatim_doc_comment)]
    fault: Vec<String>,

    /// State this CRC-64 for every object, or none at all with `none`.
    #[arg(long, value_name = "NUMBER|none")]
    crc_header: Option<String>,

    /// Seconds by which the service's clock is ahead.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_negative_numbers = true)]
    clock_offset: i64,

    /// Let other processes steer the simulator over HTTP.
    ///
    /// POST /-/sim/faults {"spec":"get:drop"}; POST /-/sim/object {"bucket","key","size","seed"} or
    /// {"bucket","key","text"}; POST /-/sim/throttle {"total":N|null,"each":N|null};
    /// POST /-/sim/clock {"offset_seconds":N}; POST /-/sim/expire-tokens; GET /-/sim/requests;
    /// DELETE /-/sim/requests; DELETE /-/sim/faults.
    #[arg(long, verbatim_doc_comment)]
    control: bool,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "ossget-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let faults: Vec<FaultSpec> =
        args.fault.iter().map(|text| text.parse()).collect::<Result<_, SpecError>>()?;
    let crc_fault = match args.crc_header.as_deref() {
        None => None,
        Some("none") => Some(Fault::NoCrcHeader),
        Some(text) => Some(Fault::WrongCrcHeader(text.parse()?)),
    };
    let sim = builder(&args).start_blocking()?;
    for object in args.object {
        sim.put_object(&object.key, object.content);
    }
    sim.set_clock_offset(args.clock_offset);
    args.throttle.into_iter().for_each(|rate| sim.throttle(rate));
    args.throttle_each.into_iter().for_each(|rate| sim.throttle_each(rate));
    crc_fault.into_iter().for_each(|fault| sim.fault(On::any().always(), fault));
    faults.into_iter().for_each(|spec| sim.fault(spec.on, spec.fault));
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on {}", sim.endpoint())?;
    stdout.flush()?;
    wait_for_the_end()?;
    Ok(())
}

fn builder(args: &Args) -> SimulatorBuilder {
    let mut builder = Simulator::builder()
        .listen(args.listen)
        .credentials(&args.access_key_id, &args.access_key_secret)
        .region(&args.region);
    for bucket in &args.bucket {
        builder = builder.bucket(bucket);
    }
    if let Some(token) = &args.sts_token {
        builder = builder.token(token);
    }
    if let Some(dir) = &args.data {
        builder = builder.data_dir(dir);
    }
    if let Some(file) = &args.log {
        builder = builder.log_file(file);
    }
    if args.public_read {
        builder = builder.public_read();
    }
    if args.versioning {
        builder = builder.versioning(Versioning::Enabled);
    }
    if args.control {
        builder = builder.control(Control::Open);
    }
    builder
}

fn wait_for_the_end() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let mut terminated = signal(SignalKind::terminate())?;
            tokio::select! {
                _ = terminated.recv() => Ok(()),
                interrupted = tokio::signal::ctrl_c() => interrupted,
            }
        }
        #[cfg(not(unix))]
        tokio::signal::ctrl_c().await
    })
}
