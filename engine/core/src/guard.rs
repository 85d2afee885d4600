//! The operator's limits on what a policy may decide.

use serde::Serialize;
use wildmatch::WildMatch;

use crate::admission::Admission;
use crate::decision::{Decision, Freshness, Target};
use crate::request::{Request, clip};

/// Limits on decisions. A number beyond its limit is clamped and the clamp reported; what cannot
/// be made safe by clamping (no key, a key too long, too many tags) is refused, and the request is
/// then answered by the policy's fallback.
#[derive(Clone, Debug)]
pub struct Guard {
    /// The longest ttl, negative ttl and time to idle, in milliseconds. Default: one day.
    pub ttl_max_ms: u64,
    /// The longest stale window, in milliseconds. Default: one day.
    pub stale_max_ms: u64,
    /// The longest load timeout, in milliseconds. Default: one minute.
    pub timeout_max_ms: u32,
    /// The longest key, in bytes. Default: 4 KiB.
    pub key_max_bytes: usize,
    /// The longest tag or namespace, in bytes. Default: 256.
    pub tag_max_bytes: usize,
    /// The most tags of one entry; each is compared on every hit. Default: 16.
    pub tags_max: usize,
    /// The most targets of one write. Default: 64.
    pub invalidates_max: usize,
    /// Resources whose values are encrypted whether the policy remembers or not; `*` and `?`
    /// match as in file names. Default: none.
    pub protected: Vec<WildMatch>,
}

impl Default for Guard {
    fn default() -> Self {
        const DAY_MS: u64 = 24 * 60 * 60 * 1000;
        Self {
            ttl_max_ms: DAY_MS,
            stale_max_ms: DAY_MS,
            timeout_max_ms: 60_000,
            key_max_bytes: 4096,
            tag_max_bytes: 256,
            tags_max: 16,
            invalidates_max: 64,
            protected: Vec::new(),
        }
    }
}

/// One thing that the guard changed in a decision.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Clamp {
    /// The field of the decision.
    pub field: &'static str,
    /// What the policy answered.
    pub asked: ClampValue,
    /// What holds instead.
    pub given: ClampValue,
    /// The limit that was applied.
    pub rule: &'static str,
}

/// A value in a [`Clamp`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum ClampValue {
    /// Milliseconds, percent, bytes or a count.
    Number(u64),
    /// A weight.
    Weight(f32),
    /// A switch.
    Flag(bool),
    /// A word for what holds.
    Word(&'static str),
}

/// Why a decision cannot be used at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is nothing to store under.
    #[error("the policy answered an empty key; every decision needs one")]
    EmptyKey,
    /// The key, a tag or a namespace is too long.
    #[error("the policy answered a {what} of {bytes} bytes; the guard allows {max}")]
    TooLong {
        /// `key`, `tag`, `namespace` or `target`.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
    /// Too many tags or targets. Dropping some would leave entries that no invalidation reaches.
    #[error("the policy answered {count} {what}; the guard allows {max}")]
    TooMany {
        /// `tags` or `invalidates`.
        what: &'static str,
        /// How many came.
        count: usize,
        /// How many may.
        max: usize,
    },
    /// A tag or target that names nothing.
    #[error("the policy answered an empty {0}")]
    Empty(&'static str),
    /// A name with a line break, NUL or the like in it.
    #[error("the policy answered a {what} with a control character in it: `{text}`")]
    ControlCharacter {
        /// `tag`, `namespace` or `target`.
        what: &'static str,
        /// Its beginning, escaped.
        text: String,
    },
}

impl Guard {
    /// Passes what a policy decided about `request`: fills in the namespace, clamps numbers, and
    /// protects protected resources.
    ///
    /// # Errors
    /// Says what makes the decision unusable.
    pub fn apply(
        &self,
        request: &Request,
        mut decision: Decision,
    ) -> Result<(Decision, Vec<Clamp>), Refusal> {
        self.check_key(&decision.key)?;
        if decision.namespace.is_empty() {
            decision.namespace.push_str(&request.resource);
        }
        self.check_name("namespace", &decision.namespace)?;
        self.check_tags(&decision.tags)?;
        self.check_targets(&decision.invalidates)?;

        let mut clamps = Vec::new();
        self.clamp_freshness(&mut decision.freshness, &mut clamps);
        let loading = &mut decision.loading;
        for (field, value) in [
            ("soft_timeout_ms", &mut loading.soft_timeout_ms),
            ("hard_timeout_ms", &mut loading.hard_timeout_ms),
        ] {
            if *value > self.timeout_max_ms {
                let (asked, given) = (u64::from(*value), u64::from(self.timeout_max_ms));
                clamps.push(number(field, asked, given, "timeout_max"));
                *value = self.timeout_max_ms;
            }
        }
        if !decision.encrypt && self.protects(&request.resource) {
            decision.encrypt = true;
            let (asked, given) = (ClampValue::Flag(false), ClampValue::Flag(true));
            clamps.push(Clamp {
                field: "encrypt",
                asked,
                given,
                rule: "protected",
            });
        }
        truncate(&mut decision.reason);
        Ok((decision, clamps))
    }

    /// Passes what a policy answered after a load, under the same limits.
    ///
    /// # Errors
    /// Says what makes the answer unusable.
    pub fn apply_admission(&self, mut admission: Admission) -> Result<Admission, Refusal> {
        self.check_tags(&admission.tags)?;
        self.clamp_freshness(&mut admission.freshness, &mut Vec::new());
        truncate(&mut admission.reason);
        Ok(admission)
    }

    /// Whether values of `resource` must be encrypted.
    #[must_use]
    pub fn protects(&self, resource: &str) -> bool {
        self.protected
            .iter()
            .any(|pattern| pattern.matches(resource))
    }

    fn clamp_freshness(&self, freshness: &mut Freshness, clamps: &mut Vec<Clamp>) {
        for (field, value, max, rule) in [
            ("ttl_ms", &mut freshness.ttl_ms, self.ttl_max_ms, "ttl_max"),
            (
                "negative_ttl_ms",
                &mut freshness.negative_ttl_ms,
                self.ttl_max_ms,
                "ttl_max",
            ),
            (
                "time_to_idle_ms",
                &mut freshness.time_to_idle_ms,
                self.ttl_max_ms,
                "ttl_max",
            ),
            (
                "stale_while_revalidate_ms",
                &mut freshness.stale_while_revalidate_ms,
                self.stale_max_ms,
                "stale_max",
            ),
            (
                "stale_if_error_ms",
                &mut freshness.stale_if_error_ms,
                self.stale_max_ms,
                "stale_max",
            ),
        ] {
            if *value > max {
                clamps.push(number(field, *value, max, rule));
                *value = max;
            }
        }
        if freshness.jitter_percent > 100 {
            let asked = u64::from(freshness.jitter_percent);
            clamps.push(number("jitter_percent", asked, 100, "percent"));
            freshness.jitter_percent = 100;
        }
        let beta = freshness.early_refresh_beta;
        if !(0.0..=10.0).contains(&beta) {
            // NaN compares with nothing: it, too, turns early refresh off.
            freshness.early_refresh_beta = if beta > 10.0 { 10.0 } else { 0.0 };
            clamps.push(Clamp {
                field: "early_refresh_beta",
                asked: ClampValue::Weight(beta),
                given: ClampValue::Weight(freshness.early_refresh_beta),
                rule: "zero_to_ten",
            });
        }
    }

    fn check_key(&self, key: &str) -> Result<(), Refusal> {
        if key.is_empty() {
            return Err(Refusal::EmptyKey);
        }
        fits("key", key, self.key_max_bytes)
    }

    fn check_tags(&self, tags: &[String]) -> Result<(), Refusal> {
        at_most("tags", tags.len(), self.tags_max)?;
        tags.iter().try_for_each(|tag| self.check_name("tag", tag))
    }

    fn check_targets(&self, targets: &[Target]) -> Result<(), Refusal> {
        at_most("invalidates", targets.len(), self.invalidates_max)?;
        targets.iter().try_for_each(|target| match target {
            Target::Key(key) => self.check_key(key).map_err(|refusal| match refusal {
                Refusal::EmptyKey => Refusal::Empty("target"),
                other => other,
            }),
            Target::Tag(name) | Target::Namespace(name) | Target::Pattern(name) => {
                self.check_name("target", name)
            }
        })
    }

    fn check_name(&self, what: &'static str, name: &str) -> Result<(), Refusal> {
        if name.is_empty() {
            return Err(Refusal::Empty(what));
        }
        if name.chars().any(char::is_control) {
            return Err(Refusal::ControlCharacter {
                what,
                text: clip(name),
            });
        }
        fits(what, name, self.tag_max_bytes)
    }
}

fn number(field: &'static str, asked: u64, given: u64, rule: &'static str) -> Clamp {
    Clamp {
        field,
        asked: ClampValue::Number(asked),
        given: ClampValue::Number(given),
        rule,
    }
}

fn fits(what: &'static str, text: &str, max: usize) -> Result<(), Refusal> {
    let bytes = text.len();
    if bytes > max {
        Err(Refusal::TooLong { what, bytes, max })
    } else {
        Ok(())
    }
}

fn at_most(what: &'static str, count: usize, max: usize) -> Result<(), Refusal> {
    if count > max {
        Err(Refusal::TooMany { what, count, max })
    } else {
        Ok(())
    }
}

/// Reasons end up in logs and replies: the first 512 bytes say enough.
fn truncate(reason: &mut String) {
    const MAX: usize = 512;
    if reason.len() > MAX {
        let end = (0..=MAX)
            .rev()
            .find(|&i| reason.is_char_boundary(i))
            .unwrap_or(0);
        reason.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Strategy;

    const CENTURY_MS: u64 = 100 * 365 * 24 * 60 * 60 * 1000;

    fn decision() -> Decision {
        let mut decision = Decision::new(Strategy::ReadThrough, "product:42");
        decision.freshness.ttl_ms = 1000;
        decision
    }

    fn apply(change: impl FnOnce(&mut Decision)) -> Result<(Decision, Vec<Clamp>), Refusal> {
        let mut decision = decision();
        change(&mut decision);
        let guard = Guard {
            protected: vec![WildMatch::new("credential*")],
            ..Guard::default()
        };
        guard.apply(&Request::read("product", "42"), decision)
    }

    #[test]
    fn a_modest_decision_passes_unchanged_but_for_its_namespace() {
        let (passed, clamps) = apply(|_| ()).unwrap();
        assert_eq!(
            passed,
            Decision {
                namespace: "product".into(),
                ..decision()
            }
        );
        assert_eq!(clamps, []);
    }

    #[test]
    fn what_clamping_cannot_save_is_refused() {
        type Change = fn(&mut Decision);
        let cases: [(Change, &str); 8] = [
            (|d| d.key.clear(), "empty key"),
            (
                |d| d.key = "x".repeat(10_000_000),
                "key of 10000000 bytes; the guard allows 4096",
            ),
            (
                |d| d.tags = vec!["t".into(); 1000],
                "1000 tags; the guard allows 16",
            ),
            (|d| d.tags = vec![String::new()], "empty tag"),
            (|d| d.tags = vec!["a\r\nb".into()], "control character"),
            (|d| d.namespace = "n".repeat(300), "namespace of 300 bytes"),
            (
                |d| d.invalidates = vec![Target::Key("k".into()); 65],
                "65 invalidates",
            ),
            (
                |d| d.invalidates = vec![Target::Tag(String::new())],
                "empty target",
            ),
        ];
        for (change, message) in cases {
            let error = apply(change).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn numbers_are_clamped_and_the_clamp_is_reported() {
        let (passed, clamps) = apply(|d| {
            d.freshness.ttl_ms = CENTURY_MS;
            d.freshness.jitter_percent = 200;
            d.freshness.early_refresh_beta = f32::NAN;
            d.loading.hard_timeout_ms = u32::MAX;
        })
        .unwrap();
        assert_eq!(passed.freshness.ttl_ms, 86_400_000);
        assert_eq!(passed.freshness.jitter_percent, 100);
        assert_eq!(passed.freshness.early_refresh_beta, 0.0);
        assert_eq!(passed.loading.hard_timeout_ms, 60_000);
        let fields: Vec<_> = clamps.iter().map(|clamp| clamp.field).collect();
        assert_eq!(
            fields,
            [
                "ttl_ms",
                "jitter_percent",
                "early_refresh_beta",
                "hard_timeout_ms"
            ]
        );
        assert_eq!(
            clamps[0],
            number("ttl_ms", CENTURY_MS, 86_400_000, "ttl_max")
        );
    }

    #[test]
    fn protected_resources_are_encrypted_whatever_the_policy_says() {
        let guard = Guard {
            protected: vec![WildMatch::new("credential*")],
            ..Guard::default()
        };
        let (passed, clamps) = guard
            .apply(&Request::read("credentials", "1"), decision())
            .unwrap();
        assert!(passed.encrypt);
        assert_eq!(clamps[0].rule, "protected");
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let (passed, _) = apply(|d| d.reason = "ü".repeat(400)).unwrap();
        assert_eq!(passed.reason.len(), 512);
        let (passed, _) = apply(|d| d.reason = format!("x{}", "ü".repeat(400))).unwrap();
        assert_eq!(passed.reason.len(), 511);
    }
}
