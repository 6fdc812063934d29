//! Files that are written to while they are read, and files that are none.

use object_store_014::local::LocalFileSystem;
use ossget::{ByteRange, Client, ErrorKind, RangeBody, Source as _};
use ossget_object_store::{Access, ObjectStoreSource, StoreUrl};
use std::fs::{self, File, FileTimes};
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

const SIZE: u64 = 3 << 20;

fn write(path: &Path, byte: u8) {
    let mut file = File::options().create(true).truncate(false).write(true).open(path).unwrap();
    file.rewind().unwrap();
    file.write_all(&vec![byte; SIZE as usize]).unwrap();
}

/// All of a file of sevens, opened.
async fn opened(dir: &TempDir) -> RangeBody {
    write(&dir.path().join("f"), 7);
    // The clock of a file system goes in ticks.
    sleep(Duration::from_millis(20));
    let store = LocalFileSystem::new_with_prefix(dir.path()).unwrap();
    let source = ObjectStoreSource::new(Arc::new(store), "file://");
    let object = source.object("f").unwrap();
    let identity = source.probe(&object).await.unwrap();
    source.get_range(&object, ByteRange::new(0, SIZE).unwrap(), &identity).await.unwrap()
}

#[tokio::test]
async fn a_file_that_is_written_to_while_it_is_read_is_never_mixed() {
    for is_set_back in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let mut body = opened(&dir).await.body;
        let path = dir.path().join("f");
        let first = body.chunk().await.unwrap().unwrap();
        assert!(first.len() < SIZE as usize && first.iter().all(|byte| *byte == 7));
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        write(&path, 8);
        if is_set_back && cfg!(unix) {
            let times = FileTimes::new().set_modified(modified);
            File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
        }
        body.chunk().await.unwrap_err();
    }
}

#[tokio::test]
async fn a_file_that_is_left_alone_comes_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut body = opened(&dir).await.body;
    let mut bytes = 0;
    while let Some(chunk) = body.chunk().await.unwrap() {
        bytes += chunk.len() as u64;
    }
    assert_eq!(bytes, SIZE);
}

/// Opens the store of a URL, and asks for its object.
async fn ask(url: &str) -> Result<u64, ossget::Error> {
    let url: StoreUrl = url.parse()?;
    let object = url.object();
    let client = Client::of_source(move |network| url.open(network, Access::OfTheEnvironment));
    let stat = client.build()?.stat(&object, Duration::from_secs(1)).await?;
    Ok(stat.identity.size)
}

#[cfg(unix)]
#[tokio::test]
async fn a_url_names_the_file_that_it_names() {
    let dir = tempfile::tempdir().unwrap();
    let names =
        [r"a\b", "a b", "a%41", "a#b", "a?b", "a:b", "a+b", "ü", " a", "a ", "a~", "a'\"b", "..a"];
    for (index, name) in names.iter().enumerate() {
        fs::write(dir.path().join(name), vec![0; index + 1]).unwrap();
    }
    for (index, name) in names.iter().enumerate() {
        let encoded = name.replace('%', "%25").replace('#', "%23").replace('?', "%3F");
        let size = ask(&format!("file://{}/{encoded}", dir.path().display())).await;
        assert_eq!(size.unwrap(), index as u64 + 1, "{name}");
    }
    let error = ask(&format!("file://{}/n\nl", dir.path().display())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "object_store has no such names");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_is_no_regular_file_of_a_length_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for path in ["/dev/zero", "/proc/cpuinfo", dir.path().to_str().unwrap()] {
        let error = ask(&format!("file://{path}")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{path}: {error}");
    }
    let error = ask(&format!("file://{}/no", dir.path().display())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    fs::write(dir.path().join("empty"), "").unwrap();
    assert_eq!(ask(&format!("file://{}/empty", dir.path().display())).await.unwrap(), 0);
}
