//! What one policy may use.

use serde::{Deserialize, Serialize};

use crate::limit::Limit;

/// What one policy may use. A policy beyond a limit of its file is refused when it is loaded; one
/// beyond a limit of its calls fails that call, and its instance is dropped.
///
/// Policies in JavaScript or Python bring an interpreter along and need far larger numbers than
/// these defaults, which fit policies in Rust and the like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The longest call, in milliseconds that it runs. While the machine runs something else in its
    /// place time does not count, until it is twenty times as much. Default: 10.
    pub deadline_ms: u64,
    /// The most linear memory of one instance, in bytes. Default: 16 MiB.
    pub memory_bytes: usize,
    /// The largest module file, in bytes. Default: 2 MiB.
    pub file_bytes: usize,
    /// The most functions of a module. Default: 5,000.
    pub functions: u32,
    /// The longest body of one function, in bytes. Default: 128 KiB.
    pub body_bytes: usize,
    /// The most core modules in one file. Default: 4.
    pub modules: u32,
    /// The most core instances that one instance of the policy consists of. Default: 8.
    pub core_instances: usize,
    /// The most linear memories of one instance. Default: 1. QuickJS as jco builds it has 3.
    pub memories: usize,
    /// The most tables of one instance. Default: 4.
    pub tables: usize,
    /// The most elements of one table. Default: 10,000.
    pub table_elements: usize,
    /// The largest answer, in bytes. Default: 256 KiB.
    pub output_bytes: usize,
    /// After so many calls an instance is replaced by a new one. Default: 10,000.
    pub calls_per_instance: u64,
    /// The most instances at one time, idle and busy together. Default: 64.
    pub instances: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline_ms: 10,
            memory_bytes: 16 << 20,
            file_bytes: 2 << 20,
            functions: 5_000,
            body_bytes: 128 << 10,
            modules: 4,
            core_instances: 8,
            memories: 1,
            tables: 4,
            table_elements: 10_000,
            output_bytes: 256 << 10,
            calls_per_instance: 10_000,
            instances: 64,
        }
    }
}

impl Limits {
    /// Ticks, one each millisecond, that a call may run. One more than the limit, because the
    /// current tick is partly over.
    pub(crate) const fn ticks(&self) -> u64 {
        self.deadline_ms.saturating_add(1)
    }

    /// Ticks for what runs once when a build is loaded. Generous, because a build that fails is
    /// not tried again, and a busy machine must not look like a policy that loops.
    pub(crate) const fn load_ticks(&self) -> u64 {
        if self.deadline_ms > 1_000 {
            self.ticks()
        } else {
            1_001
        }
    }

    /// The first limit that is 0, with which no policy could ever answer.
    pub(crate) fn zero(&self) -> Option<&'static str> {
        let zero = |limit: &Limit| limit.of(self) == 0;
        let needed = |limit: &Limit| {
            !matches!(
                limit,
                Limit::Tables | Limit::TableElements | Limit::CallsPerInstance
            )
        };
        let mut all = Limit::ALL.into_iter().filter(needed);
        all.find(zero).map(Limit::as_str)
    }

    /// Memory beyond which an instance is replaced after its call: it leaks, and the next call
    /// might be the one that fails.
    pub(crate) const fn memory_mark(&self) -> usize {
        self.memory_bytes / 4 * 3
    }
}

/// Whether decisions may share an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Instances are reused, one call at a time.
    #[default]
    Reuse,
    /// Each decision gets a new instance, so that nothing can leak from one to the next.
    Fresh,
}
