//! Files that must not become policies, and what is said of each.

use larder_wasm::{Limit, Limits, LoadFailure, Stage, inspect};
use serde_json::json;

use crate::guest::Guest;

fn failure_of(bytes: &[u8]) -> LoadFailure {
    let inspection = inspect("test", bytes, &json!({}), &Limits::default());
    assert!(inspection.policy.is_none());
    let failure = inspection.failure.expect("the file must not load");
    let last = inspection.stages.last().unwrap();
    assert_eq!((last.stage, last.ok), (failure.stage, false));
    failure
}

#[track_caller]
fn refused(bytes: &[u8], stage: Stage, message: &str) {
    let failure = failure_of(bytes);
    assert_eq!(failure.stage, stage, "{failure}");
    assert!(failure.reason.contains(message), "{failure}");
}

#[test]
fn a_good_module_passes_every_stage() {
    let inspection = inspect(
        "test",
        &Guest::default().build(),
        &json!({}),
        &Limits::default(),
    );
    let stages: Vec<Stage> = inspection
        .stages
        .iter()
        .map(|report| report.stage)
        .collect();
    assert_eq!(stages, Stage::ALL);
    let policy = inspection.policy.unwrap();
    assert_eq!(policy.identity().contract, "0.1.0");
    assert_eq!(policy.identity().version, "1.0.0");
    assert!(policy.identity().revision.starts_with("sha256:"));
}

#[test]
fn a_finished_component_loads_as_well() {
    let module = Guest::default().build();
    let mut encoder = wit_component::ComponentEncoder::default()
        .module(&module)
        .unwrap();
    let component = encoder.encode().unwrap();
    let inspection = inspect("test", &component, &json!({}), &Limits::default());
    assert_eq!(inspection.failure, None);
    refused(
        &component[..component.len() / 2],
        Stage::Structure,
        "cut off",
    );
}

#[test]
fn files_that_are_no_modules() {
    refused(b"", Stage::Structure, "the file is empty");
    refused(
        b"<!DOCTYPE html><html>",
        Stage::Structure,
        "it begins with \"<!DOCTYPE html>",
    );
    refused(b"\0asm", Stage::Structure, "cut off or damaged");
    let good = Guest::default().build();
    for part in [9, good.len() / 3, good.len() - 1] {
        refused(&good[..part], Stage::Structure, "cut off or damaged");
    }
    refused(b"\x7fELF\x02\x01\x01", Stage::Precompiled, "native code");
    let engine = wasmtime::Engine::default();
    let native = engine
        .precompile_module(&Guest::default().build_bare())
        .unwrap();
    refused(&native, Stage::Precompiled, "native code");
    refused(&vec![b'x'; 3 << 20], Stage::Size, "`file = \"4MiB\"`");
}

#[test]
fn imports_are_refused_by_name() {
    let importing = |module: &str, name: &str| {
        let items = format!("(import \"{module}\" \"{name}\" (func))");
        Guest {
            items,
            ..Guest::default()
        }
        .build()
    };
    refused(
        &importing("env", "now"),
        Stage::Imports,
        "function `env.now`",
    );
    let wasi = importing("wasi_snapshot_preview1", "fd_write");
    refused(&wasi, Stage::Imports, "wasi_snapshot_preview1.fd_write");
    refused(&wasi, Stage::Imports, "build for wasm32-unknown-unknown");
    let component = wat::parse_str(
        "(component (import \"wasi:clocks/wall-clock@0.2.0\" (instance (export \"now\" (func)))))",
    );
    refused(
        &component.unwrap(),
        Stage::Imports,
        "`wasi:clocks/wall-clock@0.2.0`",
    );
}

#[test]
fn contracts_of_other_versions_are_refused() {
    const CONTRACT: &str = include_str!("../../../../sdk/wit/v0.1.0/policy.wit");
    let other = CONTRACT.replace("larder:policy@0.1.0", "larder:policy@7.3.0");
    let bytes = Guest::default().build_for(&other);
    refused(&bytes, Stage::Contract, "version 7.3.0");
    refused(&bytes, Stage::Contract, "this host speaks 0.1.0");
    // A tool took the section away; who is told to use the SDK has used it.
    refused(
        &Guest::default().build_bare(),
        Stage::Contract,
        "strip with `wasm-opt --strip-debug`",
    );
    let other = wat::parse_str("(module (func (export \"decide\")))").unwrap();
    refused(&other, Stage::Contract, "build it with the SDK");
    refused(
        &wat::parse_str("(component)").unwrap(),
        Stage::Contract,
        "does not say which",
    );
}

#[test]
fn wrong_shapes_are_refused() {
    let without = Guest {
        admit: false,
        ..Guest::default()
    }
    .build();
    refused(&without, Stage::Componentize, "it exports no `admit`");
    let types = "(component (import \"larder:policy/types@0.1.0\" (instance)))";
    refused(
        &wat::parse_str(types).unwrap(),
        Stage::TypeCheck,
        "no export `admit`",
    );
}

/// A default guest with further items.
fn with_items(items: &str) -> Vec<u8> {
    let items = items.into();
    Guest {
        items,
        ..Guest::default()
    }
    .build()
}

#[test]
fn extensions_that_policies_do_not_have_are_named_with_the_switch_that_brought_them() {
    for (items, words) in [
        (
            "(func $f (return_call $f))",
            "tail calls, which policies do not have",
        ),
        ("(tag $e) (func (throw $e))", "-fwasm-exceptions"),
        ("(type (struct (field i32)))", "`--target wasm`"),
        ("(table 1 externref)", "`externref`"),
        (
            "(func (drop (i32.atomic.load (i32.const 0))))",
            "leave out `-pthread`",
        ),
    ] {
        refused(&with_items(items), Stage::Compile, words);
    }
    let waiting = "(component (import \"larder:policy/types@0.1.0\" (instance))
        (core module $m (func (export \"f\") (result i32) unreachable)
            (func (export \"back\") (param i32 i32 i32) (result i32) unreachable))
        (core instance $i (instantiate $m))
        (func (export \"f\") async
            (canon lift (core func $i \"f\") async (callback (func $i \"back\")))))";
    refused(
        &wat::parse_str(waiting).unwrap(),
        Stage::Compile,
        "--backend-qjs-disable-async",
    );
    let shared = Guest {
        memory: "1 1 shared",
        ..Guest::default()
    };
    refused(&shared.build(), Stage::Componentize, "leave out `-pthread`");
}

#[test]
fn what_no_limit_changes_is_said_with_the_limits() {
    let many = format!("(import \"env\" \"now\" (func)) {}", "(func)".repeat(6_000));
    let bytes = with_items(&many);
    refused(&bytes, Stage::Structure, "function `env.now`");
    refused(&bytes, Stage::Structure, "`functions = 6500`");
}

#[test]
fn a_component_of_another_world_or_another_wit_is_told_which_it_has_to_be() {
    let other =
        "(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i \"f\"))) (export \"lookup\" (func $f)))";
    let other = wat::parse_str(other).unwrap();
    refused(
        &other,
        Stage::Contract,
        "another world (it exports `lookup`)",
    );
    refused(&other, Stage::Contract, "`policy` of sdk/wit/v0.1.0");
    let types = "(component (import \"larder:policy/types@0.1.0\" (instance)))";
    let types = wat::parse_str(types).unwrap();
    refused(&types, Stage::TypeCheck, "make the bindings again");
}

#[test]
fn bombs_are_refused_before_they_are_compiled() {
    let many = Guest {
        items: "(func)".repeat(6_000),
        ..Guest::default()
    };
    refused(&many.build(), Stage::Structure, "`functions = 6500`");
    let body = format!("(func {})", "(drop (i32.const 1000000))".repeat(30_000));
    refused(
        &Guest {
            items: body,
            ..Guest::default()
        }
        .build(),
        Stage::Structure,
        "`body = \"256KiB\"`",
    );
    let memory = Guest {
        memory: "1000",
        ..Guest::default()
    };
    refused(
        &memory.build(),
        Stage::Structure,
        "link with `-z stack-size=65536`",
    );
    let table = Guest {
        items: "(table 1000000 funcref)".into(),
        ..Guest::default()
    };
    refused(
        &table.build(),
        Stage::Structure,
        "`table_elements = 1000000`",
    );
    let nested = format!("(component {})", "(core module)".repeat(5));
    refused(
        &wat::parse_str(nested).unwrap(),
        Stage::Structure,
        "`modules = 5`",
    );
}

#[test]
fn guests_that_fail_before_they_serve() {
    let start = "(func $start (loop $again (br $again))) (start $start)";
    let cases = [
        (
            Guest {
                items: start.into(),
                ..Guest::default()
            },
            Stage::Describe,
            "at its start",
        ),
        (
            Guest {
                describe: "(loop $again (br $again))",
                ..Guest::default()
            },
            Stage::Describe,
            "within 1000 ms",
        ),
        (
            Guest {
                describe: "unreachable",
                ..Guest::default()
            },
            Stage::Describe,
            "trapped",
        ),
        (
            Guest {
                version: "",
                ..Guest::default()
            },
            Stage::Describe,
            "empty version",
        ),
        (
            Guest {
                configure: "unreachable",
                ..Guest::default()
            },
            Stage::Configure,
            "trapped",
        ),
        (
            Guest {
                data: "\\01\\00\\00\\00\\0c\\10\\00\\00\\0c\\00\\00\\00bad `ttl` 1x",
                configure: "(return (i32.const 4096))",
                ..Guest::default()
            },
            Stage::Configure,
            "answered an error: bad `ttl` 1x",
        ),
    ];
    for (guest, stage, message) in cases {
        refused(&guest.build(), stage, message);
    }
}

#[test]
fn settings_must_be_an_object() {
    let guest = Guest::default().build();
    let inspection = inspect("test", &guest, &json!([1]), &Limits::default());
    assert_eq!(inspection.failure.unwrap().stage, Stage::Configure);
}

#[test]
fn every_limit_that_a_file_passes_is_named_at_once() {
    let guest = Guest {
        items: format!("{}(table 20000 funcref)", "(func)".repeat(6_000)),
        memory: "1000",
        ..Guest::default()
    };
    let tight = Limits {
        file_bytes: 1 << 10,
        ..Limits::default()
    };
    for (limits, first) in [(&Limits::default(), None), (&tight, Some(Limit::File))] {
        let inspection = inspect("test", &guest.build(), &json!({}), limits);
        let passed = inspection.passed.iter().map(|excess| excess.limit);
        let rest = [Limit::Functions, Limit::Memory, Limit::TableElements];
        let expected: Vec<Limit> = first.into_iter().chain(rest).collect();
        assert_eq!(passed.collect::<Vec<_>>(), expected);
        let reason = inspection.failure.unwrap().reason;
        for excess in &inspection.passed {
            assert!(reason.contains(&excess.line()), "{reason}");
        }
    }
}

#[test]
fn a_file_that_was_read_in_part_says_where_all_limits_are_named() {
    let part = vec![0; (2 << 20) + 1];
    refused(&part, Stage::Size, "`larder check` on it names every limit");
}

/// A component of the default guest and `count` more modules like `module`, each instantiated.
fn with_more(module: &str, count: usize) -> Vec<u8> {
    let mut encoder = wit_component::ComponentEncoder::default()
        .module(&Guest::default().build())
        .unwrap();
    let mut component = encoder.encode().unwrap();
    let modules = wasmparser::Parser::new(0).parse_all(&component);
    let modules =
        modules.filter(|payload| matches!(payload, Ok(wasmparser::Payload::ModuleSection { .. })));
    let at = u8::try_from(modules.count()).unwrap();
    let module = wat::parse_str(module).unwrap();
    let size = u8::try_from(module.len()).unwrap();
    assert!(size < 128, "the length is one byte of LEB128");
    component.extend([1, size]);
    component.extend(module);
    for _ in 0..count {
        // One core instance: instantiate, which module, no arguments.
        component.extend([2, 4, 1, 0, at, 0]);
    }
    component
}

#[test]
fn core_instances_are_counted_before_anything_is_compiled() {
    let many = with_more("(module)", 20);
    refused(
        &many,
        Stage::Structure,
        "core instances where 8 are allowed",
    );
    let limits = Limits {
        core_instances: 30,
        ..Limits::default()
    };
    let inspection = inspect("test", &many, &json!({}), &limits);
    assert_eq!(inspection.failure, None);
}

#[test]
fn more_than_one_memory_is_a_limit_that_the_pool_follows() {
    let three = with_more("(module (memory 1))", 1);
    refused(&three, Stage::Structure, "`memories = 2`");
    let limits = Limits {
        memories: 2,
        ..Limits::default()
    };
    let inspection = inspect("test", &three, &json!({}), &limits);
    assert_eq!(inspection.failure, None);
    let policy = inspection.policy.unwrap();
    let request = larder_core::Request::read("product", "42");
    let decision = policy.decide(&request, larder_core::Timestamp(0)).unwrap();
    assert_eq!(decision.key, "42");
    // The memories of an instance count together.
    let small = Limits {
        memory_bytes: 100_000,
        ..limits
    };
    let failure = inspect("test", &three, &json!({}), &small).failure.unwrap();
    assert!(
        failure.reason.contains("131072 bytes of memory"),
        "{failure}"
    );
}

#[test]
fn an_instance_made_of_too_many_parts_is_told_the_limit() {
    // One module that is instantiated twice is one memory in the file, and two when it runs.
    let twice = with_more("(module (memory 1))", 2);
    let limits = Limits {
        memories: 2,
        ..Limits::default()
    };
    let failure = inspect("test", &twice, &json!({}), &limits)
        .failure
        .unwrap();
    assert_eq!(failure.stage, Stage::Compile);
    let words = "3 memories where 2 are allowed; if that is meant, write under `[policy.limits]`";
    assert!(failure.reason.contains(words), "{failure}");
}
