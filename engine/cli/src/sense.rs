//! What can only be said of a configuration with its policies at hand.

use std::sync::Arc;

use larder::core::{Clock as _, Decision, Policies, Request, Strategy};
use larder::wasm::{PolicyStatus, Stage};
use larder::{Operation, Route, SystemClock};

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

/// What a request without attributes would meet: as plain as a request can be, so that what goes
/// wrong for it goes wrong for all that are like it.
pub(crate) fn of_route(route: &Route, config: &Config, policies: &dyn Policies) -> Vec<String> {
    let Some(policy) = policies.current(&route.policy) else {
        return Vec::new();
    };
    let now = SystemClock.now();
    let resource = route.resource.replace(['*', '?'], "x");
    let asked = [Operation::Read, Operation::Write].map(|operation| Request {
        operation,
        ..Request::read(resource.as_str(), "1")
    });
    let mut problems = Vec::new();
    for request in asked {
        let answer = policy.decide(&request, now).ok();
        // What the guard refuses is the policy's failure, and `on_failure` answers for that.
        let asks = answer.as_ref().is_some_and(|decision| decision.encrypt);
        let guarded = answer.and_then(|decision| config.guard.apply(&request, decision).ok());
        if let Some((decision, _)) = guarded {
            let why = impossible(route, &decision, asks, config);
            problems.extend(
                why.into_iter()
                    .filter(|why| !problems.contains(why))
                    .collect::<Vec<_>>(),
            );
        }
    }
    problems
}

/// Why `decision` cannot be acted on; `asks` says whether the policy itself wants encryption.
fn impossible(route: &Route, decision: &Decision, asks: bool, config: &Config) -> Vec<String> {
    let (resource, policy) = (&route.resource, &route.policy);
    let mut problems = Vec::new();
    if decision.encrypt && config.vault.is_none() {
        let who = match asks {
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
