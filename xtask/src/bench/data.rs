//! The objects that are downloaded, in memory, and what the server says of them.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crc_fast::{CrcAlgorithm, Digest};

use super::rig::Rig;
use crate::process::{Context, Outcome};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Object {
    Gib1,
    Gib4,
    Mib200,
    Kib100,
    Byte,
    /// Many of 64 KiB.
    Small,
}

impl Object {
    const ONE_FILE: [Self; 5] = [Self::Gib1, Self::Gib4, Self::Mib200, Self::Kib100, Self::Byte];

    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Gib1 => "1g.bin",
            Self::Gib4 => "4g.bin",
            Self::Mib200 => "200m.bin",
            Self::Kib100 => "100k.bin",
            Self::Byte => "1.bin",
            Self::Small => "small/",
        }
    }

    /// Bytes in all.
    pub(super) const fn size(self) -> u64 {
        match self {
            Self::Gib1 => 1 << 30,
            Self::Gib4 => 4 << 30,
            Self::Mib200 => 200 << 20,
            Self::Kib100 => 100 << 10,
            Self::Byte => 1,
            Self::Small => SMALL_COUNT * SMALL_SIZE,
        }
    }
}

/// The CRC-64 of every object.
pub(super) struct Objects {
    /// By key.
    crcs: Vec<(String, u64)>,
}

impl Objects {
    /// Makes what is not there yet.
    pub(super) fn make(rig: &Rig) -> Outcome<Self> {
        let bucket = rig.www().join("bench");
        fs::create_dir_all(bucket.join("small")).context(bucket.display())?;
        let small = (0..SMALL_COUNT).map(|index| (small_key(index), SMALL_SIZE));
        let single = Object::ONE_FILE.map(|object| (object.key().to_owned(), object.size()));
        let mut crcs = Vec::new();
        for (seed, (key, size)) in single.into_iter().chain(small).enumerate() {
            let path = bucket.join(&key);
            let is_there = fs::metadata(&path).is_ok_and(|metadata| metadata.len() == size);
            if !is_there {
                generate(&path, seed as u64 + 1, size).context(path.display())?;
            }
            crcs.push((key, crc_of(&path).context(path.display())?));
        }
        let objects = Self { crcs };
        let listing = rig.www().join("list.xml");
        fs::write(&listing, listing_of_small()).context(listing.display())?;
        let keys: String = (0..SMALL_COUNT).map(|index| small_key(index) + "\n").collect();
        fs::write(rig.keys(), keys).context(rig.keys().display())?;
        Ok(objects)
    }

    /// Whether a folder or file holds what was to be downloaded.
    pub(super) fn is_right(&self, object: Object, out: &Path) -> std::io::Result<bool> {
        for (key, crc) in &self.crcs {
            let path = match object {
                Object::Small if key.starts_with(object.key()) => {
                    out.join(&key[object.key().len()..])
                }
                _ if key == object.key() => out.to_owned(),
                _ => continue,
            };
            if crc_of(&path)? != *crc {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The server's table of what each object's CRC-64 is.
    pub(super) fn crc_map(&self) -> String {
        let mut map = String::from("map $uri $crc64 {\n    default \"\";\n");
        for (key, crc) in &self.crcs {
            writeln!(map, "    /bench/{key} \"{crc}\";").expect("a string takes all");
        }
        map + "}\n"
    }
}

/// What curl reads: the URL and the name of each small object.
pub(super) fn curl_list(endpoint: &str) -> String {
    let mut list = String::new();
    for index in 0..SMALL_COUNT {
        let key = small_key(index);
        writeln!(list, "url = \"{endpoint}/bench/{key}\"\nremote-name")
            .expect("a string takes all");
    }
    list
}

fn small_key(index: u64) -> String {
    format!("{}{index:06}.bin", Object::Small.key())
}

/// Bytes that nothing compresses: xorshift64*.
fn generate(path: &PathBuf, seed: u64, size: u64) -> std::io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut left = size;
    while left > 0 {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let word = state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes();
        let taken = left.min(8);
        file.write_all(&word[..usize::try_from(taken).expect("at most eight")])?;
        left -= taken;
    }
    file.flush()
}

fn crc_of(path: &Path) -> std::io::Result<u64> {
    let mut file = BufReader::with_capacity(0, File::open(path)?);
    let mut digest = Digest::new(CrcAlgorithm::Crc64Xz);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finalize()),
            read => digest.update(&buffer[..read]),
        }
    }
}

/// One page of the bucket, in the form that S3 clients read.
fn listing_of_small() -> String {
    let mut page = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult><Name>bench</Name>\
         <Prefix>small/</Prefix><KeyCount>{SMALL_COUNT}</KeyCount><MaxKeys>{SMALL_COUNT}</MaxKeys>\
         <IsTruncated>false</IsTruncated>"
    );
    for index in 0..SMALL_COUNT {
        write!(
            page,
            "<Contents><Key>{}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>\
             <ETag>&quot;0&quot;</ETag><Size>{SMALL_SIZE}</Size>\
             <StorageClass>STANDARD</StorageClass></Contents>",
            small_key(index)
        )
        .expect("a string takes all");
    }
    page + "</ListBucketResult>"
}

const SMALL_COUNT: u64 = 2000;
const SMALL_SIZE: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_told_from_another() {
        let dir = std::env::temp_dir().join(format!("ossget-bench-data-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (one, other) = (dir.join("one"), dir.join("other"));
        generate(&one, 1, 12).unwrap();
        generate(&other, 2, 12).unwrap();
        assert_eq!(fs::metadata(&one).unwrap().len(), 12);
        let objects = Objects { crcs: vec![("1.bin".to_owned(), crc_of(&one).unwrap())] };
        assert!(objects.is_right(Object::Byte, &one).unwrap());
        assert!(!objects.is_right(Object::Byte, &other).unwrap());
        fs::remove_dir_all(&dir).unwrap();
    }
}
