//! What objects have besides their bytes: tags, a storage class; and who may overwrite them.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

mod support;

use ossget_testkit::{Simulator, Versioning};
use support::{Call, elements, refused};

fn tagging(pairs: &[(&str, &str)]) -> String {
    let tags = pairs
        .iter()
        .map(|(key, value)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>"));
    format!("<Tagging><TagSet>{}</TagSet></Tagging>", tags.collect::<String>())
}

/// The tags of an object as the service tells them.
fn tags(sim: &Simulator, key: &str) -> Vec<(String, String)> {
    let text = Call::get(key).query("tagging", "").signed().send(sim).text();
    elements(&text, "Key").into_iter().zip(elements(&text, "Value")).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn tags_come_with_an_object_and_are_replaced_and_deleted_by_themselves() {
    let sim = Simulator::builder().start().await;
    let put = Call::put("k").body("content").header("x-oss-tagging", "a=1&b=c%20d&e");
    assert_eq!(put.signed().send(&sim).status, 200);
    assert_eq!(tags(&sim, "k"), pairs(&[("a", "1"), ("b", "c d"), ("e", "")]));
    let count = |call: Call| {
        let answer = call.signed().send(&sim);
        answer.header("x-oss-tagging-count").map(str::to_owned)
    };
    assert_eq!(count(Call::head("k")).as_deref(), Some("3"));
    assert_eq!(count(Call::get("k")).as_deref(), Some("3"));
    let modified = Call::head("k").signed().send(&sim).headers["last-modified"].clone();

    sim.set_clock_offset(5);
    let replaced = Call::put("k").query("tagging", "").body(tagging(&[("x", "1+1"), ("y", "")]));
    assert_eq!(replaced.signed().send(&sim).status, 200);
    assert_eq!(tags(&sim, "k"), pairs(&[("x", "1+1"), ("y", "")]));
    let head = Call::head("k").signed().send(&sim);
    assert_eq!(head.headers["last-modified"], modified);
    assert_eq!(Call::get("k").signed().send(&sim).text(), "content");

    let deleted = Call::delete("k").query("tagging", "").signed().send(&sim);
    assert_eq!((deleted.status, deleted.body.len()), (204, 0));
    assert_eq!((tags(&sim, "k"), count(Call::head("k"))), (Vec::new(), None));
    assert_eq!(Call::get("k").signed().send(&sim).text(), "content");
}

#[tokio::test]
async fn tags_belong_to_a_version() {
    let sim = Simulator::builder().versioning(Versioning::Enabled).start().await;
    let first = sim.put_object("k", "one").unwrap();
    let second = sim.put_object("k", "two").unwrap();
    let of_first = |call: Call| call.query("tagging", "").query("versionId", &first).signed();
    let put = of_first(Call::put("k").body(tagging(&[("a", "1")]))).send(&sim);
    assert_eq!(put.header("x-oss-version-id"), Some(first.as_str()));
    assert_eq!(tags(&sim, "k"), Vec::new());
    let got = of_first(Call::get("k")).send(&sim);
    assert_eq!(elements(&got.text(), "Key"), ["a"]);
    let current = Call::get("k").signed().send(&sim);
    assert_eq!(current.header("x-oss-version-id"), Some(second.as_str()));
    sim.delete_object("k");
    refused(&Call::get("k").query("tagging", "").signed().send(&sim), 404, "NoSuchKey");
}

#[tokio::test]
async fn tags_that_are_not_right_are_refused() {
    let sim = Simulator::builder().start().await;
    sim.put_object("k", "content");
    for header in ["a=1&a=2", "aa=bb=cc", "=1", "a=%ff", "a=%3C"] {
        let put = Call::put("new").body("x").header("x-oss-tagging", header).signed();
        refused(&put.send(&sim), 400, "InvalidArgument");
    }
    assert!(sim.object("new").is_none());
    let eleven: Vec<String> = (0..11).map(|n| format!("k{n}")).collect();
    let eleven: Vec<(&str, &str)> = eleven.iter().map(|key| (key.as_str(), "")).collect();
    for (document, code) in [
        (tagging(&[("a", "1"), ("a", "2")]), "RepeatedTags"),
        (tagging(&[("", "1")]), "InvalidTag"),
        (tagging(&[("a", "&lt;")]), "InvalidTag"),
        (tagging(&eleven), "InvalidTag"),
        (tagging(&[("a", "1")]).replace("TagSet", "Set"), "MalformedXML"),
        (tagging(&[("a", "1")]).replace("Value", "Text"), "MalformedXML"),
        ("<Tagging>".to_owned(), "MalformedXML"),
    ] {
        let answer = Call::put("k").query("tagging", "").body(&document).signed().send(&sim);
        assert_eq!(answer.element("Code").as_deref(), Some(code), "{document}");
        assert_eq!(answer.status, 400);
    }
    assert_eq!(tags(&sim, "k"), Vec::new());
    let damaged = Call::put("k").query("tagging", "").body("").digested().body(tagging(&[]));
    refused(&damaged.signed().send(&sim), 400, "InvalidDigest");
    for call in
        [Call::get("absent"), Call::put("absent").body(tagging(&[])), Call::delete("absent")]
    {
        refused(&call.query("tagging", "").signed().send(&sim), 404, "NoSuchKey");
    }
}

#[tokio::test]
async fn the_storage_class_is_told_by_reads_and_listings() {
    let sim = Simulator::builder().start().await;
    for class in ["Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive"] {
        let put = Call::put(class).body("x").header("x-oss-storage-class", class);
        assert_eq!(put.signed().send(&sim).status, 200);
        for call in [Call::head(class), Call::get(class)] {
            let answer = call.signed().send(&sim);
            assert_eq!(answer.header("x-oss-storage-class"), Some(class));
        }
    }
    for version in ["1", "2"] {
        let text = Call::get("").query("list-type", version).signed().send(&sim).text();
        assert_eq!(elements(&text, "StorageClass"), elements(&text, "Key"));
    }
    let unknown = Call::put("new").body("x").header("x-oss-storage-class", "Glacier").signed();
    refused(&unknown.send(&sim), 400, "InvalidArgument");
}

#[tokio::test]
async fn overwriting_can_be_forbidden_only_where_no_versions_are_kept() {
    let sim = Simulator::builder().start().await;
    let put = |sim: &Simulator, text: &str| {
        let call = Call::put("k").body(text).header("x-oss-forbid-overwrite", "true");
        call.signed().send(sim)
    };
    assert_eq!(put(&sim, "one").status, 200);
    refused(&put(&sim, "two"), 409, "FileAlreadyExists");
    assert_eq!(Call::get("k").signed().send(&sim).text(), "one");
    let sim = Simulator::builder().versioning(Versioning::Enabled).start().await;
    assert_eq!(put(&sim, "one").status, 200);
    assert_eq!(put(&sim, "two").status, 200);
    assert_eq!(Call::get("k").signed().send(&sim).text(), "two");
    for condition in ["if-match", "if-none-match"] {
        let call = Call::put("k").body("three").header(condition, "*").signed();
        refused(&call.send(&sim), 501, "NotImplemented");
    }
}

#[tokio::test]
async fn keys_of_user_metadata_have_letters_digits_and_hyphens() {
    let sim = Simulator::builder().start().await;
    for (name, status) in
        [("x-oss-meta-a-1", 200), ("x-oss-meta-a_1", 400), ("x-oss-meta-a.1", 400)]
    {
        let put = Call::put("k").body("content").header(name, "x").signed().send(&sim);
        assert_eq!(put.status, status, "{name}");
    }
}
