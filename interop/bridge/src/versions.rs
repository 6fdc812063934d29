//! Which versions were asked.

/// The packages whose versions matter to the findings, each on a line.
pub(crate) fn versions() -> String {
    NAMES.iter().map(|name| format!("{name} {}\n", version(name).unwrap_or("?"))).collect()
}

/// As this program was locked when it was built.
fn version(name: &str) -> Option<&'static str> {
    let (_, package) = LOCK.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    package.split_once('"').map(|(version, _)| version)
}

const LOCK: &str = include_str!("../Cargo.lock");
const NAMES: [&str; 6] = [
    "object_store",
    "ossget-object-store",
    "object_store_opendal",
    "opendal",
    "opendal-service-oss",
    "opendal-layer-retry",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_versions_are_known() {
        assert!(!versions().contains('?'), "{}", versions());
        assert_eq!(version("no-such-package"), None);
    }
}
