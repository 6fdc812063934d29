//! What the profile of released programs must say.

/// Faults: 107.
#[test]
fn a_panic_ends_a_released_program_at_once() {
    let manifest = include_str!("../../Cargo.toml");
    let sections = manifest.split("\n[");
    let release: Vec<&str> =
        sections.filter_map(|section| section.strip_prefix("profile.release]\n")).collect();
    let [release] = release[..] else { panic!("one profile of that name, not {release:?}") };
    let lines: Vec<&str> = release.lines().map(str::trim).collect();
    assert!(lines.contains(&"panic = \"abort\""), "{lines:?}");
}
