//! The fuzzers' seeds, and every input that once broke a reader: none may panic.

use std::path::Path;

use fivenines::fuzzing::ENTRIES;

#[test]
fn every_seed_is_read_without_a_panic() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (target, entry) in ENTRIES {
        let mut seeds: Vec<_> =
            std::fs::read_dir(root.join(target)).unwrap().map(|seed| seed.unwrap().path()).collect();
        seeds.sort();
        assert!(seeds.len() >= 3, "{target} has {} seeds", seeds.len());
        for seed in seeds {
            println!("{}", seed.display());
            entry(&std::fs::read(&seed).unwrap());
        }
    }
}

/// A target without an entry, or an entry without a target, would be fuzzed or replayed by nobody.
#[test]
fn targets_entries_and_seeds_belong_together() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let names = |folder: &str| {
        let listed = std::fs::read_dir(root.join(folder)).unwrap();
        let mut names: Vec<_> =
            listed.map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    let entries: Vec<_> = ENTRIES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!((names("fuzz_targets"), names("seeds")), (entries.clone(), entries));
}
