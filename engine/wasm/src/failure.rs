//! From wasmtime's errors to the ways a policy fails.

use larder_core::PolicyFailure;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, WasmCoreDump};

use crate::limit::{Excess, Limit};
use crate::limits::Limits;
use crate::meter::{Meter, Refusal};
use crate::panic_text::PanicText;
use crate::text::clean;

/// What wasmtime says when an answer is larger than its allowance; the error has no public type.
const OUTPUT_EXHAUSTED: &str = "fuel allocated for hostcalls has been exhausted";

/// How wasmtime begins to say that an instance has too many parts.
const LIMIT_EXCEEDED: &str = "resource limit exceeded: ";

/// Says how a call into `store` failed. The store must not be used afterwards.
pub(crate) fn explain(
    error: &wasmtime::Error,
    store: &mut Store<Meter>,
    limits: &Limits,
    panics: &PanicText,
    ticks: u64,
) -> PolicyFailure {
    let refused = store.data_mut().take_refusal();
    let trap = error.downcast_ref::<Trap>().copied();
    if trap == Some(Trap::Interrupt) {
        let limit_ms = ticks.saturating_sub(1);
        return PolicyFailure::Deadline { limit_ms };
    }
    if refused == Some(Refusal::Memory) {
        let limit_bytes = limits.memory_bytes as u64;
        return PolicyFailure::Memory { limit_bytes };
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return PolicyFailure::Unavailable(format!("{:#}", error.root_cause()));
    }
    if error.root_cause().to_string().contains(OUTPUT_EXHAUSTED) {
        let limit_bytes = limits.output_bytes as u64;
        return PolicyFailure::Output { limit_bytes };
    }
    let dump = error.downcast_ref::<WasmCoreDump>();
    let reason = match (trap, refused) {
        (_, Some(Refusal::Table)) => format!(
            "it wanted a table of more than {} elements",
            limits.table_elements
        ),
        (Some(Trap::UnreachableCodeReached), _) => dump
            .and_then(|dump| panic_text(dump, store, panics))
            .unwrap_or_else(|| place("it gave up without a message", dump)),
        (Some(Trap::StackOverflow), _) => place(
            "its call stack is exhausted, by endless recursion perhaps",
            dump,
        ),
        (Some(trap), _) => place(&trap.to_string(), dump),
        (None, _) => match limit_of(&error.root_cause().to_string()) {
            Some(limit) => format!(
                "one instance of it consists of more than {}; raise `{}` under `[policy.limits]`",
                limit.of(limits),
                limit.as_str()
            ),
            None => format!("its answer cannot be read: {}", error.root_cause()),
        },
    };
    PolicyFailure::Trapped(clean(&reason))
}

/// What the pool says of a component with too many parts, as a limit; the error has no public type.
pub(crate) fn beyond_pool(error: &str, limits: &Limits) -> Option<Excess> {
    let (_, rest) = error.split_once("transitively contains ")?;
    let (found, what) = rest.split_once(' ')?;
    let limit = [
        ("core module instances", Limit::CoreInstances),
        ("Wasm linear memories", Limit::Memories),
        ("tables", Limit::Tables),
    ]
    .into_iter()
    .find_map(|(begins, limit)| what.starts_with(begins).then_some(limit))?;
    let (found, most) = (found.parse().ok()?, limit.of(limits));
    Some(Excess { limit, found, most })
}

/// The limit that wasmtime says is passed; the error has no public type.
fn limit_of(cause: &str) -> Option<Limit> {
    let what = cause.strip_prefix(LIMIT_EXCEEDED)?;
    [
        ("instance", Limit::CoreInstances),
        ("memory", Limit::Memories),
        ("table", Limit::Tables),
    ]
    .into_iter()
    .find_map(|(begins, limit)| what.starts_with(begins).then_some(limit))
}

fn panic_text(dump: &WasmCoreDump, store: &Store<Meter>, panics: &PanicText) -> Option<String> {
    let mut memories = dump.memories().iter();
    memories.find_map(|memory| panics.find(memory.data(store)))
}

/// `what`, and in which function.
fn place(what: &str, dump: Option<&WasmCoreDump>) -> String {
    let function = dump.and_then(|dump| dump.frames().first()?.func_name());
    match function {
        Some(function) => format!("{what}, in function `{function}`"),
        None => what.to_owned(),
    }
}
