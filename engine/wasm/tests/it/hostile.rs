//! Policies that attack at their calls. After each, a neighbour in the same host answers.

use larder_core::{Policies, PolicyFailure, Request, Timestamp};
use larder_wasm::{Host, HostConfig, Isolation, Limits, PolicyConfig};
use std::sync::Arc;
use std::time::Instant;

use crate::guest::Guest;

const DEADLINE_MS: u64 = 200;
const LOOP: &str = "(loop $again (br $again))";

/// A host in which a policy that behaves has the hostile one as neighbour.
fn host(guest: &Guest, isolation: Isolation) -> (Arc<Host>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("good.wasm"), Guest::default().build()).unwrap();
    std::fs::write(dir.path().join("hostile.wasm"), guest.build()).unwrap();
    let patient = Limits {
        deadline_ms: 5_000,
        ..Limits::default()
    };
    // Long enough for an attack to end by what it does, on a busy machine too.
    let short = Limits {
        deadline_ms: DEADLINE_MS,
        ..Limits::default()
    };
    let hostile = PolicyConfig {
        isolation,
        limits: short,
        ..PolicyConfig::new("hostile")
    };
    let good = PolicyConfig {
        limits: patient,
        ..PolicyConfig::new("good")
    };
    let config = HostConfig {
        watch: false,
        policies: vec![hostile, good],
        ..HostConfig::new(dir.path())
    };
    (Host::start(config).unwrap(), dir)
}

/// A host with one policy.
fn alone(name: &str, guest: &Guest, limits: Limits) -> (Arc<Host>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(format!("{name}.wasm")), guest.build()).unwrap();
    let policy = PolicyConfig {
        limits,
        ..PolicyConfig::new(name)
    };
    let config = HostConfig {
        watch: false,
        policies: vec![policy],
        ..HostConfig::new(dir.path())
    };
    (Host::start(config).unwrap(), dir)
}

fn ask(host: &Host, name: &str) -> Result<String, PolicyFailure> {
    let policy = host.current(name).expect("the policy is loaded");
    let request = Request::read("product", "42").with("query.q", "x");
    policy
        .decide(&request, Timestamp(0))
        .map(|decision| decision.key)
}

/// Attacks several times in both modes of isolation, with a neighbour asked after each time.
fn attack(guest: &Guest) -> PolicyFailure {
    let mut last = None;
    for isolation in [Isolation::Reuse, Isolation::Fresh] {
        let (host, _dir) = host(guest, isolation);
        for _ in 0..3 {
            last = Some(ask(&host, "hostile").unwrap_err());
            assert_eq!(ask(&host, "good").as_deref(), Ok("42"));
        }
        let status = host.status();
        let hostile = status
            .iter()
            .find(|status| status.name == "hostile")
            .unwrap();
        let current = hostile.current.as_ref().unwrap();
        assert_eq!((current.calls, current.failures), (3, 3));
    }
    last.unwrap()
}

fn trapped(guest: &Guest) -> String {
    match attack(guest) {
        PolicyFailure::Trapped(reason) => reason,
        other => panic!("not trapped but {other:?}"),
    }
}

#[test]
fn loops_end_at_the_deadline_wherever_they_are() {
    for guest in [
        Guest {
            decide: LOOP,
            ..Guest::default()
        },
        Guest {
            post_decide: LOOP,
            ..Guest::default()
        },
        // The settings are two bytes, the id too: only the attribute's list is longer.
        Guest {
            request_attributes: &["query.q"],
            realloc: "(if (i32.gt_u (local.get 3) (i32.const 9)) (then (loop $again (br $again))))",
            ..Guest::default()
        },
    ] {
        assert_eq!(
            attack(&guest),
            PolicyFailure::Deadline {
                limit_ms: DEADLINE_MS
            }
        );
    }
}

#[test]
fn a_memory_bomb_is_named() {
    let bomb = Guest {
        decide: "(if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable))",
        ..Guest::default()
    };
    assert_eq!(
        attack(&bomb),
        PolicyFailure::Memory {
            limit_bytes: 16 << 20
        }
    );
}

#[test]
fn a_policy_that_copes_with_refused_memory_answers() {
    let modest = Guest {
        decide: "(drop (memory.grow (i32.const 1000)))",
        ..Guest::default()
    };
    let (host, _dir) = host(&modest, Isolation::Reuse);
    assert_eq!(ask(&host, "hostile").as_deref(), Ok("42"));
    assert_eq!(ask(&host, "hostile").as_deref(), Ok("42"));
}

#[test]
fn a_table_bomb_is_named() {
    let bomb = Guest {
        items: "(table $t 1 funcref)".into(),
        decide: "(if (i32.eq (table.grow $t (ref.null func) (i32.const 1000000)) (i32.const -1))
                   (then unreachable))",
        ..Guest::default()
    };
    let reason = trapped(&bomb);
    assert!(
        reason.contains("a table of more than 10000 elements"),
        "{reason}"
    );
}

#[test]
fn endless_recursion_is_named() {
    let deep = Guest {
        items: "(func $deeper (param i64) (result i64)
                  (i64.add (call $deeper (local.get 0)) (i64.const 1)))"
            .into(),
        decide: "(drop (call $deeper (i64.const 1)))",
        ..Guest::default()
    };
    let reason = trapped(&deep);
    assert!(
        reason.contains("endless recursion") && reason.contains("`deeper`"),
        "{reason}"
    );
}

#[test]
fn a_trap_is_named() {
    for (decide, message) in [
        ("unreachable", "gave up without a message"),
        (
            "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
            "divide by zero",
        ),
        (
            "(drop (i32.load (i32.const -8)))",
            "out of bounds memory access",
        ),
    ] {
        let reason = trapped(&Guest {
            decide,
            ..Guest::default()
        });
        assert!(reason.contains(message), "{reason}");
    }
}

#[test]
fn a_panic_keeps_its_text() {
    let panicking = Guest {
        data: "LARDER-PANIC-V1\\0a\\27\\00\\00\\00panicked at src/lib.rs:12:5:\\0ano stock!",
        decide: "unreachable",
        ..Guest::default()
    };
    assert_eq!(
        trapped(&panicking),
        "panicked at src/lib.rs:12:5: no stock!"
    );
}

/// Answers a key at `at` of `len` bytes.
fn answering(at: &'static str) -> Guest {
    Guest {
        data: "\\ff\\fe\\fd",
        decide: at,
        ..Guest::default()
    }
}

#[test]
fn answers_that_cannot_be_read_are_refused() {
    for (decide, message) in [
        (
            "(local.set $id (i32.const 4096)) (local.set $id_len (i32.const 3))",
            "utf-8",
        ),
        (
            "(local.set $id (i32.const -4)) (local.set $id_len (i32.const 3))",
            "out of bounds",
        ),
        ("(return (i32.const -8))", "out of bounds"),
        ("(return (i32.const 4097))", "align"),
        (
            "(i32.store8 offset=8 (local.get $r) (i32.const 99)) (return (local.get $r))",
            "discriminant",
        ),
    ] {
        let reason = trapped(&answering(decide));
        assert!(reason.contains("its answer cannot be read"), "{reason}");
        assert!(reason.contains(message), "{message}: {reason}");
    }
}

#[test]
fn answers_that_are_too_large_are_refused() {
    for decide in [
        // 300 KiB that are really there.
        "(drop (memory.grow (i32.const 10))) (local.set $id (i32.const 4096))
         (local.set $id_len (i32.const 307200))",
        // A list of a million tags.
        "(i32.store offset=88 (local.get $r) (i32.const 0))
         (i32.store offset=92 (local.get $r) (i32.const 1000000))
         (drop (memory.grow (i32.const 200)))",
    ] {
        let failure = attack(&answering(decide));
        assert_eq!(
            failure,
            PolicyFailure::Output {
                limit_bytes: 256 << 10
            }
        );
    }
    let reason = trapped(&answering(
        "(local.set $id (i32.const 4096)) (local.set $id_len (i32.const 0x40000000))",
    ));
    assert!(reason.contains("out of bounds"), "{reason}");
}

#[test]
fn all_instances_busy_is_said() {
    let slow = Guest {
        decide: LOOP,
        ..Guest::default()
    };
    let limits = Limits {
        deadline_ms: 2_000,
        instances: 1,
        ..Limits::default()
    };
    let (host, _dir) = alone("slow", &slow, limits);
    let failures: Vec<_> = std::thread::scope(|scope| {
        let callers = [(); 2].map(|()| scope.spawn(|| ask(&host, "slow").unwrap_err()));
        callers
            .into_iter()
            .map(|caller| caller.join().unwrap().as_str())
            .collect()
    });
    assert!(
        failures.contains(&"unavailable") && failures.contains(&"deadline"),
        "{failures:?}"
    );
}

/// Twenty callers share the processors, so that each takes a multiple of its work by the clock.
#[test]
fn a_call_that_the_machine_puts_aside_is_none_that_loops() {
    let busy = Guest {
        items: "(global $left (mut i32) (i32.const 0))".to_owned(),
        decide: "(global.set $left (i32.const 30000000))
            (loop $again
                (global.set $left (i32.sub (global.get $left) (i32.const 1)))
                (br_if $again (global.get $left)))",
        ..Guest::default()
    };
    let took = |callers: usize, deadline_ms| {
        let limits = Limits {
            deadline_ms,
            ..Limits::default()
        };
        let (host, _dir) = alone("busy", &busy, limits);
        std::thread::scope(|scope| {
            let callers: Vec<_> = (0..callers)
                .map(|_| {
                    scope.spawn(|| {
                        let begun = Instant::now();
                        assert_eq!(ask(&host, "busy").as_deref(), Ok("42"));
                        begun.elapsed()
                    })
                })
                .collect();
            let times = callers.into_iter().map(|caller| caller.join().unwrap());
            times.max().unwrap_or_default()
        })
    };
    let undisturbed = u64::try_from(took(1, 10_000).as_millis()).unwrap() + 1;
    // By the clock each takes ten times its work on two processors, on a busy machine more, and by
    // processor time up to twice, where two share one core.
    took(20, 6 * undisturbed);
}
