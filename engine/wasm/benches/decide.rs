//! What one decision costs: as a plain Rust function, on a warm instance, in a new instance.
//!
//! The guest fills every field of the answer but computes next to nothing, so that the figures are
//! those of the way to it and back. `LARDER_BENCH_POLICY=path/to/policy.wasm` measures that policy
//! instead.

#![allow(clippy::expect_used, reason = "a bench that cannot run ends")]

#[path = "../tests/it/guest.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared with the tests, which use all of it"
)]
mod guest;

use std::sync::Arc;

use divan::{Bencher, black_box};
use guest::Guest;
use larder_core::{Decision, Freshness, Policies, Request, Strategy, Target, Timestamp};
use larder_wasm::{Host, HostConfig, Isolation, Limits, PolicyConfig};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn main() {
    divan::main();
}

fn module() -> Vec<u8> {
    if let Some(path) = std::env::var_os("LARDER_BENCH_POLICY") {
        return std::fs::read(path).expect("LARDER_BENCH_POLICY names a policy");
    }
    Guest {
        request_attributes: &["query.page", "header.accept-language"],
        uses_clock: true,
        // "product" at 4096, "product:42" at 4104, the reason at 4120, the list of tags at 4144,
        // the list of targets at 4160.
        data: "product\\00product:42\\00\\00\\00\\00\\00\\00catalogue entity\\00\\00\\00\\00\\00\\00\\00\\00\
               \\00\\10\\00\\00\\07\\00\\00\\00\\08\\10\\00\\00\\0a\\00\\00\\00\
               \\01\\00\\00\\00\\00\\10\\00\\00\\07\\00\\00\\00",
        decide: "(i32.store offset=88 (local.get $r) (i32.const 4144))
                 (i32.store offset=92 (local.get $r) (i32.const 2))
                 (i32.store offset=112 (local.get $r) (i32.const 4160))
                 (i32.store offset=116 (local.get $r) (i32.const 1))
                 (i32.store offset=120 (local.get $r) (i32.const 4120))
                 (i32.store offset=124 (local.get $r) (i32.const 16))",
        ..Guest::default()
    }
    .build()
}

fn host(isolation: Isolation) -> (Arc<Host>, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("p.wasm"), module()).expect("a file in it");
    let limits = Limits {
        deadline_ms: 1_000,
        ..Limits::default()
    };
    let policies = vec![PolicyConfig {
        isolation,
        limits,
        ..PolicyConfig::new("p")
    }];
    let config = HostConfig {
        watch: false,
        policies,
        ..HostConfig::new(dir.path())
    };
    (Host::start(config).expect("a host"), dir)
}

fn request() -> Request {
    Request::read("product", "42")
        .tenant("acme")
        .with("query.page", "2")
        .with("header.accept-language", "de")
        .with("header.cookie", "not shown")
}

fn native(request: &Request, now: Timestamp) -> Decision {
    let shown = |name: &str| {
        let mut attributes = request.attributes.iter();
        attributes
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.clone())
    };
    Decision {
        namespace: shown("query.page").unwrap_or_default(),
        freshness: Freshness {
            ttl_ms: now.0,
            ..Freshness::default()
        },
        tags: vec!["product".into(), "product:42".into()],
        invalidates: vec![Target::Tag("product".into())],
        reason: "catalogue entity".into(),
        ..Decision::new(Strategy::ReadThrough, request.id.clone())
    }
}

#[divan::bench]
fn native_rust(bencher: Bencher<'_, '_>) {
    let request = request();
    bencher.bench_local(|| native(black_box(&request), NOW));
}

#[divan::bench(args = [Isolation::Reuse, Isolation::Fresh])]
fn decide(bencher: Bencher<'_, '_>, isolation: &Isolation) {
    let (host, _dir) = host(*isolation);
    let request = request();
    bencher.bench_local(|| {
        let policy = host.current("p").expect("the policy is loaded");
        policy.decide(black_box(&request), NOW).expect("it answers")
    });
}

#[divan::bench]
fn current(bencher: Bencher<'_, '_>) {
    let (host, _dir) = host(Isolation::Reuse);
    bencher.bench_local(|| host.current(black_box("p")));
}
