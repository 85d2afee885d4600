//! Extensions of WebAssembly that policies do not have.
//!
//! The compiler says that one "is not enabled", at an offset; who built the file has to know which
//! switch brought it.

use wasmparser::{Validator, WasmFeatures};

/// One extension that the engine leaves off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    Threads,
    Exceptions,
    Gc,
    References,
    TailCalls,
    RelaxedSimd,
    Memory64,
    WideArithmetic,
    StackSwitching,
    PageSizes,
    Async,
}

impl Feature {
    const ALL: [Self; 11] = [
        Self::Threads,
        Self::Exceptions,
        Self::Gc,
        Self::References,
        Self::TailCalls,
        Self::RelaxedSimd,
        Self::Memory64,
        Self::WideArithmetic,
        Self::StackSwitching,
        Self::PageSizes,
        Self::Async,
    ];

    fn flags(self) -> WasmFeatures {
        match self {
            Self::Threads => WasmFeatures::THREADS,
            Self::Exceptions => WasmFeatures::EXCEPTIONS | WasmFeatures::LEGACY_EXCEPTIONS,
            Self::Gc => WasmFeatures::GC,
            Self::References => WasmFeatures::GC_TYPES,
            Self::TailCalls => WasmFeatures::TAIL_CALL,
            Self::RelaxedSimd => WasmFeatures::RELAXED_SIMD,
            Self::Memory64 => WasmFeatures::MEMORY64,
            Self::WideArithmetic => WasmFeatures::WIDE_ARITHMETIC,
            Self::StackSwitching => WasmFeatures::STACK_SWITCHING,
            Self::PageSizes => WasmFeatures::CUSTOM_PAGE_SIZES,
            Self::Async => WasmFeatures::CM_ASYNC,
        }
    }

    /// What it is called, and what brings it.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Threads => (
                "threads (atomics, shared memory)",
                "leave out `-pthread`, `-matomics` and `-C target-feature=+atomics`",
            ),
            Self::Exceptions => (
                "exceptions",
                "leave out `-fwasm-exceptions`; in Rust let a panic abort, as it does unless told otherwise",
            ),
            Self::Gc => (
                "the garbage collector's types (structs, arrays)",
                "build for linear memory, as MoonBit's `--target wasm` does and its `wasm-gc` does not; \
                 a language that can only do otherwise makes no policies",
            ),
            Self::References => (
                "references to the host's objects (`externref`)",
                "there are none in a policy: give numbers instead",
            ),
            Self::TailCalls => (
                "tail calls",
                "leave out `-mtail-call` and `-C target-feature=+tail-call`",
            ),
            Self::RelaxedSimd => (
                "relaxed SIMD, whose results differ between machines",
                "leave out `-mrelaxed-simd` and `-C target-feature=+relaxed-simd`; SIMD itself is allowed",
            ),
            Self::Memory64 => ("64-bit memory", "build for wasm32, not for wasm64"),
            Self::WideArithmetic => (
                "wide arithmetic",
                "leave out `-mwide-arithmetic` and `-C target-feature=+wide-arithmetic`",
            ),
            Self::StackSwitching => ("stack switching", "build without coroutines of that kind"),
            Self::PageSizes => ("pages of another size", "leave out `--page-size`"),
            Self::Async => (
                "the component model's async functions",
                "export plain ones: jco's `--backend-qjs-disable-async`, and no `async` in the WIT",
            ),
        }
    }
}

/// The features without which `bytes`, a module or component, is not valid.
fn needed(bytes: &[u8]) -> Vec<Feature> {
    let valid = |features| {
        let mut validator = Validator::new_with_features(features);
        validator.validate_all(bytes).is_ok()
    };
    let all = WasmFeatures::all();
    if !valid(all) {
        return Vec::new();
    }
    let mut needed: Vec<Feature> = Feature::ALL
        .into_iter()
        .filter(|feature| !valid(all - feature.flags()))
        .collect();
    // The types of these are references, too.
    let brought = [Feature::Gc, Feature::Exceptions, Feature::StackSwitching];
    if brought.iter().any(|feature| needed.contains(feature)) {
        needed.retain(|feature| *feature != Feature::References);
    }
    needed
}

/// What to do about the features that `bytes` uses and policies do not have; none if that is not why
/// it was refused.
pub(crate) fn advice(bytes: &[u8]) -> Option<String> {
    let used: Vec<_> = needed(bytes).into_iter().map(Feature::words).collect();
    if used.is_empty() {
        return None;
    }
    let names: Vec<_> = used.iter().map(|(name, _)| *name).collect();
    let switches: Vec<_> = used.iter().map(|(_, switch)| *switch).collect();
    Some(format!(
        "it uses {}, which policies do not have: {}",
        names.join(" and "),
        switches.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_policies_do_not_have_is_named_with_the_switch_that_brought_it() {
        for (items, feature) in [
            ("(memory 1 1 shared)", Feature::Threads),
            (
                "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))",
                Feature::Threads,
            ),
            ("(tag $e) (func (throw $e))", Feature::Exceptions),
            (
                "(tag $e) (func (block $h (result exnref) (try_table (catch_all_ref $h) (throw $e)) unreachable) drop)",
                Feature::Exceptions,
            ),
            ("(type (struct (field i32)))", Feature::Gc),
            ("(type (array i8))", Feature::Gc),
            ("(table 1 externref)", Feature::References),
            ("(func $f (return_call $f))", Feature::TailCalls),
            (
                "(func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0))))",
                Feature::RelaxedSimd,
            ),
            ("(memory i64 1)", Feature::Memory64),
            (
                "(func (param i64) (i64.add128 (local.get 0) (local.get 0) (local.get 0) (local.get 0)) drop drop)",
                Feature::WideArithmetic,
            ),
            ("(type $f (func)) (type (cont $f))", Feature::StackSwitching),
            ("(memory 1 (pagesize 1))", Feature::PageSizes),
        ] {
            let bytes = wat::parse_str(format!("(module {items})")).unwrap();
            assert_eq!(needed(&bytes), [feature], "{items}");
            let (name, switch) = feature.words();
            let text = advice(&bytes).unwrap();
            assert!(text.contains(name) && text.ends_with(switch), "{text}");
        }
    }

    #[test]
    fn async_functions_are_named_in_a_component() {
        let lift = "(component
            (core module $m (func (export \"f\") (result i32) unreachable)
                (func (export \"back\") (param i32 i32 i32) (result i32) unreachable))
            (core instance $i (instantiate $m))
            (func (export \"f\") async
                (canon lift (core func $i \"f\") async (callback (func $i \"back\")))))";
        assert_eq!(needed(&wat::parse_str(lift).unwrap()), [Feature::Async]);
    }

    #[test]
    fn what_policies_have_is_not_blamed() {
        let items = "(memory 1) (table 1 funcref) (func (result i32)
            (memory.copy (i32.const 0) (i32.const 8) (i32.const 8))
            (i32x4.extract_lane 0 (v128.const i32x4 1 2 3 4)))";
        let bytes = wat::parse_str(format!("(module {items})")).unwrap();
        assert_eq!(advice(&bytes), None);
        assert_eq!(advice(&bytes[..bytes.len() - 1]), None);
    }
}
