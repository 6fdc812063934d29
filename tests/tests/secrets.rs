//! Canaries: secrets that occur nowhere else, looked for in everything a run leaves or says.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use ossget::{Client, Credentials, Object, StaticCredentials};
use ossget_testkit::{Content, Fault, On, Simulator};
use ossget_tests::binary;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tracing_subscriber::fmt::MakeWriter;

const ID: &str = "STS.Zq9IdCanary6tGkW2vX";
const SECRET: &str = "Zq9SkCanary7hVb2xWt+Yp4LmNc8RdJf/Q";
const TOKEN: &str = "Zq9TkCanaryCAIS8gF1q6Ft5B2yfSjIr5fbDOLmhZlF3pSSanXWsWwySd1b+obJpTz2IHFMdHVtBeEatPg0lm1U7PoflqJ4RJZeRA==";
const BUCKET: &str = "examplebucket";
const SIZE: u64 = 2_000_000;

/// A simulator that knows the canaries, a folder to download to, and one with the secrets.
struct Rig {
    sim: Simulator,
    dir: TempDir,
    secrets: TempDir,
}

impl Rig {
    fn new() -> Self {
        let sim = Simulator::builder().bucket(BUCKET).credentials(ID, SECRET).token(TOKEN);
        let sim = sim.start_blocking().expect("loopback addresses can be bound");
        sim.put_object("k", Content::generated(1, SIZE));
        let rig = Self {
            sim,
            dir: tempfile::tempdir().expect("a temporary folder"),
            secrets: tempfile::tempdir().expect("a temporary folder"),
        };
        for (name, secret) in [("secret", SECRET), ("token", TOKEN)] {
            fs::write(rig.secrets.path().join(name), secret).expect("a writable folder");
        }
        rig
    }

    /// The program with the secrets in its environment, saying all it can say.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary("ossget"));
        command
            .args(args)
            .env_clear()
            .current_dir(self.dir.path())
            .env("OSS_ACCESS_KEY_ID", ID)
            .env("OSS_ACCESS_KEY_SECRET", SECRET)
            .env("OSS_SESSION_TOKEN", TOKEN)
            // Not heeded.
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// A download from the simulator, or from elsewhere if the arguments say so.
    fn get(&self, args: &[&str]) -> Command {
        let endpoint = self.sim.endpoint();
        let mut all = vec!["get", "oss://examplebucket/k", "f", "-vv"];
        all.extend(["--report", "report", "--part-size", "200KiB", "--parallel", "2"]);
        if !args.contains(&"-e") {
            all.extend(["-e", &endpoint]);
        }
        all.extend(["--region", "cn-hangzhou"]);
        all.extend(args);
        self.command(&all)
    }

    /// Runs to the end; nothing said or left may hold a canary. Returns what was said.
    fn expect(&self, what: &str, command: &mut Command, code: i32) -> String {
        let output = command.output().expect("the binary starts");
        let said = [&output.stdout[..], &output.stderr].concat();
        let text = String::from_utf8_lossy(&said).into_owned();
        assert_eq!(output.status.code(), Some(code), "{what}: {text}");
        self.assert_clean(what, &said, &[]);
        text
    }

    /// Asserts that neither these bytes nor any file in the folder hold a canary.
    fn assert_clean(&self, what: &str, said: &[u8], more: &[String]) {
        let canaries: Vec<&str> =
            [ID, SECRET, TOKEN].into_iter().chain(more.iter().map(String::as_str)).collect();
        for canary in canaries {
            if let Some(form) = found(said, canary) {
                let said = String::from_utf8_lossy(said);
                panic!("{what}: {canary} is in the output, {form}: {said}");
            }
            for entry in fs::read_dir(self.dir.path()).expect("a readable folder") {
                let path = entry.expect("a readable folder").path();
                let content = fs::read(&path).expect("a readable file");
                let name = path.to_string_lossy();
                let form = found(name.as_bytes(), canary).or_else(|| found(&content, canary));
                assert!(form.is_none(), "{what}: {canary} is in {name}, {form:?}");
            }
        }
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).expect("a readable folder");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("a readable folder").file_name().into_string().expect("text"))
            .collect();
        names.sort();
        names
    }
}

/// The form in which the text holds the canary, if it does.
fn found(text: &[u8], canary: &str) -> Option<&'static str> {
    let holds = |needle: &str| {
        !needle.is_empty() && text.windows(needle.len()).any(|window| window == needle.as_bytes())
    };
    let hex: String = canary.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
        hex
    });
    let encoded: String = canary
        .chars()
        .map(
            |c| if c.is_ascii_alphanumeric() || "-._~".contains(c) { c.into() } else { percent(c) },
        )
        .collect();
    let mut forms = vec![
        ("as it is", canary.to_owned()),
        ("in lower case", canary.to_ascii_lowercase()),
        ("percent-encoded", encoded),
        ("in hexadecimal", hex.to_ascii_uppercase()),
        ("in hexadecimal", hex),
        // Half of it is too much already.
        ("in part", canary[..canary.len().min(24)].to_owned()),
        ("in part", canary[canary.len().saturating_sub(24)..].to_owned()),
    ];
    // Within other text that is encoded, it begins at any of three places.
    for before in 0..3 {
        let padded = [&vec![0; before][..], canary.as_bytes()].concat();
        for (name, engine) in [("in base64", &STANDARD_NO_PAD), ("in base64url", &URL_SAFE_NO_PAD)]
        {
            let encoded = engine.encode(&padded);
            forms.push((name, encoded[4..encoded.len() - 4].to_owned()));
        }
    }
    forms.into_iter().find(|(_, needle)| holds(needle)).map(|(form, _)| form)
}

fn percent(character: char) -> String {
    format!("%{:02X}", u32::from(character))
}

#[test]
fn a_secret_is_found_in_every_form() {
    let lower = TOKEN.to_ascii_lowercase();
    let encoded = TOKEN.replace('+', "%2B").replace('=', "%3D").replace('/', "%2F");
    let hex: String = TOKEN.bytes().map(|byte| format!("{byte:02X}")).collect();
    let base64 = STANDARD_NO_PAD.encode(format!("x-oss-security-token: {TOKEN}\r\n"));
    let half = &TOKEN[..30];
    for text in [TOKEN, &lower, &encoded, &hex, &base64, half] {
        assert!(found(format!("a {text} b").as_bytes(), TOKEN).is_some(), "{text}");
    }
    assert_eq!(found(b"Zq9TkCanary and nothing else", TOKEN), None);
}

/// Faults: 134, 135.
#[test]
fn no_output_and_no_file_of_a_run_holds_a_secret() {
    let rig = Rig::new();
    let told = rig.expect("a probe that is denied", &mut denied(&rig), 3);
    assert!(told.contains("AccessDenied"), "{told}");
    rig.sim.clear_faults();

    rig.sim.fault(On::get().nth(3).always(), Fault::status(403, "AccessDenied"));
    rig.expect("a run that is stopped", &mut rig.get(&["--json"]), 3);
    assert!(rig.names().iter().any(|name| name.ends_with(".ossget")), "{:?}", rig.names());
    assert!(rig.names().iter().any(|name| name.ends_with(".part")), "{:?}", rig.names());
    rig.expect("a look at it", &mut rig.command(&["checkpoint", "show", "f"]), 0);
    let mut show = rig.command(&["checkpoint", "show", "--json", "f"]);
    rig.expect("a look at it as JSON", &mut show, 0);
    rig.sim.clear_faults();

    rig.sim.fault(On::get().nth(1), Fault::status(503, "ServiceUnavailable"));
    rig.sim.fault(On::get().nth(2), Fault::DropBeforeHead);
    let told = rig.expect("a run that is resumed", &mut rig.get(&["--json"]), 0);
    assert!(told.contains("part_retry"), "{told}");
    rig.expect("one more", &mut rig.get(&[]), 0);
    assert_eq!(rig.names(), ["f", "report"]);

    for version in ["v1", "v4"] {
        let args = ["--sign-version", version, "--json"];
        fs::remove_file(rig.dir.path().join("f")).unwrap();
        rig.expect("both signatures", &mut rig.get(&args), 0);
        let mut wrong = rig.get(&args);
        wrong.env("OSS_ACCESS_KEY_SECRET", "another");
        rig.expect("a signature that does not match", &mut wrong, 3);
    }
    rig.sim.expire_tokens();
    rig.expect("a token that has expired", &mut rig.get(&["--json"]), 3);
}

/// Faults: 134, 135, 136.
#[test]
fn no_log_of_the_library_holds_a_secret_however_much_is_logged() {
    let log = Log::default();
    // The only one of this process: what the other tests start has its own.
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .init();
    let rig = Rig::new();
    let credentials = Credentials::new(ID, SECRET).unwrap().security_token(TOKEN).unwrap();
    let client = Client::builder(rig.sim.endpoint(), StaticCredentials::new(credentials));
    let client = client.region("cn-hangzhou").build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let download = || {
        let object = Object::new(BUCKET, "k").unwrap();
        let download = client.download(object, rig.dir.path().join("f"));
        log.note(&format!("{client:?} {download:?}"));
        let done = runtime.block_on(async { download.await });
        log.note(&format!("{done:?}"));
        done
    };
    rig.sim.set_clock_offset(3600);
    rig.sim.fault(On::get().nth(1), Fault::DropBeforeHead);
    rig.sim.fault(On::get().nth(2), Fault::status(503, "ServiceUnavailable"));
    download().expect("these are got over");
    rig.sim.replace_object("k", Content::generated(2, SIZE));
    rig.sim.fault(On::get().always(), Fault::status(403, "SignatureDoesNotMatch"));
    download().expect_err("it is denied");
    let logged = log.taken();
    let text = String::from_utf8_lossy(&logged);
    for said in ["connected", "the clock wrong", "in force", "SignatureDoesNotMatch"] {
        assert!(text.contains(said), "{said} is not logged: {text}");
    }
    rig.assert_clean("the log of the library", &logged, &[]);
}

/// What was logged so far.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn note(&self, text: &str) {
        self.0.lock().expect("no thread has panicked").extend_from_slice(text.as_bytes());
    }

    fn taken(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().expect("no thread has panicked"))
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no thread has panicked").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A download whose probe is denied.
fn denied(rig: &Rig) -> Command {
    rig.sim.fault(On::head().always(), Fault::status(403, "AccessDenied"));
    rig.sim.fault(On::get().always(), Fault::status(403, "AccessDenied"));
    rig.get(&["--json"])
}

/// Faults: 49, 134, 135, 137.
#[test]
fn what_a_server_repeats_is_not_repeated() {
    for (answer, code) in ANSWERS {
        for version in ["v4", "v1"] {
            let rig = Rig::new();
            let echo = Echo::start(answer);
            let mut run = rig.get(&[
                "-e",
                &echo.endpoint,
                "--json",
                "--sign-version",
                version,
                "--retries",
                "1",
                "--retry-max-time",
                "300ms",
            ]);
            let output = run.output().expect("the binary starts");
            let said = [&output.stdout[..], &output.stderr].concat();
            let text = String::from_utf8_lossy(&said);
            assert_eq!(output.status.code(), Some(*code), "{answer}: {text}");
            let seen = echo.seen.lock().unwrap().clone();
            assert!(seen.iter().any(|secret| secret == TOKEN), "the token was not sent: {seen:?}");
            assert!(seen.len() >= 3, "no signature was seen: {seen:?}");
            rig.assert_clean(answer, &said, &seen);
        }
    }
}

/// What the server answers: `{T}` stands for the token, `{A}` for the authorization, `{S}` for the
/// signature in it, `{E}` for an error document with all of them in base64; and how the run ends.
const ANSWERS: &[(&str, i32)] = &[
    (
        "403 Forbidden\r\nx-oss-err: {E}\r\nx-oss-request-id: {T}\r\nx-oss-ec: {S}\r\nContent-Length: 0",
        3,
    ),
    ("404 {T}\r\nx-oss-request-id: {A}\r\nContent-Length: 0", 4),
    ("302 Found\r\nLocation: https://{T}.example.com/{S}?Signature={S}\r\nContent-Length: 0", 1),
    ("307 {S}\r\nLocation: http://169.254.169.254/?{A}\r\nContent-Length: 0", 1),
    ("500 {A}\r\nRetry-After: {T}\r\nDate: {S}\r\nContent-Length: 0", 75),
    ("200 OK\r\nContent-Length: {T}", 1),
    ("{A} {T}", 1),
];

/// Faults: 134, 135, 141.
#[test]
fn secrets_in_the_wrong_place_are_not_repeated() {
    let rig = Rig::new();
    let with_user = format!("https://user:{SECRET}@oss-cn-hangzhou.aliyuncs.com");
    let with_query = format!("oss-cn-hangzhou.aliyuncs.com/?x={TOKEN}");
    for endpoint in [&with_user, &with_query] {
        rig.expect("an endpoint", &mut rig.get(&["-e", endpoint]), 2);
    }
    let presigned =
        format!("http://127.0.0.1:1/k?x-oss-signature={SECRET}&x-oss-security-token={TOKEN}");
    let at_once = ["--retry-max-time", "300ms"];
    rig.expect("a source", &mut rig.command(&["get", &presigned, "f", at_once[0], at_once[1]]), 75);
    let refused = presigned.replace("127.0.0.1:1", "oss-cn-hangzhou.aliyuncs.com");
    rig.expect("a source in the clear", &mut rig.command(&["get", &refused, "f"]), 2);
    for args in
        [["-k", SECRET], ["--access-key-secret", SECRET], ["-t", TOKEN], ["--sts-token", TOKEN]]
    {
        let told = rig.expect("a secret as an argument", &mut rig.get(&args), 2);
        assert!(told.contains("--access-key-secret-file") || told.contains("--sts-token-file"));
    }
    for flag in
        [format!("--access-key-secret={SECRET}"), format!("-k{SECRET}"), format!("-t{TOKEN}")]
    {
        rig.expect("a secret in an argument", &mut rig.get(&[&flag]), 2);
    }
    for (name, value) in [
        ("OSS_ACCESS_KEY_SECRET", format!("{SECRET}\n{SECRET}")),
        ("OSS_SESSION_TOKEN", format!("{TOKEN} {TOKEN}")),
        ("OSS_ACCESS_KEY_ID", format!("{ID}:{SECRET}")),
    ] {
        let mut run = rig.get(&[]);
        run.env(name, value);
        rig.expect("a variable that cannot be", &mut run, 3);
    }
    let file = rig.secrets.path().join("two");
    fs::write(&file, format!("{SECRET}\n{TOKEN}\n")).unwrap();
    let file = file.to_str().unwrap();
    rig.expect("a file of two lines", &mut rig.get(&["--access-key-secret-file", file]), 3);
    assert_eq!(rig.sim.requests().len(), 0);
}

/// Faults: 134.
#[test]
fn what_others_see_of_a_running_process_holds_no_secret() {
    let rig = Rig::new();
    rig.sim.fault(On::get().always(), Fault::StallAfter { bytes: 1000 });
    let [secret, token] = ["secret", "token"].map(|name| rig.secrets.path().join(name));
    let (secret, token) = (secret.to_str().unwrap(), token.to_str().unwrap());
    let mut command =
        rig.get(&["-i", ID, "--access-key-secret-file", secret, "--sts-token-file", token]);
    for name in ["OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"] {
        command.env_remove(name);
    }
    let mut child = command.spawn().expect("the binary starts");
    wait_until(|| rig.sim.requests().iter().any(|request| request.method == "GET"), &mut child);
    let proc = Path::new("/proc").join(child.id().to_string());
    for name in ["cmdline", "environ", "comm", "status", "maps"] {
        let shown = fs::read(proc.join(name)).expect("a running process has it");
        for canary in [SECRET, TOKEN] {
            assert_eq!(found(&shown, canary), None, "{name}");
        }
    }
    for entry in fs::read_dir(proc.join("task")).expect("a running process has threads") {
        let children = entry.expect("a readable folder").path().join("children");
        assert_eq!(fs::read_to_string(children).expect("a thread has it"), "");
    }
    child.kill().expect("it runs");
    let output = child.wait_with_output().expect("it has ended");
    rig.assert_clean("a killed run", &[output.stdout, output.stderr].concat(), &[]);
}

fn wait_until(holds: impl Fn() -> bool, child: &mut Child) {
    let begun = Instant::now();
    while !holds() {
        assert!(child.try_wait().expect("a child can be waited for").is_none(), "it has ended");
        assert!(begun.elapsed() < Duration::from_secs(60));
        thread::sleep(Duration::from_millis(5));
    }
}

/// A server that answers with the secrets it is sent.
struct Echo {
    endpoint: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Echo {
    fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback address");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let noted = Arc::clone(&noted);
                thread::spawn(move || drop(serve(stream.expect("a connection"), answer, &noted)));
            }
        });
        Self { endpoint, seen }
    }
}

fn serve(stream: TcpStream, answer: &str, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut token, mut authorization) = (String::new(), String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some(("x-oss-security-token", value)) => token = value.to_owned(),
            Some(("authorization", value)) => authorization = value.to_owned(),
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let separator = if authorization.contains("Signature=") { "Signature=" } else { ":" };
    let signature = authorization.rsplit_once(separator).map_or("", |(_, it)| it).to_owned();
    {
        let mut seen = seen.lock().expect("no thread has panicked");
        for secret in [&token, &authorization, &signature] {
            if !secret.is_empty() && !seen.contains(secret) {
                seen.push(secret.clone());
            }
        }
    }
    let document = format!(
        "<Error><Code>AccessDenied</Code><Message>{token} {authorization} {signature}</Message>\
         <RequestId>{token}</RequestId><EC>{signature}</EC><Endpoint>{token}</Endpoint></Error>"
    );
    let answer = answer
        .replace("{T}", &token)
        .replace("{A}", &authorization)
        .replace("{S}", &signature)
        .replace("{E}", &base64::engine::general_purpose::STANDARD.encode(document));
    let mut stream = reader.into_inner();
    write!(stream, "HTTP/1.1 {answer}\r\nConnection: close\r\n\r\n")?;
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.read_to_end(&mut Vec::new())?;
    Ok(())
}
