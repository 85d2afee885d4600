//! The limits by the names that the configuration gives them, and what passes them.

use std::fmt;

use crate::limits::Limits;

/// One of the [`Limits`], by its key under `[policy.limits]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The longest call.
    Deadline,
    /// The most linear memory.
    Memory,
    /// The largest file.
    File,
    /// The most functions.
    Functions,
    /// The longest body of one function.
    Body,
    /// The most core modules.
    Modules,
    /// The most core instances.
    CoreInstances,
    /// The most memories.
    Memories,
    /// The most tables.
    Tables,
    /// The most elements of one table.
    TableElements,
    /// The largest answer.
    Output,
    /// How many calls an instance serves.
    CallsPerInstance,
    /// The most instances.
    Instances,
}

/// How the value of a limit is written.
#[derive(Clone, Copy)]
enum Unit {
    Milliseconds,
    Bytes,
    Count,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Deadline,
        Self::Memory,
        Self::File,
        Self::Functions,
        Self::Body,
        Self::Modules,
        Self::CoreInstances,
        Self::Memories,
        Self::Tables,
        Self::TableElements,
        Self::Output,
        Self::CallsPerInstance,
        Self::Instances,
    ];

    /// The key in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::File => "file",
            Self::Functions => "functions",
            Self::Body => "body",
            Self::Modules => "modules",
            Self::CoreInstances => "core_instances",
            Self::Memories => "memories",
            Self::Tables => "tables",
            Self::TableElements => "table_elements",
            Self::Output => "output",
            Self::CallsPerInstance => "calls_per_instance",
            Self::Instances => "instances",
        }
    }

    /// The line of `[policy.limits]` under which `found` passes, with some room.
    #[must_use]
    pub fn line(self, found: u64) -> String {
        let key = self.as_str();
        let found = match self {
            // Between the parts of a component come more, which only compiling it tells.
            Self::CoreInstances => found.saturating_mul(2),
            _ => found,
        };
        match self.unit() {
            Unit::Milliseconds => format!("{key} = \"{}ms\"", roomy(found)),
            Unit::Bytes => format!("{key} = \"{}\"", size(found)),
            Unit::Count => format!("{key} = {}", roomy(found)),
        }
    }

    /// Its value among `limits`, in milliseconds, bytes or as a count.
    #[must_use]
    pub const fn of(self, limits: &Limits) -> u64 {
        match self {
            Self::Deadline => limits.deadline_ms,
            Self::Memory => limits.memory_bytes as u64,
            Self::File => limits.file_bytes as u64,
            Self::Functions => limits.functions as u64,
            Self::Body => limits.body_bytes as u64,
            Self::Modules => limits.modules as u64,
            Self::CoreInstances => limits.core_instances as u64,
            Self::Memories => limits.memories as u64,
            Self::Tables => limits.tables as u64,
            Self::TableElements => limits.table_elements as u64,
            Self::Output => limits.output_bytes as u64,
            Self::CallsPerInstance => limits.calls_per_instance,
            Self::Instances => limits.instances as u64,
        }
    }

    const fn unit(self) -> Unit {
        match self {
            Self::Deadline => Unit::Milliseconds,
            Self::Memory | Self::File | Self::Body | Self::Output => Unit::Bytes,
            _ => Unit::Count,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Deadline => "milliseconds for one call",
            Self::Memory => "bytes of memory from the start",
            Self::File => "bytes of file",
            Self::Functions => "functions",
            Self::Body => "bytes in one function",
            Self::Modules => "core modules",
            Self::CoreInstances => "core instances",
            Self::Memories => "memories",
            Self::Tables => "tables",
            Self::TableElements => "elements in one table from the start",
            Self::Output => "bytes in one answer",
            Self::CallsPerInstance => "calls of one instance",
            Self::Instances => "instances",
        }
    }
}

/// A limit that a file passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excess {
    /// Which limit.
    pub limit: Limit,
    /// What was found.
    pub found: u64,
    /// What is allowed.
    pub most: u64,
}

impl Excess {
    /// The limits out of `found` that are passed.
    pub(crate) fn among(found: &[(Limit, u64)], limits: &Limits) -> Vec<Self> {
        let compare = |&(limit, found): &(Limit, u64)| {
            let most = limit.of(limits);
            (found > most).then_some(Self { limit, found, most })
        };
        found.iter().filter_map(compare).collect()
    }

    /// The line of `[policy.limits]` under which this passes.
    #[must_use]
    pub fn line(&self) -> String {
        self.limit.line(self.found)
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (found, words, most) = (self.found, self.limit.words(), self.most);
        write!(f, "{found} {words} where {most} are allowed")
    }
}

/// All that is passed in one sentence, with what to write to let it pass.
pub(crate) fn refusal(passed: &[Excess]) -> String {
    let list = |one: fn(&Excess) -> String, by| passed.iter().map(one).collect::<Vec<_>>().join(by);
    let found = list(ToString::to_string, ", ");
    let lines = list(|excess| format!("`{}`", excess.line()), ", ");
    let advice = passed.iter().filter_map(|excess| advice(excess.limit));
    let advice: String = advice.collect();
    format!("it has {found}; if that is meant, write under `[policy.limits]`: {lines}{advice}")
}

/// What may help where the limit is passed without need.
const fn advice(limit: Limit) -> Option<&'static str> {
    match limit {
        Limit::File => Some(
            ". If the file holds what debuggers read, `wasm-opt --strip-debug` or `llvm-strip` takes \
             it away; `wasm-strip` and `wasm-tools strip --all` take the contract's section of a \
             core module with it",
        ),
        Limit::Memory => Some(
            ". Most of what is there from the start may be the stack: link with \
             `-z stack-size=65536` (in Rust `-C link-arg=-zstack-size=65536`)",
        ),
        _ => None,
    }
}

/// Some more than `found`, in a number that reads well.
fn roomy(found: u64) -> u64 {
    let mut step: u64 = 1;
    while step.saturating_mul(20) <= found {
        step = step.saturating_mul(10);
    }
    let halves = if step >= 10 { step / 2 } else { 1 };
    found.div_ceil(halves).saturating_mul(halves)
}

/// The next power of two, as the configuration writes sizes.
fn size(found: u64) -> String {
    let bytes = found.max(1 << 10).checked_next_power_of_two();
    match bytes.unwrap_or(1 << 63) {
        bytes if bytes >= 1 << 20 => format!("{}MiB", bytes >> 20),
        bytes => format!("{}KiB", bytes >> 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_lets_what_was_found_pass_with_some_room() {
        for (limit, found, line) in [
            (Limit::File, 18_400_000, "file = \"32MiB\""),
            (Limit::Body, 172_000, "body = \"256KiB\""),
            (Limit::Memory, 197 * 65_536, "memory = \"16MiB\""),
            (Limit::Functions, 13_484, "functions = 13500"),
            (Limit::Functions, 5_001, "functions = 5500"),
            (Limit::CoreInstances, 11, "core_instances = 25"),
            (Limit::Modules, 11, "modules = 11"),
            (Limit::Memories, 3, "memories = 3"),
            (Limit::Deadline, 12, "deadline = \"12ms\""),
            (Limit::Output, u64::MAX, "output = \"8796093022208MiB\""),
        ] {
            assert_eq!(limit.line(found), line);
        }
    }

    #[test]
    fn every_limit_that_is_passed_is_named_once_with_its_line() {
        let limits = Limits::default();
        let found = [
            (Limit::File, 12_100_000),
            (Limit::Functions, 5_000),
            (Limit::Memories, 3),
        ];
        let text = refusal(&Excess::among(&found, &limits));
        for words in [
            "12100000 bytes of file where 2097152 are allowed",
            "3 memories where 1 are allowed",
            "`[policy.limits]`: `file = \"16MiB\"`, `memories = 3`",
            "`wasm-opt --strip-debug`",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("functions"), "{text}");
    }
}
