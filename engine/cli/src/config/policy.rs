//! `[policies]` and `[[policy]]`: which modules run, with what, and what answers if they fail.

use std::path::Path;

use larder::core::{Freshness, Target};
use larder::wasm::{HostConfig, Limits, PolicyConfig};
use larder::{DefaultDecision, OnFailure};
use serde_json::{Map, Number, Value as Json};
use toml::{Table, Value};

use super::file::{DefaultDecisionTable, LimitsTable, OnFailureWord, Policies, Policy};
use super::{Problems, relative};
use crate::units::Span;

/// What the policy host is started with.
pub(super) fn host(
    table: &Policies,
    policies: &[Policy],
    folder: &Path,
    problems: &mut Problems<'_>,
) -> HostConfig {
    let dir = relative(folder, &table.dir);
    if !dir.is_dir() {
        problems.add(format!(
            "`policies.dir`: there is no folder {}; create it or correct the path",
            dir.display()
        ));
    }
    let mut host = HostConfig::new(dir);
    host.defaults = table.limits.over(&Limits::default());
    host.allow.clone_from(&table.allow);
    host.watch = table.watch;
    host.state = (table.state != Path::new("off")).then(|| relative(folder, &table.state));
    if table.state.as_os_str().is_empty() {
        problems.add("`policies.state` is empty; name a folder, or write \"off\"");
    }
    if host.state.as_ref() == Some(&host.dir) {
        problems.add(
            "`policies.state` is the folder of the policies; give the state a folder of its own, or \
             \"off\"",
        );
    }
    host.poll = table.poll.map_or(host.poll, |span| span.0);
    host.debounce = table.debounce.map_or(host.debounce, |span| span.0);
    if host.poll.is_zero() {
        problems.add("`policies.poll` is 0; leave it out for 30s");
    }
    for (at, policy) in policies.iter().enumerate() {
        check_name(&policies[..at], policy, problems);
        let mut config = PolicyConfig::new(policy.module.as_ref().unwrap_or(&policy.name));
        config.name.clone_from(&policy.name);
        config.settings = json_object(&policy.settings);
        config.isolation = policy.isolation;
        config.limits = match &policy.limits {
            Some(limits) => limits.over(&host.defaults),
            None => host.defaults.clone(),
        };
        host.policies.push(config);
    }
    host
}

/// The limits that `lines` change over `base`: each is `NAME=VALUE`, as under `[policy.limits]`.
///
/// # Errors
/// Names the line that is no limit.
pub(crate) fn limits_over(lines: &[String], base: &Limits) -> Result<Limits, String> {
    let mut limits = base.clone();
    for line in lines {
        let Some((name, value)) = line.split_once('=') else {
            return Err(format!(
                "`{line}` is no limit: write NAME=VALUE, such as file=32MiB"
            ));
        };
        let (name, value) = (name.trim(), value.trim().trim_matches('"'));
        let mut table = Table::new();
        let value = match value.parse() {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::String(value.to_owned()),
        };
        table.insert(name.to_owned(), value);
        let read: Result<LimitsTable, _> = Value::Table(table).try_into();
        let read = read
            .map_err(|error| format!("the limit `{line}`: {}", super::origin::one_line(&error)))?;
        limits = read.over(&limits);
    }
    Ok(limits)
}

fn check_name(earlier: &[Policy], policy: &Policy, problems: &mut Problems<'_>) {
    if policy.name.is_empty() {
        problems.add("a `[[policy]]` has an empty `name`");
    }
    if earlier.iter().any(|one| one.name == policy.name) {
        problems.add(format!(
            "two policies are named `{}`; give each a name of its own",
            policy.name
        ));
    }
}

/// What answers for each policy that fails.
pub(super) fn on_failure(
    policies: Vec<Policy>,
    problems: &mut Problems<'_>,
) -> Vec<(String, OnFailure)> {
    let mut rules = Vec::new();
    for policy in policies {
        let rule = match (policy.on_failure, policy.default_decision) {
            (Some(OnFailureWord::DefaultDecision), Some(table)) => {
                OnFailure::DefaultDecision(Box::new(default_decision(table)))
            }
            (Some(OnFailureWord::DefaultDecision), None) => {
                problems.add(format!(
                    "the policy `{}` has on_failure = \"default_decision\" and no such decision; \
                     add `[policy.default_decision]` with a strategy and a ttl",
                    policy.name
                ));
                continue;
            }
            (word, Some(_)) => {
                problems.add(format!(
                    "the policy `{}` has a `[policy.default_decision]` that nothing uses; add \
                     on_failure = \"default_decision\"{}",
                    policy.name,
                    if word.is_some() {
                        " instead of the present one"
                    } else {
                        ""
                    }
                ));
                continue;
            }
            (Some(OnFailureWord::Deny), None) => OnFailure::Deny,
            (Some(OnFailureWord::Bypass) | None, None) => OnFailure::Bypass,
        };
        rules.push((policy.name, rule));
    }
    rules
}

fn default_decision(table: DefaultDecisionTable) -> DefaultDecision {
    let tags = table.invalidates.tags.into_iter().map(Target::Tag);
    let namespaces = table.invalidates.namespaces.into_iter();
    DefaultDecision {
        strategy: table.strategy,
        freshness: Freshness {
            ttl_ms: table.ttl.ms(),
            stale_if_error_ms: table.stale_if_error.map_or(0, Span::ms),
            negative_ttl_ms: table.negative_ttl.map_or(0, Span::ms),
            ..Freshness::default()
        },
        tags: table.tags,
        invalidates: tags.chain(namespaces.map(Target::Namespace)).collect(),
    }
}

fn json_object(table: &Table) -> Json {
    let fields = table.iter();
    Json::Object(
        fields
            .map(|(name, value)| (name.clone(), json(value)))
            .collect::<Map<_, _>>(),
    )
}

/// What JSON has no type for (dates, infinity) becomes text.
fn json(value: &Value) -> Json {
    match value {
        Value::String(text) => Json::String(text.clone()),
        Value::Integer(number) => Json::Number((*number).into()),
        Value::Float(number) => match Number::from_f64(*number) {
            Some(number) => Json::Number(number),
            None => Json::String(number.to_string()),
        },
        Value::Boolean(switch) => Json::Bool(*switch),
        Value::Datetime(time) => Json::String(time.to_string()),
        Value::Array(list) => Json::Array(list.iter().map(json).collect()),
        Value::Table(table) => json_object(table),
    }
}

#[cfg(test)]
mod tests {
    use larder::wasm::Limit;

    use super::*;

    /// Who pastes what a refusal says must not be told of an unknown field.
    #[test]
    fn limits_in_advice_are_those_of_the_configuration() {
        for limit in Limit::ALL {
            for found in [1, 70_000, 20_000_000] {
                let line = limit.line(found);
                let table: LimitsTable = toml::from_str(&line).unwrap();
                let limits = table.over(&Limits::default());
                assert!(limit.of(&limits) >= found, "{line}");
                let given = line.replace(' ', "");
                let on_line = limits_over(&[given], &Limits::default()).unwrap();
                assert_eq!(limit.of(&on_line), limit.of(&limits), "{line}");
            }
            assert_eq!(limit.line(0).split(' ').next(), Some(limit.as_str()));
        }
        let all = format!("{:?}", LimitsTable::default());
        assert_eq!(all.matches(": None").count(), Limit::ALL.len(), "{all}");
    }
}
