//! Many objects deleted by one request.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

mod support;

use ossget_testkit::{Simulator, Versioning};
use support::{Answer, Call, elements, refused};

fn document(inner: &str, objects: &[&str]) -> String {
    let objects = objects.iter().map(|object| format!("<Object>{object}</Object>"));
    format!("<?xml version=\"1.0\"?><Delete>{inner}{}</Delete>", objects.collect::<String>())
}

fn call(document: &str) -> Call {
    Call::post("").query("delete", "").body(document).digested()
}

fn delete(sim: &Simulator, document: &str) -> Answer {
    call(document).signed().send(sim)
}

#[tokio::test]
async fn all_keys_are_deleted_and_told_also_those_that_are_not_there() {
    let sim = Simulator::builder().start().await;
    for key in ["a", " b&c ", "kept"] {
        sim.put_object(key, "x");
    }
    let objects = ["<Key>a</Key>", "<Key> b&amp;c </Key>", "<Key>absent</Key>"];
    let answer = delete(&sim, &document("<Quiet>false</Quiet>", &objects));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(elements(&answer.text(), "Key"), ["a", " b&amp;c ", "absent"]);
    assert_eq!(elements(&answer.text(), "Deleted").len(), 3);
    assert!(sim.object("a").is_none() && sim.object(" b&c ").is_none());
    assert!(sim.object("kept").is_some());
}

#[tokio::test]
async fn a_quiet_deletion_tells_nothing() {
    let sim = Simulator::builder().start().await;
    sim.put_object("a", "x");
    let answer = delete(&sim, &document("<Quiet>true</Quiet>", &["<Key>a</Key>"]));
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    assert!(sim.object("a").is_none());
}

#[tokio::test]
async fn keys_are_encoded_where_that_is_asked_for() {
    let sim = Simulator::builder().start().await;
    let document = document("", &["<Key>a b/é&#9;</Key>"]);
    let in_query = call(&document).query("encoding-type", "url");
    for call in [in_query, call(&document).header("encoding-type", "url")] {
        let text = call.signed().send(&sim).text();
        assert_eq!(elements(&text, "Key"), ["a%20b%2F%C3%A9%09"]);
        assert_eq!(elements(&text, "EncodingType"), ["url"]);
    }
}

#[tokio::test]
async fn a_thousand_objects_are_the_most() {
    let sim = Simulator::builder().start().await;
    let objects: Vec<String> = (0..1001).map(|n| format!("<Key>k{n}</Key>")).collect();
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    let answer = delete(&sim, &document("", &objects[..1000]));
    assert_eq!((answer.status, elements(&answer.text(), "Key").len()), (200, 1000));
    refused(&delete(&sim, &document("", &objects)), 400, "MalformedXML");
    let long = format!("<Key>{}</Key>", "k".repeat(2 << 20));
    refused(&delete(&sim, &document("", &[&long])), 400, "MalformedXML");
}

#[tokio::test]
async fn a_deletion_that_is_not_right_deletes_nothing() {
    let sim = Simulator::builder().start().await;
    sim.put_object("a", "x");
    let good = document("", &["<Key>a</Key>"]);
    for (document, code) in [
        (document("", &[]), "MalformedXML"),
        (document("<Quiet>perhaps</Quiet>", &["<Key>a</Key>"]), "MalformedXML"),
        (document("", &["<Key>a</Key>", "<VersionId>1</VersionId>"]), "UserKeyMustBeSpecified"),
        (document("", &["<Key>a</Key>", "<Key/>"]), "UserKeyMustBeSpecified"),
        (good.replace("</Delete>", ""), "MalformedXML"),
        (format!("<!DOCTYPE Delete>{good}"), "MalformedXML"),
        (good.replace("Delete", "Remove"), "MalformedXML"),
        (String::new(), "MalformedXML"),
    ] {
        let answer = delete(&sim, &document);
        assert_eq!(answer.element("Code").as_deref(), Some(code), "{document}");
        assert_eq!(answer.status, 400);
    }
    let undigested = Call::post("").query("delete", "").body(&good).signed();
    refused(&undigested.send(&sim), 400, "MissingArgument");
    let damaged = call(&good).body(good.replace('a', "b")).signed();
    refused(&damaged.send(&sim), 400, "InvalidDigest");
    refused(&Call::post("").body(&good).digested().signed().send(&sim), 405, "MethodNotAllowed");
    assert!(sim.object("a").is_some());
}

#[tokio::test]
async fn where_versions_are_kept_deletions_set_and_remove_markers() {
    let sim = Simulator::builder().versioning(Versioning::Enabled).start().await;
    let version = sim.put_object("a", "x").unwrap();
    let text = delete(&sim, &document("", &["<Key>a</Key>"])).text();
    assert_eq!(elements(&text, "DeleteMarker"), ["true"]);
    let marker = elements(&text, "DeleteMarkerVersionId").remove(0);
    assert!(sim.object("a").is_none());
    let restored = format!("<Key>a</Key><VersionId>{marker}</VersionId>");
    let text = delete(&sim, &document("", &[&restored])).text();
    assert_eq!(elements(&text, "VersionId"), [marker.as_str()]);
    assert_eq!(elements(&text, "DeleteMarkerVersionId"), [marker.as_str()]);
    assert!(sim.object("a").is_some());
    let removed = format!("<Key>a</Key><VersionId>{version}</VersionId>");
    let text = delete(&sim, &document("", &[&removed])).text();
    assert_eq!(elements(&text, "VersionId"), [version.as_str()]);
    assert!(elements(&text, "DeleteMarker").is_empty());
    assert!(sim.object("a").is_none());
}
