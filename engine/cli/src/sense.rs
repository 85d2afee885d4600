//! What can only be said of a configuration with its policies at hand.

use std::sync::Arc;

use larder::core::guard::Refusal;
use larder::core::plan::{Plan, ReadPlan, plan};
use larder::core::{Clock as _, Decision, Policies, Request, Strategy};
use larder::wasm::{PolicyStatus, Stage};
use larder::{Operation, Route, SystemClock, Unseen};

use crate::assemble;
use crate::config::Config;

/// What does not fit together, whatever the policies are.
pub(crate) fn of_rules(config: &Config, policies: Arc<dyn Policies>) -> Vec<String> {
    let origins: Vec<String> = config.origins.keys().cloned().collect();
    let rules = assemble::rules(config, policies, |_| true);
    let misfits = rules.misfits(&origins, config.write_behind.is_some());
    misfits.iter().map(ToString::to_string).collect()
}

/// Why requests of a route can only go wrong, for each route whose policy is there.
pub(crate) fn of_policies(
    config: &Config,
    policies: &dyn Policies,
    all: &[PolicyStatus],
) -> Vec<String> {
    let routes = config.routes.iter();
    let mut problems: Vec<String> = all
        .iter()
        .filter(|policy| policy.current.is_none())
        .filter_map(|policy| refused_settings(policy, config))
        .collect();
    problems.extend(routes.flat_map(|route| of_route(route, config, policies)));
    problems
}

/// Which policies served, are routed, and would serve no more.
pub(crate) fn of_lost_policies(
    config: &Config,
    before: &[PolicyStatus],
    after: &[PolicyStatus],
) -> Vec<String> {
    let served = |name: &str| {
        let mut all = before.iter();
        all.any(|one| one.name == name && one.current.is_some())
    };
    let lost = after.iter().filter(|policy| {
        let routed = config
            .routes
            .iter()
            .any(|route| route.policy == policy.name);
        policy.current.is_none() && routed && served(&policy.name)
    });
    let lost = lost.filter_map(|policy| {
        let error = policy.candidate_error.as_ref()?;
        let told = error.stage == Stage::Configure;
        (!told).then(|| {
            format!(
                "the policy `{}` serves now and would not any more: {}",
                policy.name, error.reason
            )
        })
    });
    lost.collect()
}

/// The module is there and does not take what the configuration gives it.
fn refused_settings(policy: &PolicyStatus, config: &Config) -> Option<String> {
    let error = policy.candidate_error.as_ref()?;
    let configured = config
        .host
        .policies
        .iter()
        .any(|one| one.name == policy.name);
    let refused = configured && error.stage == Stage::Configure;
    refused.then(|| {
        format!(
            "the policy `{}` does not take its [policy.settings]: {}",
            policy.name, error.reason
        )
    })
}

/// What can only go wrong for a route.
pub(crate) fn of_route(route: &Route, config: &Config, policies: &dyn Policies) -> Vec<String> {
    let mut problems: Vec<String> = unseen(route, config, policies).into_iter().collect();
    problems.extend(stopped(route, config, policies));
    for plain in plain_decisions(route, config, policies) {
        for why in impossible(route, &plain, config) {
            if !problems.contains(&why) {
                problems.push(why);
            }
        }
    }
    problems
}

/// What is allowed of the routes and probably not meant, as their policies decide.
pub(crate) fn warnings(config: &Config, policies: &dyn Policies) -> Vec<String> {
    let mut warnings = Vec::new();
    for route in &config.routes {
        for plain in plain_decisions(route, config, policies) {
            let why = [
                loads_nowhere(route, &plain),
                unordered(route, &plain, config),
            ];
            for why in why.into_iter().flatten() {
                if !warnings.contains(&why) {
                    warnings.push(why);
                }
            }
        }
    }
    warnings
}

/// What a policy decides about a plain request.
struct Plain {
    operation: Operation,
    decision: Decision,
    /// Whether it is the policy itself that wants encryption.
    asks: bool,
}

/// What requests without attributes would meet: as plain as requests can be, so that what goes
/// wrong for them goes wrong for all that are like them.
fn plain_answers(
    route: &Route,
    config: &Config,
    policies: &dyn Policies,
) -> Vec<(Operation, Result<Plain, Refusal>)> {
    let Some(policy) = policies.current(&route.policy) else {
        return Vec::new();
    };
    let now = SystemClock.now();
    let resource = route.resource.replace(['*', '?'], "x");
    let asked = [Operation::Read, Operation::Write].into_iter();
    let plain = asked.filter_map(|operation| {
        let request = Request {
            operation,
            ..Request::read(resource.as_str(), "1")
        };
        let answer = policy.decide(&request, now).ok()?;
        let asks = answer.encrypt;
        let guarded = config.guard.apply(&request, answer);
        let plain = guarded.map(|(decision, _)| Plain {
            operation,
            decision,
            asks,
        });
        Some((operation, plain))
    });
    plain.collect()
}

/// Those of them that the guard lets pass.
fn plain_decisions(route: &Route, config: &Config, policies: &dyn Policies) -> Vec<Plain> {
    let answers = plain_answers(route, config, policies).into_iter();
    answers.filter_map(|(_, plain)| plain.ok()).collect()
}

/// What is too much for the guard of so plain a request is too much of every one.
fn stopped(route: &Route, config: &Config, policies: &dyn Policies) -> Vec<String> {
    let answers = plain_answers(route, config, policies).into_iter();
    let stopped = answers.filter_map(|(operation, plain)| {
        let refusal = plain.err()?;
        let limit = matches!(refusal, Refusal::TooLong { .. } | Refusal::TooMany { .. });
        limit.then(|| {
            format!(
                "no {} of the route for `{}` passes [guard]: {refusal}; raise that limit, or leave \
                 it out",
                operation.as_str(),
                route.resource
            )
        })
    });
    stopped.collect()
}

/// The policy says that values depend on what the route's origin is never sent.
fn unseen(route: &Route, config: &Config, policies: &dyn Policies) -> Option<String> {
    let policy = policies.current(&route.policy)?;
    let (name, origin) = config.origins.get_key_value(route.origin.as_ref()?)?;
    let mut classes = policy.manifest().classes();
    let class = classes.find(|class| !origin.kind.sees(class))?;
    let unseen = Unseen {
        resource: route.resource.clone(),
        policy: route.policy.clone(),
        origin: name.clone(),
        class,
    };
    Some(unseen.to_string())
}

/// Reads of the route have nobody to load from. Decisions may still be all that is asked for.
fn loads_nowhere(route: &Route, plain: &Plain) -> Option<String> {
    let through = plain.operation == Operation::Read
        && plan(plain.operation, plain.decision.strategy) == Plan::Read(ReadPlan::ThroughCache);
    (through && route.origin.is_none()).then(|| {
        format!(
            "the policy `{}` of the route for `{}` chooses {}, which loads from an origin, and the \
             route names none, so reads of its entries fail with no_origin; add `origin` to the route, \
             or let the policy choose cache_aside",
            route.policy,
            route.resource,
            plain.decision.strategy.as_str()
        )
    })
}

/// Writes of the route are queued for a table that cannot tell a late one from a new one.
fn unordered(route: &Route, plain: &Plain, config: &Config) -> Option<String> {
    let queued = plain.decision.strategy == Strategy::WriteBehind;
    let name = route.origin.as_ref().filter(|_| queued)?;
    config.origins.get(name)?.kind.is_unordered().then(|| {
        format!(
            "the policy `{}` of the route for `{}` chooses write_behind, and `[origin.{name}]` names no \
             `sequence` column: a queued write that is handed over late, by a node that was thought \
             dead, overwrites a newer one; add a whole-number column and name it",
            route.policy, route.resource
        )
    })
}

/// Why a decision cannot be acted on.
fn impossible(route: &Route, plain: &Plain, config: &Config) -> Vec<String> {
    let decision = &plain.decision;
    let (resource, policy) = (&route.resource, &route.policy);
    let mut problems = Vec::new();
    if decision.encrypt && config.vault.is_none() {
        let who = match plain.asks {
            true => format!("the policy `{policy}` of the route for `{resource}`"),
            false => format!("`guard.protected`, which covers the route for `{resource}`,"),
        };
        problems.push(format!(
            "{who} asks for values to be encrypted, and there is no [vault], so nothing would be \
             cached; add one with a key ring that `larder key` makes"
        ));
    }
    let queued = decision.strategy == Strategy::WriteBehind;
    if queued && route.origin.is_some() && config.write_behind.is_none() {
        problems.push(format!(
            "the policy `{policy}` of the route for `{resource}` chooses write_behind, and there is \
             no [write_behind] for its writes to wait in; add it, or choose another strategy"
        ));
    }
    problems
}
