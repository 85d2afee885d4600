//! What an instance uses, and the refusal of more.

use wasmtime::ResourceLimiter;

use crate::allowance::Allowance;
use crate::limits::Limits;

/// What one instance uses. The host's data in each store.
pub(crate) struct Meter {
    /// Of the call under way.
    pub(crate) time: Allowance,
    memory: usize,
    memory_limit: usize,
    table_limit: usize,
    tables: usize,
    instances: usize,
    memories: usize,
    refused: Option<Refusal>,
}

/// What an instance wanted and did not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Memory,
    Table,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            time: Allowance::default(),
            memory: 0,
            memory_limit: limits.memory_bytes,
            table_limit: limits.table_elements,
            tables: limits.tables,
            instances: limits.core_instances,
            memories: limits.memories,
            refused: None,
        }
    }

    /// Linear memory in use, in bytes.
    pub(crate) const fn memory(&self) -> usize {
        self.memory
    }

    /// What was refused since the last call of this function. A guest that copes with a refusal
    /// answers all the same; only if it then fails was this the reason.
    pub(crate) const fn take_refusal(&mut self) -> Option<Refusal> {
        self.refused.take()
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = (self.memory - current.min(self.memory)).saturating_add(desired);
        let granted = total <= self.memory_limit;
        if granted {
            self.memory = total;
        } else {
            self.refused = Some(Refusal::Memory);
        }
        Ok(granted)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = desired <= self.table_limit;
        if !granted {
            self.refused = Some(Refusal::Table);
        }
        Ok(granted)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.tables
    }

    fn memories(&self) -> usize {
        self.memories
    }
}
