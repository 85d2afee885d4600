//! From wasmtime's errors to the ways a policy fails.

use larder_core::PolicyFailure;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, WasmCoreDump};

use crate::limits::Limits;
use crate::meter::{Meter, Refusal};
use crate::panic_text::PanicText;
use crate::text::clean;

/// What wasmtime says when an answer is larger than its allowance; the error has no public type.
const OUTPUT_EXHAUSTED: &str = "fuel allocated for hostcalls has been exhausted";

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
        (None, _) => format!("its answer cannot be read: {}", error.root_cause()),
    };
    PolicyFailure::Trapped(clean(&reason))
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
