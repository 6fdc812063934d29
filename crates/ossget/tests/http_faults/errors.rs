//! Errors that the service states: sections 2 and 3 of the catalogue.

use crate::rig::{PART, Patience, Rig, connections, download_from, in_full, raw, refusal};
use ossget::{Completion, ErrorKind, Object};
use ossget_testkit::scripted::{Script, ScriptedServer};
use ossget_testkit::{Content, Fault, On, Simulator, Versioning};
use std::net::TcpListener;
use std::time::Duration;

/// Faults: 39, 47.
#[tokio::test]
async fn a_refusal_that_time_does_not_heal_is_not_tried_again() {
    for (status, code, kind) in [
        ("304 Not Modified", "", ErrorKind::Protocol),
        ("400 Bad Request", "InvalidArgument", ErrorKind::Service),
        ("405 Method Not Allowed", "Other", ErrorKind::Service),
        ("409 Conflict", "Other", ErrorKind::Service),
        ("411 Length Required", "MissingContentLength", ErrorKind::Service),
        ("451 Unavailable For Legal Reasons", "", ErrorKind::Service),
    ] {
        let rig = Rig::new(4 * PART);
        rig.put_old();
        let script = match status {
            "304 Not Modified" => Script::raw("HTTP/1.1 304 Not Modified\r\n\r\n"),
            _ => refusal(status, code, ""),
        };
        rig.server.script(On::get().covering(2 * PART).always(), script);
        let error = rig.download().parallel(connections(1)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}: {}", in_full(&error));
        assert!(!error.is_transient());
        let code = Some(code).filter(|code| !code.is_empty());
        assert_eq!(error.service_code(), code);
        let refused = rig.gets();
        let refused =
            refused.iter().filter(|get| get.range.as_ref().unwrap().contains(&(2 * PART)));
        assert_eq!(refused.count(), 1, "{status}");
        rig.assert_kept(&error);
        rig.finish(2 * PART).await;
    }
}

/// Faults: 44.
#[tokio::test]
async fn what_the_service_said_last_is_told_when_the_patience_is_at_its_end() {
    let rig = Rig::new(4 * PART);
    let busy = refusal("503 Service Unavailable", "ServiceBusy", "x-oss-request-id: 5C3D8D2B\r\n");
    rig.server.script(On::get().covering(2 * PART).always(), busy);
    let download = rig.download().parallel(connections(1));
    let error = download.retry_max_time(Duration::from_secs(1)).await.unwrap_err();
    assert!(error.is_transient(), "{}", in_full(&error));
    assert_eq!((error.service_code(), error.request_id()), (Some("ServiceBusy"), Some("5C3D8D2B")));
    assert!(error.attempts() > 0 && error.range().is_some(), "{}", in_full(&error));
}

/// Faults: 42, 58, 63, 69.
#[tokio::test]
async fn a_denial_midway_stops_at_once_and_the_next_run_goes_on() {
    for (code, kind) in [
        ("AccessDenied", ErrorKind::Denied),
        ("SignatureDoesNotMatch", ErrorKind::Denied),
        ("InvalidAccessKeyId", ErrorKind::Denied),
        ("KmsServiceNotEnabled", ErrorKind::Denied),
        // The credentials are fixed: there are no others to try.
        ("SecurityTokenExpired", ErrorKind::Credentials),
    ] {
        let rig = Rig::new(4 * PART);
        rig.put_old();
        let script = refusal("403 Forbidden", code, "x-oss-request-id: 5C3D8D2A\r\n");
        rig.server.script(On::get().covering(2 * PART).always(), script);
        let error = rig.download().parallel(connections(1)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{code}: {}", in_full(&error));
        assert_eq!((error.service_code(), error.request_id()), (Some(code), Some("5C3D8D2A")));
        assert!(!error.is_transient());
        assert!(rig.gets().len() <= 3, "{:?}", rig.gets());
        rig.assert_kept(&error);
        rig.finish(2 * PART).await;
    }
}

/// Faults: 63.
#[tokio::test]
async fn wrong_credentials_are_tried_once() {
    for code in ["SignatureDoesNotMatch", "InvalidAccessKeyId"] {
        let rig = Rig::new(4 * PART);
        rig.put_old();
        rig.server.script(On::any().always(), refusal("403 Forbidden", code, ""));
        let error = rig.download().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert_eq!(rig.server.exchanges().len(), 1);
        rig.assert_nothing_kept();
    }
}

/// Faults: 65.
#[tokio::test]
async fn a_restored_copy_that_expires_midway_can_be_gone_on_with_later() {
    let rig = Rig::new(4 * PART);
    rig.put_old();
    let script = refusal("403 Forbidden", "InvalidObjectState", "");
    rig.server.script(On::get().covering(2 * PART).always(), script);
    let error = rig.download().parallel(connections(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hint().unwrap().contains("restore"));
    rig.assert_kept(&error);
    rig.finish(2 * PART).await;
}

/// Faults: 64.
#[tokio::test]
async fn an_archived_object_is_refused_before_any_file_is_made() {
    let rig = Rig::new(4 * PART);
    rig.put_old();
    let class = crate::rig::header("x-oss-storage-class", "Archive");
    rig.server.script(On::head().always(), class);
    rig.server.script(On::get().always(), refusal("403 Forbidden", "InvalidObjectState", ""));
    let error = rig.download().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{}", in_full(&error));
    assert!(error.hint().unwrap().contains("restore"));
    assert_eq!(rig.gets().len(), 1);
    rig.assert_nothing_kept();
    // Restored: no question is asked about it.
    rig.server.clear_scripts();
    rig.server.script(
        On::head().always(),
        Script::head(|head| {
            let class = crate::rig::with_header(head, "x-oss-storage-class", "Archive");
            crate::rig::with_header(&class, "x-oss-restore", "ongoing-request=\"false\"")
        }),
    );
    rig.server.clear_exchanges();
    let done = rig.download().await.unwrap();
    assert_eq!(done.requests, rig.gets().len() as u64);
    rig.assert_downloaded();
}

struct Service {
    sim: Simulator,
    folder: tempfile::TempDir,
}

impl Service {
    fn download(&self) -> ossget::Download {
        let path = self.folder.path().join("object.bin");
        download_from(&self.sim.endpoint(), path, Patience::default()).parallel(connections(1))
    }
}

/// Faults: 40.
#[tokio::test]
async fn an_object_deleted_midway_is_missed_and_what_was_had_of_it_is_kept() {
    let sim = Simulator::builder().start().await;
    let service = Service { sim, folder: tempfile::tempdir().unwrap() };
    let content = Content::generated(7, 8 * PART);
    service.sim.put_object(crate::rig::KEY, content.clone());
    service.sim.fault(On::get().nth(2), Fault::DeleteObjectNow);
    let error = service.download().await.unwrap_err();
    assert_eq!((error.kind(), error.service_code()), (ErrorKind::NotFound, Some("NoSuchKey")));
    assert!(error.is_resumable());
    assert!(service.sim.requests().len() <= 3);
    // It was a mistake, and is there again. A new date makes it a new object.
    service.sim.put_object(crate::rig::KEY, content.clone());
    let done = service.download().await.unwrap();
    assert_eq!(done.completion, Completion::Published);
    let path = service.folder.path().join("object.bin");
    assert!(std::fs::read(path).unwrap() == content.window(0..8 * PART));
}

/// Faults: 41.
#[tokio::test]
async fn what_is_not_there_is_not_found_and_leaves_no_file() {
    let sim = Simulator::builder().versioning(Versioning::Enabled).start().await;
    let service = Service { sim, folder: tempfile::tempdir().unwrap() };
    let key = crate::rig::KEY;
    let version = service.sim.put_object(key, Content::generated(7, PART)).unwrap();
    service.sim.delete_object(key);
    let object = |bucket: &str| Object::new(bucket, key).unwrap();
    for (object, code) in [
        (object("otherbucket"), "NoSuchBucket"),
        (object("examplebucket").version_id("CAEQother").unwrap(), "NoSuchVersion"),
        (object("examplebucket"), "NoSuchKey"),
    ] {
        service.sim.clear_requests();
        let path = service.folder.path().join("object.bin");
        let error = crate::rig::client_of(&service.sim.endpoint(), Patience::default())
            .download(object, path)
            .await
            .unwrap_err();
        assert_eq!((error.kind(), error.service_code()), (ErrorKind::NotFound, Some(code)));
        assert_eq!(service.sim.requests().len(), 1);
        assert_eq!(std::fs::read_dir(service.folder.path()).unwrap().count(), 0);
    }
    // Below the delete marker the version is still there.
    let path = service.folder.path().join("object.bin");
    let object = object("examplebucket").version_id(version).unwrap();
    crate::rig::client_of(&service.sim.endpoint(), Patience::default())
        .download(object, path)
        .await
        .unwrap();
}

/// Faults: 48, 49, 137.
#[tokio::test]
async fn a_redirect_is_never_followed_and_its_target_never_meets_the_credentials() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    target.set_nonblocking(true).unwrap();
    let there = target.local_addr().unwrap();
    let places = [
        (format!("http://{there}/k?x-oss-security-token=secret"), format!("http://{there}")),
        (format!("https://u:secret@{there}/k"), format!("https://{there}")),
        ("http://169.254.169.254/latest/secret".to_owned(), "http://169.254.169.254".to_owned()),
        ("http://100.100.100.200/secret".to_owned(), "http://100.100.100.200".to_owned()),
        ("file:///etc/secret".to_owned(), "redirects".to_owned()),
        (format!("//{there}/secret"), "redirects".to_owned()),
    ];
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        for (location, told) in &places {
            for on in [On::head().always(), On::get().always()] {
                let rig = Rig::new(PART);
                rig.put_old();
                let headers = format!("Location: {location}\r\n");
                // A response to a HEAD has no body, so this one has none either.
                rig.server.script(on, Script::raw(raw(status, &headers, "")));
                let error = rig.download().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Redirected, "{}", in_full(&error));
                let text = in_full(&error);
                assert!(text.contains(told) && !text.contains("secret"), "{text}");
                assert!(rig.heads() + rig.gets().len() <= 2);
                rig.assert_untouched();
            }
        }
    }
    let met = target.accept().map_err(|error| error.kind());
    assert_eq!(met.unwrap_err(), std::io::ErrorKind::WouldBlock);
}

/// Faults: 50.
#[tokio::test]
async fn the_date_of_an_answer_does_not_matter() {
    for date in ["", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "yesterday"]
    {
        let server = ScriptedServer::start(Content::generated(7, 2 * PART)).unwrap();
        server.script(On::any().always(), crate::rig::header("Date", date));
        let rig = Rig::of(server);
        let done = rig.download().await.unwrap();
        rig.assert_downloaded();
        assert_eq!(done.attempts_failed, 0);
    }
}

/// Faults: 51, 52.
#[tokio::test]
async fn a_refusal_is_understood_as_far_as_it_can_be() {
    let bomb = "<!DOCTYPE e [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]>\
                <Error><Code>AccessDenied</Code><Message>&b;&b;&b;</Message></Error>";
    let external = "<!DOCTYPE e [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>\
                    <Error><Code>&a;</Code></Error>";
    let endless = format!("<Error><Message>{}", "x".repeat(1 << 20));
    let late =
        format!("<Error><Message>{}</Message><Code>Late</Code></Error>", "x".repeat(1 << 20));
    for body in [
        "",
        "not xml",
        "<Error><Code>Acc",
        "<Error></Error>",
        "<Error><Code></Code></Error>",
        "<Other><Code>AccessDenied</Code></Other>",
        bomb,
        external,
        &endless,
        &late,
    ] {
        let rig = Rig::new(PART);
        let headers = "x-oss-request-id: 5C3D8D2A\r\n";
        let error = rig.refused_always(Script::raw(raw("403 Forbidden", headers, body))).await;
        assert_eq!(error.kind(), ErrorKind::Denied, "{}", in_full(&error));
        assert_eq!(error.request_id(), Some("5C3D8D2A"));
        assert_eq!(error.service_code(), None);
        let text = in_full(&error);
        assert!(text.len() < 3_000 && !text.contains("aaaaaaaaaa") && !text.contains("root:"));
        assert_eq!(rig.gets().len(), 1);
    }
}

/// Faults: 53.
#[tokio::test]
async fn what_a_server_says_cannot_forge_a_line_or_colour_it() {
    let evil = b"<Error><Code>Access\x1b[31mDenied</Code><Message>no\r\nINFO \xff\xe2\x80\xae ok\
                 </Message></Error>";
    let mut response =
        format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n", evil.len()).into_bytes();
    response.extend_from_slice(evil);
    let rig = Rig::new(PART);
    let error = rig.refused_always(Script::raw(response)).await;
    let text = in_full(&error);
    assert!(text.contains("INFO"), "{text}");
    let unsafe_to_show = |c: char| c.is_control() || c == '\u{202e}';
    assert!(!text.contains(unsafe_to_show), "{text:?}");
    assert!(!error.service_code().unwrap_or_default().contains(unsafe_to_show));
}
