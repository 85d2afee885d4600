//! What was found to be wrong, and how often.

use std::collections::BTreeMap;
use std::fmt;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Damage {
    /// An acknowledged write of which the origin holds neither the effect nor that of a later one.
    Lost,
    /// An effect of an earlier write after one of a later write of the same key, or a queue that
    /// numbered a later write lower.
    Inverted,
    /// One write that took effect twice.
    Duplicated,
    /// An effect that no client asked for.
    Foreign,
    /// A read after everything was over that did not answer what the origin holds.
    Unequal,
    /// A read on the node that had acknowledged a write that answered an older one.
    Unread,
}

/// How much of what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    counts: BTreeMap<Damage, u64>,
    examples: Vec<String>,
}

const EXAMPLES: usize = 12;

impl Damage {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Lost,
        Self::Inverted,
        Self::Duplicated,
        Self::Foreign,
        Self::Unequal,
        Self::Unread,
    ];

    /// The name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Inverted => "inverted",
            Self::Duplicated => "duplicated",
            Self::Foreign => "never written",
            Self::Unequal => "cache not equal origin",
            Self::Unread => "own write not read",
        }
    }
}

impl Verdict {
    /// How often this was found.
    #[must_use]
    pub fn count(&self, damage: Damage) -> u64 {
        self.counts.get(&damage).copied().unwrap_or_default()
    }

    /// Whether nothing is wrong, `but` aside.
    #[must_use]
    pub fn is_clean_but(&self, but: &[Damage]) -> bool {
        self.counts.keys().all(|damage| but.contains(damage))
    }

    pub(crate) fn found(&mut self, damage: Damage, times: u64, example: impl FnOnce() -> String) {
        if times == 0 {
            return;
        }
        *self.counts.entry(damage).or_default() += times;
        if self.examples.len() < EXAMPLES {
            let example = example();
            self.examples
                .push(format!("{}: {example}", damage.as_str()));
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for damage in Damage::ALL {
            writeln!(f, "{:<24}{:>10}", damage.as_str(), self.count(damage))?;
        }
        for example in &self.examples {
            writeln!(f, "  {example}")?;
        }
        Ok(())
    }
}
