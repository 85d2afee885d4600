//! What an operator chose holds until an operator changes it, whatever happens to the process.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use larder_core::Policies as _;
use larder_wasm::{Host, HostConfig, HostError, Limits, PolicyConfig, PolicyStatus, State};

use crate::reload::{build, eventually};

/// A folder of policies and one for their state, which outlive hosts.
struct Place {
    dir: tempfile::TempDir,
    policies: Vec<PolicyConfig>,
    allow: Vec<String>,
}

impl Place {
    fn new(version: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("policies")).unwrap();
        let place = Self {
            dir,
            policies: Vec::new(),
            allow: Vec::new(),
        };
        place.put(version);
        place
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("policies/p.wasm")
    }

    fn put(&self, version: &'static str) {
        fs::write(self.file(), build(version)).unwrap();
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn config(&self) -> HostConfig {
        HostConfig {
            watch: false,
            poll: Duration::from_secs(3600),
            // A busy machine may keep a call waiting; no test here is about that.
            defaults: limits(),
            policies: self.policies.clone(),
            allow: self.allow.clone(),
            state: Some(self.state()),
            ..HostConfig::new(self.dir.path().join("policies"))
        }
    }

    fn start(&self) -> Arc<Host> {
        // The thread of the host before holds the folder until it has ended.
        let lock = self.state().join("lock");
        eventually(|| {
            let open = fs::File::open(&lock);
            open.map_or(true, |file| file.try_lock().is_ok())
        });
        Host::start(self.config()).unwrap()
    }

    /// What a new process makes of the folders.
    fn restart(&self, host: Arc<Host>) -> Arc<Host> {
        drop(host);
        self.start()
    }
}

fn limits() -> Limits {
    Limits {
        deadline_ms: 5_000,
        ..Limits::default()
    }
}

fn load(host: &Host) -> PolicyStatus {
    host.reload("p").unwrap()
}

fn serving(host: &Host) -> Option<String> {
    let policy = host.current("p")?;
    Some(policy.identity().version.clone())
}

fn status(host: &Host) -> PolicyStatus {
    let all = host.status().into_iter();
    let mut all = all.filter(|policy| policy.name == "p");
    all.next().unwrap()
}

fn revision(host: &Host) -> String {
    host.current("p").unwrap().identity().revision.clone()
}

/// The versions that can be gone back to, newest first.
fn previous(host: &Host) -> Vec<String> {
    // Earlier builds are loaded behind the start, and asking for something waits for that.
    host.rescan();
    let all = status(host).previous.into_iter();
    all.map(|build| build.identity.version).collect()
}

#[test]
fn a_rollback_holds_after_a_restart_while_the_bad_build_is_in_the_folder() {
    let place = Place::new("good");
    let host = place.start();
    let good = revision(&host);
    place.put("bad");
    load(&host);
    let bad = revision(&host);
    host.rollback("p").unwrap();
    assert_eq!(serving(&host).as_deref(), Some("good"));

    let mut host = host;
    for _ in 0..2 {
        host = place.restart(host);
        let status = status(&host);
        assert_eq!(serving(&host).as_deref(), Some("good"));
        assert_eq!(status.pinned.as_deref(), Some(&*good));
        assert_eq!(status.rolled_back.as_deref(), Some(&*bad));
        assert_eq!(status.not_kept, None);
    }
    // Nor does another build end what was chosen.
    place.put("newer");
    load(&host);
    let host = place.restart(host);
    assert_eq!(serving(&host).as_deref(), Some("good"));
    // An operator does.
    host.pin("p", None).unwrap();
    assert_eq!(serving(&host).as_deref(), Some("newer"));
    let host = place.restart(host);
    assert_eq!(serving(&host).as_deref(), Some("newer"));
    assert_eq!(
        (status(&host).pinned, status(&host).rolled_back),
        (None, None)
    );
}

#[test]
fn a_pin_holds_after_a_restart_though_the_file_is_gone_from_the_folder() {
    let mut place = Place::new("1");
    place.policies = vec![PolicyConfig {
        limits: limits(),
        ..PolicyConfig::new("p")
    }];
    let host = place.start();
    let first = revision(&host);
    place.put("2");
    load(&host);
    let short = &first["sha256:".len()..][..8];
    assert!(host.pin("p", Some(&short[..7])).is_err());
    host.pin("p", Some(short)).unwrap();
    assert_eq!(status(&host).pinned.as_deref(), Some(&*first));
    fs::remove_file(place.file()).unwrap();
    let host = place.restart(host);
    assert_eq!(serving(&host).as_deref(), Some("1"));
    assert_eq!(status(&host).state, State::Missing);
    assert_eq!(previous(&host), ["2"]);
}

#[test]
fn the_last_three_builds_can_be_gone_back_to_after_a_restart() {
    let place = Place::new("1");
    let host = place.start();
    for version in ["2", "3", "4"] {
        place.put(version);
        load(&host);
    }
    assert_eq!(previous(&host), ["3", "2"]);
    let host = place.restart(host);
    assert_eq!(previous(&host), ["3", "2"]);
    host.rollback("p").unwrap();
    let host = place.restart(host);
    assert_eq!(serving(&host).as_deref(), Some("3"));
    host.rollback("p").unwrap();
    assert_eq!(serving(&host).as_deref(), Some("2"));
    let none = host.rollback("p").unwrap_err();
    assert!(matches!(none, HostError::NoPrevious(_)), "{none}");
}

#[test]
fn the_last_good_build_serves_after_a_restart_over_a_broken_file() {
    let place = Place::new("1");
    let host = place.start();
    fs::write(place.file(), "garbage").unwrap();
    load(&host);
    assert_eq!(serving(&host).as_deref(), Some("1"));
    let host = place.restart(host);
    assert_eq!(serving(&host).as_deref(), Some("1"));
    let error = status(&host).candidate_error.unwrap();
    assert!(error.reason.contains("not WebAssembly"), "{error}");
    place.put("2");
    load(&host);
    assert_eq!(serving(&host).as_deref(), Some("2"), "it is not pinned");
}

#[test]
fn a_damaged_build_is_said_and_never_serves() {
    let place = Place::new("good");
    let host = place.start();
    let good = revision(&host);
    place.put("bad");
    load(&host);
    let bad = revision(&host);
    host.rollback("p").unwrap();
    drop(host);
    let kept = place.state().join("policy-p");
    let kept = kept.join(format!("{}.wasm", good.trim_start_matches("sha256:")));
    let mut bytes = fs::read(&kept).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&kept, bytes).unwrap();

    let host = place.start();
    assert_eq!(
        serving(&host),
        None,
        "not the one that was gone back from either"
    );
    let reason = status(&host).candidate_error.unwrap().reason;
    assert!(
        reason.contains("is damaged") && reason.contains(&good),
        "{reason}"
    );
    let error = host.pin("p", Some(&good)).unwrap_err().to_string();
    assert!(error.contains("is damaged"), "{error}");
    // The other build was kept whole, and the operator may choose it.
    host.pin("p", Some(&bad)).unwrap();
    assert_eq!(serving(&host).as_deref(), Some("bad"));
    // The right file in the folder mends what is kept.
    place.put("good");
    host.pin("p", None).unwrap();
    let host = place.restart(host);
    host.pin("p", Some(&good)).unwrap();
    assert_eq!(serving(&host).as_deref(), Some("good"));
}

#[test]
fn a_kept_build_is_held_against_the_allow_list_again() {
    let mut place = Place::new("1");
    let host = place.start();
    let first = revision(&host);
    place.put("2");
    load(&host);
    let second = revision(&host);
    host.rollback("p").unwrap();
    place.allow = vec![second];
    let host = place.restart(host);
    assert_eq!(serving(&host), None);
    let reason = status(&host).candidate_error.unwrap().reason;
    assert!(reason.contains("not on the allow-list"), "{reason}");
    let error = host.pin("p", Some(&first)).unwrap_err().to_string();
    assert!(error.contains("not on the allow-list"), "{error}");
}

#[test]
fn a_state_that_cannot_be_kept_is_said_and_policies_serve_on() {
    let place = Place::new("1");
    fs::write(place.state(), "in the way").unwrap();
    let host = Host::start(place.config()).unwrap();
    place.put("2");
    load(&host);
    let back = host.rollback("p").unwrap();
    assert_eq!(serving(&host).as_deref(), Some("1"));
    let why = back.not_kept.unwrap();
    assert!(why.contains("cannot be made"), "{why}");
}

/// Another process holds the folder, as one does that still drains.
#[test]
fn a_pin_holds_where_the_state_can_be_read_and_not_written() {
    let place = Place::new("good");
    let host = place.start();
    place.put("bad");
    load(&host);
    host.rollback("p").unwrap();
    let next = Host::start(place.config()).unwrap();
    assert_eq!(serving(&next).as_deref(), Some("good"));
    let why = status(&next).not_kept.unwrap();
    assert!(why.contains("another process serves"), "{why}");
    drop(host);
    eventually(|| {
        next.rescan();
        status(&next).not_kept.is_none()
    });
    let next = place.restart(next);
    assert_eq!(serving(&next).as_deref(), Some("good"));
}

#[test]
fn nothing_serves_while_nobody_knows_what_was_chosen() {
    let place = Place::new("good");
    let host = place.start();
    let good = revision(&host);
    place.put("bad");
    load(&host);
    host.rollback("p").unwrap();
    drop(host);
    let record = place.state().join("policy-p/record.json");
    for (choice, expected) in [(Some(good.as_str()), "good"), (None, "bad")] {
        drop(fs::write(&record, "{\"format\": 9, \"policy\": \"p\"}"));
        let host = place.start();
        assert_eq!(serving(&host), None);
        let reason = status(&host).candidate_error.unwrap().reason;
        let said = reason.contains("record.json cannot be read: ") && reason.contains("unpin it");
        assert!(said, "{reason}");
        assert_eq!(previous(&host).len(), 2, "nothing is thrown away");
        host.pin("p", choice).unwrap();
        assert_eq!(serving(&host).as_deref(), Some(expected));
        let host = place.restart(host);
        assert_eq!(serving(&host).as_deref(), Some(expected));
    }
}

#[test]
fn a_choice_holds_though_the_state_was_removed_under_the_process() {
    let place = Place::new("good");
    let host = place.start();
    let good = revision(&host);
    place.put("bad");
    load(&host);
    fs::remove_dir_all(place.state()).unwrap();
    assert_eq!(host.pin("p", Some(&good)).unwrap().not_kept, None);
    let host = place.restart(host);
    assert_eq!(serving(&host).as_deref(), Some("good"));
    assert_eq!(previous(&host), ["bad"]);
}

/// A configuration that is refused was tried on a host of its own.
#[test]
fn a_host_that_never_took_over_leaves_what_is_kept_alone() {
    let mut place = Place::new("good");
    let policy = PolicyConfig {
        limits: limits(),
        ..PolicyConfig::new("p")
    };
    place.policies = vec![policy.clone()];
    let host = place.start();
    let mut config = place.config();
    config.policies = vec![PolicyConfig {
        module: "other".to_owned(),
        ..policy
    }];
    fs::write(place.dir.path().join("policies/other.wasm"), build("other")).unwrap();
    let refused = host.succeeded_by(config).unwrap();
    assert_eq!(serving(&refused).as_deref(), Some("other"));
    drop(refused);
    fs::remove_file(place.dir.path().join("policies/p.wasm")).unwrap();
    let host = place.restart(host);
    assert_eq!(serving(&host).as_deref(), Some("good"), "what served last");
}

#[test]
fn a_host_that_takes_the_place_of_another_knows_its_builds_and_choices() {
    for state in [true, false] {
        let place = Place::new("1");
        let config = HostConfig {
            state: state.then(|| place.state()),
            ..place.config()
        };
        let host = Host::start(config.clone()).unwrap();
        place.put("2");
        load(&host);
        host.rollback("p").unwrap();
        let next = host.succeeded_by(config).unwrap();
        next.take_over();
        drop(host);
        assert_eq!(serving(&next).as_deref(), Some("1"));
        assert_eq!(previous(&next), ["2"]);
        assert_eq!(status(&next).not_kept, None);
    }
}

#[test]
fn whatever_a_process_left_half_done_the_next_one_serves() {
    let place = Place::new("1");
    let host = place.start();
    place.put("2");
    load(&host);
    host.rollback("p").unwrap();
    drop(host);
    let kept = place.state().join("policy-p");
    // As it is at each moment of keeping a third build: the build comes first, the record after.
    let third = build("3");
    let half = &third[..third.len() / 2];
    let record = b"{\"format\": 1, \"pol".as_slice();
    for (name, bytes) in [
        ("3.wasm.unfinished", half),
        ("3.wasm", &third),
        ("record.json.unfinished", record),
    ] {
        fs::write(kept.join(name), bytes).unwrap();
        let host = place.start();
        assert_eq!(serving(&host).as_deref(), Some("1"), "{name}");
        assert_eq!(previous(&host), ["2"], "{name}");
    }
    // What nobody names goes with the next thing that is kept.
    let host = place.start();
    host.pin("p", None).unwrap();
    let names = fs::read_dir(&kept).unwrap();
    assert_eq!(names.count(), 3, "two builds and the record");
}
