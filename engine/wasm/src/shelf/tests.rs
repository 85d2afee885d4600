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
    let files = vec![(revision_of(newest), (*newest).into())];
    shelf.keep(0, policy, record(policy, builds), files);
}

fn file_of(dir: &Path, build: &[u8]) -> std::path::PathBuf {
    let revision = revision_of(build);
    let digest = revision.trim_start_matches("sha256:");
    dir.join("policy-a").join(format!("{digest}.wasm"))
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
    keep(&Shelf::open(Some(dir.path())), "a", &[b"good"]);
    let shelf = Shelf::open(Some(dir.path()));
    let revision = revision_of(b"good");
    let file = file_of(dir.path(), b"good");
    for damaged in [&b"goof"[..], b"", b"good+"] {
        fs::write(&file, damaged).unwrap();
        let why = shelf.build("a", &revision).unwrap_err();
        let named = why.contains(&file.display().to_string());
        assert!(why.contains("is damaged") && named, "{why}");
    }
}

#[test]
fn what_the_disk_lost_while_the_process_ran_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let shelf = Shelf::open(Some(&state));
    keep(&shelf, "a", &[b"1"]);
    keep(&shelf, "a", &[b"1", b"2"]);
    let mut pinned = record("a", &[b"1", b"2"]);
    for lose in [
        |state: &Path| fs::remove_dir_all(state).unwrap(),
        |state: &Path| fs::write(file_of(state, b"1"), "damaged").unwrap(),
        |state: &Path| fs::remove_file(file_of(state, b"2")).unwrap(),
    ] {
        lose(&state);
        pinned.pinned = match pinned.pinned {
            None => Some(revision_of(b"1")),
            Some(_) => None,
        };
        shelf.keep(0, "a", pinned.clone(), Vec::new());
        assert_eq!(shelf.trouble(), None);
        let next = Shelf::open(Some(&state));
        assert_eq!(next.record("a"), pinned);
        for build in [b"1", b"2"] {
            assert!(next.build("a", &revision_of(build)).is_ok());
        }
        assert!(next.trouble().unwrap().contains("another process"));
    }
}

#[test]
fn a_record_that_cannot_be_read_is_no_choice_and_its_builds_stay() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(Some(dir.path()));
    keep(&shelf, "a", &[b"1"]);
    keep(&shelf, "b", &[b"2"]);
    drop(shelf);
    let file = dir.path().join("policy-a/record.json");
    for damaged in ["", "{", "[]", "{\"format\": 9}"] {
        fs::write(&file, damaged).unwrap();
        let shelf = Shelf::open(Some(dir.path()));
        let unread = shelf.record("a");
        assert_eq!(unread.builds, [revision_of(b"1")], "{damaged}");
        let why = unread.unread.unwrap();
        assert!(why.contains("record.json cannot be read"), "{why}");
        assert!(shelf.build("a", &revision_of(b"1")).is_ok());
        assert_eq!(shelf.record("b"), record("b", &[b"2"]));
    }
}

#[test]
fn what_another_process_holds_is_read_and_written_once_that_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let other = Shelf::open(Some(dir.path()));
    keep(&other, "a", &[b"1"]);
    let shelf = Shelf::open(Some(dir.path()));
    let why = shelf.trouble().unwrap();
    assert!(why.contains("another process serves"), "{why}");
    assert_eq!(shelf.record("a"), record("a", &[b"1"]));
    assert_eq!(&*shelf.build("a", &revision_of(b"1")).unwrap(), b"1");
    keep(&shelf, "a", &[b"1", b"2"]);
    keep(&shelf, "b", &[b"3"]);
    drop(other);
    shelf.retry();
    assert_eq!(shelf.trouble(), None);
    drop(shelf);
    let next = Shelf::open(Some(dir.path()));
    assert_eq!(next.record("a"), record("a", &[b"1", b"2"]));
    assert_eq!(next.record("b"), record("b", &[b"3"]));
}

#[test]
fn only_the_host_that_serves_says_what_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(Some(dir.path()));
    let (serving, candidate) = (shelf.ticket(), shelf.ticket());
    shelf.take(serving);
    let files = |build: &[u8]| vec![(revision_of(build), build.into())];
    shelf.keep(serving, "a", record("a", &[b"1"]), files(b"1"));
    shelf.keep(candidate, "a", record("a", &[b"2"]), files(b"2"));
    assert_eq!(shelf.record("a"), record("a", &[b"1"]));
    shelf.take(candidate);
    shelf.keep(serving, "a", record("a", &[b"3"]), files(b"3"));
    shelf.keep(candidate, "a", record("a", &[b"2"]), files(b"2"));
    assert_eq!(shelf.record("a"), record("a", &[b"2"]));
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
