//! Policies that change while they serve.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use larder_core::{Policies, Request, Timestamp};
use larder_wasm::{Host, HostConfig, HostError, Limits, PolicyConfig, PolicyStatus, Stage, State};
use serde_json::json;

use crate::guest::Guest;

pub(crate) fn build(version: &'static str) -> Vec<u8> {
    Guest {
        version,
        ..Guest::default()
    }
    .build()
}

fn start(dir: &Path, watch: bool) -> Arc<Host> {
    let debounce = Duration::from_millis(20);
    let poll = Duration::from_secs(3600);
    // A busy machine may keep a call waiting; no test here is about that.
    let defaults = Limits {
        deadline_ms: 5_000,
        ..Limits::default()
    };
    Host::start(HostConfig {
        watch,
        debounce,
        poll,
        defaults,
        ..HostConfig::new(dir)
    })
    .unwrap()
}

/// A host over one policy, which is looked at only when the test says so.
fn one(version: &'static str) -> (Arc<Host>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("p.wasm"), build(version)).unwrap();
    (start(dir.path(), false), dir)
}

fn status(host: &Host) -> PolicyStatus {
    let mut all = host.status();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn serving(host: &Host) -> Option<String> {
    host.current("p")
        .map(|policy| policy.identity().version.clone())
}

fn revision(host: &Host) -> String {
    host.current("p").unwrap().identity().revision.clone()
}

/// Waits until file events have led to `done`; 20 s are far beyond what they take.
#[track_caller]
pub(crate) fn eventually(done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "it never came");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

#[test]
fn a_missing_folder_does_not_start() {
    let error = Host::start(HostConfig::new("/nonexistent/policies")).unwrap_err();
    assert!(matches!(error, HostError::Folder { .. }));
    assert!(
        error.to_string().contains("/nonexistent/policies"),
        "{error}"
    );
}

#[test]
fn configurations_that_contradict_themselves_do_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let with = |policies: Vec<PolicyConfig>, allow: Vec<String>| {
        let config = HostConfig {
            policies,
            allow,
            ..HostConfig::new(dir.path())
        };
        Host::start(config).unwrap_err().to_string()
    };
    let p = || PolicyConfig::new("p");
    for (policies, allow, message) in [
        (vec![p(), p()], vec![], "two policies are named `p`"),
        (
            vec![PolicyConfig::new("../p")],
            vec![],
            "`../p` is not a file's stem",
        ),
        (
            vec![PolicyConfig {
                settings: json!(1),
                ..p()
            }],
            vec![],
            "settings of policy `p`",
        ),
        (
            vec![PolicyConfig {
                limits: Limits {
                    deadline_ms: 0,
                    ..Limits::default()
                },
                ..p()
            }],
            vec![],
            "`deadline` of policy `p` is 0",
        ),
        (vec![], vec!["abc".into()], "`abc` in the allow-list"),
    ] {
        let error = with(policies, allow);
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn file_events_change_what_serves() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.wasm");
    let host = start(dir.path(), true);
    assert!(host.status().is_empty());

    fs::write(&file, build("1")).unwrap();
    eventually(|| serving(&host).as_deref() == Some("1"));

    // Renamed over, as editors and deployments do.
    fs::write(dir.path().join("p.wasm.new"), build("2")).unwrap();
    fs::rename(dir.path().join("p.wasm.new"), &file).unwrap();
    eventually(|| serving(&host).as_deref() == Some("2"));

    // Truncated and written in two parts, the first of which may be seen.
    let bytes = build("3");
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    eventually(|| status(&host).candidate_error.is_some());
    assert_eq!(serving(&host).as_deref(), Some("2"));
    fs::write(&file, &bytes).unwrap();
    eventually(|| serving(&host).as_deref() == Some("3"));
    assert_eq!(status(&host).candidate_error, None);

    fs::remove_file(&file).unwrap();
    eventually(|| status(&host).state == State::Missing);
    assert_eq!(serving(&host).as_deref(), Some("3"));
}

#[cfg(unix)]
#[test]
fn a_swapped_link_changes_what_serves() {
    use std::os::unix::fs::symlink;

    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for version in ["1", "2"] {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("p.wasm"), build(version)).unwrap();
    }
    // The layout of a mounted config map: only `..data` ever changes.
    symlink("1", at("..data")).unwrap();
    symlink("..data/p.wasm", at("p.wasm")).unwrap();
    let host = start(dir.path(), true);
    assert_eq!(serving(&host).as_deref(), Some("1"));
    symlink("2", at("..tmp")).unwrap();
    fs::rename(at("..tmp"), at("..data")).unwrap();
    eventually(|| serving(&host).as_deref() == Some("2"));
}

#[test]
fn without_events_the_poll_finds_changes() {
    let dir = tempfile::tempdir().unwrap();
    let poll = Duration::from_millis(5);
    let config = HostConfig {
        watch: false,
        poll,
        ..HostConfig::new(dir.path())
    };
    let host = Host::start(config).unwrap();
    fs::write(dir.path().join("p.wasm"), build("1")).unwrap();
    eventually(|| serving(&host).as_deref() == Some("1"));
}

#[test]
fn garbage_keeps_the_last_good_build_and_says_why() {
    let (host, dir) = one("1");
    fs::write(dir.path().join("p.wasm"), b"oops").unwrap();
    host.rescan();
    let bad = status(&host);
    assert_eq!(bad.state, State::Serving);
    assert_eq!(bad.current.unwrap().identity.version, "1");
    let failure = bad.candidate_error.unwrap();
    assert_eq!(failure.stage, Stage::Structure);
    assert!(failure.reason.contains("\"oops\""), "{failure}");
    assert!(failure.revision.unwrap().starts_with("sha256:"));
    assert_eq!(serving(&host).as_deref(), Some("1"));

    fs::write(dir.path().join("p.wasm"), build("2")).unwrap();
    host.rescan();
    assert_eq!(serving(&host).as_deref(), Some("2"));
    assert_eq!(status(&host).candidate_error, None);
}

#[test]
fn the_file_that_serves_heals_a_failure_by_coming_back() {
    let (host, dir) = one("1");
    fs::write(dir.path().join("p.wasm"), b"oops").unwrap();
    host.rescan();
    fs::write(dir.path().join("p.wasm"), build("1")).unwrap();
    host.rescan();
    let healed = status(&host);
    assert_eq!(healed.candidate_error, None);
    assert_eq!(healed.previous.len(), 0, "it was not loaded again");
}

#[test]
fn a_first_file_that_fails_is_shown_and_heals() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("p.wasm"), b"oops").unwrap();
    let host = start(dir.path(), false);
    assert_eq!(status(&host).state, State::Failed);
    assert!(host.current("p").is_none());
    let again = host.reload("p").unwrap();
    assert_eq!(again.candidate_error.unwrap().stage, Stage::Structure);
    fs::write(dir.path().join("p.wasm"), build("1")).unwrap();
    assert_eq!(host.reload("p").unwrap().state, State::Serving);
    fs::remove_file(dir.path().join("p.wasm")).unwrap();
    host.rescan();
    assert_eq!(status(&host).state, State::Missing);
}

#[test]
fn a_configured_policy_without_a_file_is_shown_and_heals() {
    let dir = tempfile::tempdir().unwrap();
    let policies = vec![PolicyConfig::new("p")];
    let config = HostConfig {
        watch: false,
        policies,
        ..HostConfig::new(dir.path())
    };
    let host = Host::start(config).unwrap();
    let missing = status(&host);
    assert_eq!(missing.state, State::Missing);
    assert!(
        missing
            .candidate_error
            .unwrap()
            .reason
            .contains("no file `p.wasm`")
    );
    fs::write(dir.path().join("p.wasm"), build("1")).unwrap();
    host.rescan();
    assert_eq!(status(&host).state, State::Serving);
}

#[test]
fn a_failed_stranger_ends_with_its_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("p.wasm"), b"oops").unwrap();
    let host = start(dir.path(), false);
    fs::remove_file(dir.path().join("p.wasm")).unwrap();
    host.rescan();
    assert!(host.status().is_empty());
}

#[test]
fn a_rollback_pins_until_it_is_unpinned() {
    let (host, dir) = one("1");
    assert!(matches!(host.rollback("p"), Err(HostError::NoPrevious(_))));
    for version in ["2", "3", "4"] {
        fs::write(dir.path().join("p.wasm"), build(version)).unwrap();
        host.rescan();
    }
    let versions = |status: &PolicyStatus| {
        let previous = status.previous.iter();
        previous
            .map(|kept| kept.identity.version.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(versions(&status(&host)), ["3", "2"], "three are kept");

    let back = host.rollback("p").unwrap();
    assert_eq!(serving(&host).as_deref(), Some("3"));
    assert_eq!(versions(&back), ["4", "2"]);
    assert_eq!(back.pinned, Some(revision(&host)));

    fs::write(dir.path().join("p.wasm"), build("5")).unwrap();
    host.rescan();
    assert_eq!(serving(&host).as_deref(), Some("3"));
    let failure = status(&host).candidate_error.unwrap();
    assert_eq!(failure.stage, Stage::AllowList);
    assert!(failure.reason.contains("unpin"), "{failure}");

    assert_eq!(
        host.rollback("p")
            .unwrap()
            .current
            .unwrap()
            .identity
            .version,
        "2"
    );
    assert!(matches!(host.rollback("p"), Err(HostError::NoPrevious(_))));

    let free = host.pin("p", None).unwrap();
    assert_eq!((free.pinned, free.candidate_error), (None, None));
    assert_eq!(serving(&host).as_deref(), Some("5"));
}

#[test]
fn a_pin_takes_a_kept_build_by_its_revision() {
    let (host, dir) = one("1");
    let first = revision(&host);
    fs::write(dir.path().join("p.wasm"), build("2")).unwrap();
    host.rescan();
    host.pin("p", Some(first.trim_start_matches("sha256:")))
        .unwrap();
    assert_eq!(revision(&host), first);
    let unknown = host.pin("p", Some("sha256:00")).unwrap_err();
    assert!(
        matches!(unknown, HostError::UnknownRevision { .. }),
        "{unknown}"
    );
    assert!(matches!(
        host.reload("nobody"),
        Err(HostError::UnknownPolicy(_))
    ));
}

#[test]
fn one_module_serves_under_two_names_and_not_under_its_own() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("p.wasm"), build("1")).unwrap();
    fs::write(dir.path().join("other.wasm"), build("1")).unwrap();
    let named = |name: &str| PolicyConfig {
        name: name.into(),
        ..PolicyConfig::new("p")
    };
    let policies = vec![named("a"), named("b")];
    let config = HostConfig {
        watch: false,
        policies,
        ..HostConfig::new(dir.path())
    };
    let host = Host::start(config).unwrap();
    let names: Vec<String> = host
        .status()
        .into_iter()
        .map(|status| status.name)
        .collect();
    assert_eq!(names, ["a", "b", "other"]);
    assert_eq!(host.current("a").unwrap().identity().name, "a");
    assert!(host.current("p").is_none());
}

#[test]
fn only_listed_builds_load() {
    let (host, dir) = one("1");
    let allow = vec![revision(&host).to_uppercase().replace("SHA256:", "sha256:")];
    let config = HostConfig {
        watch: false,
        allow,
        ..HostConfig::new(dir.path())
    };
    let host = Host::start(config).unwrap();
    assert_eq!(serving(&host).as_deref(), Some("1"));
    fs::write(dir.path().join("p.wasm"), build("2")).unwrap();
    host.rescan();
    assert_eq!(serving(&host).as_deref(), Some("1"));
    assert_eq!(
        status(&host).candidate_error.unwrap().stage,
        Stage::AllowList
    );
}

#[test]
fn no_call_fails_while_builds_change() {
    let (host, dir) = one("1");
    let done = AtomicBool::new(false);
    let calls = std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            let mut calls = 0;
            while !done.load(Ordering::Relaxed) {
                let policy = host.current("p").unwrap();
                let decided = policy.decide(&Request::read("product", "42"), Timestamp(0));
                assert_eq!(decided.unwrap().key, "42");
                calls += 1;
            }
            calls
        });
        for bytes in [
            build("2"),
            b"oops".to_vec(),
            build("3"),
            build("4"),
            build("5"),
        ] {
            fs::write(dir.path().join("p.wasm"), bytes).unwrap();
            host.rescan();
        }
        done.store(true, Ordering::Relaxed);
        caller.join().unwrap()
    });
    assert!(calls > 0);
    assert_eq!(serving(&host).as_deref(), Some("5"));
}
