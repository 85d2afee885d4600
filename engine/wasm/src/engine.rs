//! The wasmtime engine as policies need it: no WASI, no threads, bounded stack, a ticking epoch.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use wasmtime::component::Linker;
use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, OptLevel,
    PoolingAllocationConfig, RegallocAlgorithm,
};

use crate::limits::Limits;
use crate::meter::Meter;

/// The guest's stack on the host thread. Well under the 2 MiB of the usual worker thread: running
/// over the thread's own stack would end the process.
const STACK_BYTES: usize = 512 << 10;
/// What a slot keeps mapped for its next instance and clears by writing instead of remapping: a
/// third of the cost of a new instance, and more than a policy in Rust touches.
const KEPT_MEMORY: usize = 256 << 10;
const KEPT_TABLE: usize = 64 << 10;
const TICK: Duration = Duration::from_millis(1);
/// Address space is reserved for so many instances even if fewer are configured, for modules that
/// appear in the folder later.
const MIN_SLOTS: usize = 256;
const MAX_SLOTS: usize = 1_000;

/// One engine and its linker, which offers nothing.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<Meter>,
}

/// Why no engine could be made.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine could not be started: {0}")]
pub(crate) struct EngineError(String);

impl Runtime {
    /// An engine whose pool fits policies with these limits.
    pub(crate) fn new(limits: &[&Limits], slots: usize) -> Result<Arc<Self>, EngineError> {
        let engine = pooled(limits, slots)
            .or_else(|error| {
                tracing::warn!(%error, "no address space for a pool of instances; each is allocated by itself");
                Engine::new(&base(memories(limits)))
            })
            .map_err(|error| EngineError(format!("{error:#}")))?;
        tick(engine.weak()).map_err(|error| EngineError(error.to_string()))?;
        let linker = Linker::new(&engine);
        Ok(Arc::new(Self { engine, linker }))
    }

    /// Slots for the configured policies, and for as many that are still unknown.
    pub(crate) fn slots(limits: &[&Limits]) -> usize {
        let configured = limits.iter().map(|limits| limits.instances).sum::<usize>();
        configured.saturating_mul(2).clamp(MIN_SLOTS, MAX_SLOTS)
    }
}

/// The most memories that any policy may have.
fn memories(limits: &[&Limits]) -> usize {
    limits
        .iter()
        .map(|limits| limits.memories)
        .max()
        .unwrap_or(1)
}

fn base(memories: usize) -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(STACK_BYTES)
        .memory_init_cow(true)
        .native_unwind_info(false)
        .coredump_on_trap(true)
        .wasm_backtrace_max_frames(NonZeroUsize::new(8))
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        // Where a component has more than one, what wasmtime puts between its parts uses both; its
        // compiler panics on that where it was told that there is only one.
        .wasm_multi_memory(memories > 1)
        .wasm_tail_call(false);
    // In a development build the compiler itself is not optimised: what it leaves out is half of the
    // time that every start takes.
    if cfg!(debug_assertions) {
        config
            .cranelift_opt_level(OptLevel::None)
            .cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
    }
    config
}

fn pooled(limits: &[&Limits], slots: usize) -> wasmtime::Result<Engine> {
    let most = |field: fn(&Limits) -> usize| limits.iter().copied().map(field).max().unwrap_or(0);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(count(slots))
        .total_core_instances(count(slots * most(|l| l.core_instances)))
        .total_memories(count(slots * memories(limits).max(1)))
        .total_tables(count(slots * most(|l| l.tables)))
        .max_tables_per_module(count(most(|l| l.tables).max(1)))
        .table_elements(most(|l| l.table_elements))
        .max_memory_size(most(|l| l.memory_bytes))
        .max_memories_per_component(count(memories(limits).max(1)))
        .linear_memory_keep_resident(KEPT_MEMORY)
        .table_keep_resident(KEPT_TABLE)
        .pagemap_scan(Enabled::Auto);
    let mut config = base(memories(limits));
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// Advances the epoch, by which calls are looked after, until the engine is gone. A thread of its own,
/// because a task among others can be kept waiting by the very call it should stop.
fn tick(engine: EngineWeak) -> std::io::Result<()> {
    let ticker = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::park_timeout(TICK);
        }
    };
    thread::Builder::new()
        .name("larder-epoch".into())
        .spawn(ticker)
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_address_space_instances_are_allocated_one_by_one() {
        let limits = Limits::default();
        assert!(pooled(&[&limits], MIN_SLOTS).is_ok());
        let more_than_the_machine_has = 1_000_000;
        assert!(pooled(&[&limits], more_than_the_machine_has).is_err());
        assert!(Runtime::new(&[&limits], more_than_the_machine_has).is_ok());
    }

    /// Two components, each with a memory, and a call between them that copies a text.
    const TWO_MEMORIES: &str = r#"(component
  (component $a
    (core module $m
      (memory (export "memory") 1)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8))
      (func (export "f") (param i32 i32)))
    (core instance $i (instantiate $m))
    (func (export "f") (param "text" string)
      (canon lift (core func $i "f") (memory $i "memory") (realloc (func $i "realloc")))))
  (instance $a (instantiate $a))
  (component $b
    (import "f" (func $f (param "text" string)))
    (core module $own (memory (export "memory") 1))
    (core instance $own (instantiate $own))
    (core func $lowered (canon lower (func $f) (memory $own "memory")))
    (core module $m
      (import "a" "f" (func $f (param i32 i32)))
      (func (export "g") (call $f (i32.const 0) (i32.const 3))))
    (core instance $i (instantiate $m (with "a" (instance (export "f" (func $lowered))))))
    (func (export "g") (canon lift (core func $i "g"))))
  (instance $b (instantiate $b (with "f" (func $a "f"))))
  (export "g" (func $b "g")))"#;

    #[test]
    fn components_with_several_memories_compile_where_the_limit_allows_them() {
        let limits = Limits {
            memories: 2,
            ..Limits::default()
        };
        let runtime = Runtime::new(&[&limits, &Limits::default()], MIN_SLOTS).unwrap();
        let bytes = wat::parse_str(TWO_MEMORIES).unwrap();
        wasmtime::component::Component::from_binary(&runtime.engine, &bytes).unwrap();
    }

    #[test]
    fn the_ticker_ends_with_its_engine() {
        let engine = Engine::new(&base(1)).unwrap();
        let weak = engine.weak();
        tick(engine.weak()).unwrap();
        drop(engine);
        while weak.upgrade().is_some() {
            thread::yield_now();
        }
    }
}
