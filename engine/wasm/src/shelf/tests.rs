use std::fs;

use super::*;

fn record(policy: &str, builds: &[&[u8]]) -> Record {
    let mut record = Record {
        policy: policy.to_owned(),
        ..Record::default()
    };
    for build in builds {
        record.serves(&revision_of(build));
    }
    record
}

fn keep(shelf: &Shelf, policy: &str, builds: &[&[u8]]) {
    let newest = builds.last().unwrap();
    let new = (&*revision_of(newest), *newest);
    shelf.keep(policy, record(policy, builds), Some(new));
}

#[test]
fn what_is_kept_is_there_after_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("new/state");
    let names = ["a", "A", "../a", "", "ä b", &"x".repeat(300)];
    let shelf = Shelf::open(Some(&state));
    for name in names {
        keep(&shelf, name, &[name.as_bytes(), b"2"][..1]);
    }
    assert_eq!(shelf.trouble(), None);
    drop(shelf);
    let shelf = Shelf::open(Some(&state));
    for name in names {
        assert_eq!(
            shelf.record(name),
            record(name, &[name.as_bytes()]),
            "{name}"
        );
        let revision = revision_of(name.as_bytes());
        assert_eq!(&*shelf.build(name, &revision).unwrap(), name.as_bytes());
    }
    let beside = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(beside, 1, "no name leads out of the folder");
}

#[test]
fn only_what_the_record_names_stays_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(Some(dir.path()));
    let all: [&[u8]; 5] = [b"1", b"2", b"3", b"4", b"5"];
    for upto in 1..=all.len() {
        keep(&shelf, "a", &all[..upto]);
    }
    fs::write(dir.path().join("policy-a/x.wasm.unfinished"), "half").unwrap();
    keep(&shelf, "a", &[b"3", b"4", b"5", b"6"]);
    let files = fs::read_dir(dir.path().join("policy-a")).unwrap();
    assert_eq!(files.count(), 4, "three builds and the record");
    assert!(shelf.build("a", &revision_of(b"4")).is_ok());
    let why = shelf.build("a", &revision_of(b"1")).unwrap_err();
    assert!(why.contains("cannot be read"), "{why}");
}

#[test]
fn a_damaged_build_is_noticed_by_its_digest() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(Some(dir.path()));
    keep(&shelf, "a", &[b"good"]);
    let revision = revision_of(b"good");
    let file = format!("policy-a/{}.wasm", revision.trim_start_matches("sha256:"));
    for damaged in [&b"goof"[..], b"", b"good+"] {
        fs::write(dir.path().join(&file), damaged).unwrap();
        let why = shelf.build("a", &revision).unwrap_err();
        assert!(why.contains("is damaged") && why.contains(&file), "{why}");
    }
}

#[test]
fn a_damaged_record_costs_its_policy_alone() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(Some(dir.path()));
    keep(&shelf, "a", &[b"1"]);
    keep(&shelf, "b", &[b"2"]);
    drop(shelf);
    for damaged in ["", "{", "[]", "{\"format\": 9}"] {
        fs::write(dir.path().join("policy-a/record.json"), damaged).unwrap();
        let shelf = Shelf::open(Some(dir.path()));
        assert_eq!(shelf.record("a"), Record::default(), "{damaged}");
        assert_eq!(shelf.record("b"), record("b", &[b"2"]));
    }
}

#[test]
fn a_folder_that_cannot_be_used_is_said_and_all_is_kept_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let busy = dir.path().join("busy");
    let _other = Shelf::open(Some(&busy));
    for (folder, words) in [(&file, "cannot be made"), (&busy, "another process serves")] {
        let shelf = Shelf::open(Some(folder));
        let why = shelf.trouble().unwrap();
        assert!(why.contains(words), "{why}");
        keep(&shelf, "a", &[b"1"]);
        assert_eq!(&*shelf.build("a", &revision_of(b"1")).unwrap(), b"1");
        assert_eq!(shelf.record("a"), record("a", &[b"1"]));
    }
    let without = Shelf::open(None);
    assert_eq!(without.trouble(), None, "nobody asked for it");
}

#[test]
fn a_disk_that_takes_nothing_for_a_while_gets_it_later() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(Some(dir.path()));
    // In the place of the policy's folder, so that nothing can be written there.
    let in_the_way = dir.path().join("policy-a");
    fs::write(&in_the_way, "").unwrap();
    keep(&shelf, "a", &[b"1"]);
    assert!(shelf.trouble().unwrap().contains("cannot be kept"));
    assert!(shelf.build("a", &revision_of(b"1")).is_ok(), "in memory");
    fs::remove_file(&in_the_way).unwrap();
    keep(&shelf, "a", &[b"1", b"2"]);
    assert_eq!(shelf.trouble(), None);
    drop(shelf);
    let shelf = Shelf::open(Some(dir.path()));
    for build in [b"1", b"2"] {
        assert!(shelf.build("a", &revision_of(build)).is_ok());
    }
}
