//! One running instance of a policy.

use larder_core::{Manifest, PolicyFailure};
use wasmtime::{Store, UpdateDeadline};

use crate::allowance::ran;
use crate::contract::v0_1_0::{Answer, Checked, Functions};
use crate::engine::Runtime;
use crate::failure::explain;
use crate::limits::Limits;
use crate::meter::Meter;
use crate::panic_text::PanicText;
use crate::text::clean;

/// One instance. It belongs to one caller at a time, and is dropped after any failure: what state
/// a trap left behind cannot be known.
pub(crate) struct Instance {
    store: Store<Meter>,
    functions: Functions,
    calls: u64,
    /// Memory after the start, which does not count as leaked however large it is.
    start_memory: usize,
}

impl Instance {
    /// Starts an instance; `ticks` bounds its start function.
    pub(crate) fn new(
        runtime: &Runtime,
        checked: &Checked,
        limits: &Limits,
        panics: &PanicText,
        ticks: u64,
    ) -> Result<Self, PolicyFailure> {
        let mut store = Store::new(&runtime.engine, Meter::new(limits));
        store.limiter(|meter| meter);
        store.epoch_deadline_callback(|mut context| {
            let next = context.data_mut().time.look(ran());
            Ok(next.map_or(UpdateDeadline::Interrupt, UpdateDeadline::Continue))
        });
        begin(&mut store, ticks);
        store.set_hostcall_fuel(limits.output_bytes);
        match checked.instantiate(&mut store) {
            Ok(functions) => Ok(Self {
                start_memory: store.data().memory(),
                store,
                functions,
                calls: 0,
            }),
            Err(error) => Err(explain(&error, &mut store, limits, panics, ticks)),
        }
    }

    pub(crate) fn describe(
        &mut self,
        limits: &Limits,
        panics: &PanicText,
    ) -> Result<Manifest, PolicyFailure> {
        self.call(limits, panics, limits.load_ticks(), |functions, store| {
            functions.describe(store).map(Ok)
        })
    }

    pub(crate) fn configure(
        &mut self,
        settings: &str,
        limits: &Limits,
        panics: &PanicText,
        ticks: u64,
    ) -> Result<(), PolicyFailure> {
        self.call(limits, panics, ticks, |functions, store| {
            functions.configure(store, settings)
        })?;
        self.start_memory = self.store.data().memory();
        self.calls = 0;
        Ok(())
    }

    /// Runs one call, not longer than `ticks`.
    pub(crate) fn call<T>(
        &mut self,
        limits: &Limits,
        panics: &PanicText,
        ticks: u64,
        call: impl FnOnce(&Functions, &mut Store<Meter>) -> Answer<T>,
    ) -> Result<T, PolicyFailure> {
        self.calls += 1;
        begin(&mut self.store, ticks);
        match call(&self.functions, &mut self.store) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(refusal)) => Err(PolicyFailure::Refused(clean(&refusal))),
            Err(error) => Err(explain(&error, &mut self.store, limits, panics, ticks)),
        }
    }

    /// Whether a new instance should take this one's place.
    pub(crate) fn is_worn(&self, limits: &Limits) -> bool {
        let memory = self.store.data().memory();
        self.calls >= limits.calls_per_instance
            || (memory > limits.memory_mark() && memory > self.start_memory)
    }
}

fn begin(store: &mut Store<Meter>, ticks: u64) {
    let first = store.data_mut().time.begin(ticks);
    store.set_epoch_deadline(first);
}
