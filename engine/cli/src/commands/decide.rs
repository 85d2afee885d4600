//! `larder decide`: a decision without a server.

use std::path::PathBuf;
use std::sync::Arc;

use larder::core::guard::ClampValue;
use larder::core::{Decision, Manifest, Policies, Policy, Target, beside, query};
use larder::store::{MemoryConfig, MemoryStore};
use larder::wasm::inspect;
use larder::{Decided, Engine, Error, OnFailure, Operation, Request};
use larder_server::wire::DecideReply;

use super::check::{read, stem};
use super::subject::Subject;
use crate::exit::{Code, Failure, Outcome};
use crate::output::{note, print, print_json};
use crate::table::columns;
use crate::units::readable;

/// Arguments of `larder decide`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The operator's limits are applied with their defaults, and what they change is shown.

Example:
  larder decide --module policies/standard.wasm --resource product --id 42
  larder decide --module policies/standard.wasm --resource product --id 42 \\
      --operation write --attribute query.field=price --json

Ends with 3 if the policy is refused or fails to decide.")]
pub(crate) struct Args {
    /// The .wasm file to ask
    #[arg(long, value_name = "FILE")]
    module: PathBuf,
    #[command(flatten)]
    subject: Subject,
    /// The kind of thing, such as product
    #[arg(long)]
    resource: String,
    /// Which one, such as 42
    #[arg(long)]
    id: String,
    /// read, write or delete
    #[arg(long, default_value = "read")]
    operation: Operation,
    /// Whose data it is
    #[arg(long, default_value = "")]
    tenant: String,
    /// An input, such as query.page=2; may be given more than once
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = attribute)]
    attributes: Vec<(String, String)>,
    /// Print what `POST /v1/decide` would answer
    #[arg(long)]
    json: bool,
}

/// Asks the module and prints its decision.
pub(crate) fn run(args: Args) -> Outcome {
    let policy = load(&args)?;
    let request = Request {
        operation: args.operation,
        tenant: args.tenant,
        resource: args.resource,
        id: args.id,
        attributes: args.attributes,
    };
    for name in unseen(policy.manifest(), &request) {
        note(&format!(
            "note: the policy does not declare `{name}`, so {}",
            what_follows(name)
        ));
    }
    let decided = decide(policy, &request)?;
    if args.json {
        print_json(&DecideReply::from(decided))
    } else {
        print(&columns(&rows(&decided)))
    }
}

/// What becomes of an attribute that the policy does not declare.
fn what_follows(name: &str) -> &'static str {
    if query::is_part(name) {
        "it is not shown it; where an origin reads the query or an application loads, the engine adds \
         it to the key"
    } else if beside::is_part(name) {
        "neither it nor the origin is shown it; where an application loads, the engine adds it to the key"
    } else {
        "neither it nor the origin is shown it"
    }
}

fn load(args: &Args) -> Result<Arc<dyn Policy>, Failure> {
    let (settings, limits) = args.subject.resolve(&args.module)?;
    let bytes = read(&args.module)?;
    let inspection = inspect(&stem(&args.module), &bytes, &settings, &limits);
    inspection.policy.ok_or_else(|| {
        let why = inspection.failure.map(|failure| failure.to_string());
        Failure::policy(format!(
            "{} is refused: {}; `larder check` shows the stages",
            args.module.display(),
            why.unwrap_or_default()
        ))
    })
}

/// One policy, whatever the name.
struct Only(Arc<dyn Policy>);

impl Policies for Only {
    fn current(&self, _name: &str) -> Option<Arc<dyn Policy>> {
        Some(Arc::clone(&self.0))
    }
}

/// The engine decides, so that what is shown here is what a server answers.
fn decide(policy: Arc<dyn Policy>, request: &Request) -> Result<Decided, Failure> {
    let name = policy.identity().name.clone();
    let store = MemoryStore::new(MemoryConfig {
        capacity_bytes: 1 << 20,
    });
    let engine = Engine::builder(Arc::new(Only(policy)), Arc::new(store))
        .route(larder::Route::new("*", name.as_str()))
        .on_failure(name.as_str(), OnFailure::Deny)
        .build()
        .map_err(anyhow::Error::from)?;
    engine.decide(request).map_err(|error| match error {
        Error::Denied { failure, .. } => {
            Failure::policy(format!("the policy failed to decide: {failure}"))
        }
        error @ Error::Request(_) => Failure::new(Code::Usage, error),
        error => anyhow::Error::from(error).into(),
    })
}

fn unseen<'a>(manifest: &Manifest, request: &'a Request) -> Vec<&'a str> {
    let names = request.attributes.iter().map(|(name, _)| name.as_str());
    names.filter(|name| !manifest.declares(name)).collect()
}

fn rows(decided: &Decided) -> Vec<[String; 2]> {
    let decision = &decided.decision;
    let policy = &decided.policy;
    let mut rows = vec![
        row("policy", format!("{} {}", policy.name, policy.version)),
        row("revision", policy.revision.clone()),
        row("strategy", decision.strategy.as_str()),
        row("key", decided.shown_key()),
        row("namespace", decision.namespace.clone()),
    ];
    rows.extend(freshness(decision));
    rows.push(row("tags", list(&decision.tags)));
    rows.extend(handling(decision));
    let targets: Vec<_> = decision.invalidates.iter().map(target).collect();
    rows.push(row("invalidates", list(&targets)));
    rows.push(row("reason", decision.reason.clone()));
    for clamp in &decided.clamped {
        let text = format!(
            "{}: asked {}, given {} ({})",
            clamp.field,
            value(clamp.asked),
            value(clamp.given),
            clamp.rule
        );
        rows.push(row("clamped", text));
    }
    rows.push(row(
        "decided in",
        format!("{:.1} µs", decided.evaluate_ns as f64 / 1e3),
    ));
    rows
}

fn freshness(decision: &Decision) -> Vec<[String; 2]> {
    let freshness = &decision.freshness;
    let ttl = match freshness.jitter_percent {
        0 => readable(freshness.ttl_ms),
        jitter => format!("{}, up to {jitter} % less", readable(freshness.ttl_ms)),
    };
    let mut rows = vec![row("ttl", ttl)];
    for (name, ms) in [
        ("time to idle", freshness.time_to_idle_ms),
        (
            "stale while revalidate",
            freshness.stale_while_revalidate_ms,
        ),
        ("stale if error", freshness.stale_if_error_ms),
        ("negative ttl", freshness.negative_ttl_ms),
    ] {
        if ms > 0 {
            rows.push(row(name, readable(ms)));
        }
    }
    if freshness.early_refresh_beta > 0.0 {
        rows.push(row(
            "early refresh",
            freshness.early_refresh_beta.to_string(),
        ));
    }
    rows
}

fn handling(decision: &Decision) -> Vec<[String; 2]> {
    let word = |value: serde_json::Result<serde_json::Value>| match value {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    };
    let loading = &decision.loading;
    let mut rows = vec![row(
        "stampede",
        word(serde_json::to_value(loading.stampede)),
    )];
    for (name, ms) in [
        ("soft timeout", loading.soft_timeout_ms),
        ("hard timeout", loading.hard_timeout_ms),
    ] {
        if ms > 0 {
            rows.push(row(name, readable(ms.into())));
        }
    }
    rows.push(row(
        "placement",
        word(serde_json::to_value(decision.placement)),
    ));
    rows.push(row(
        "encrypted",
        if decision.encrypt { "yes" } else { "no" },
    ));
    rows
}

fn row(name: &str, text: impl Into<String>) -> [String; 2] {
    [name.to_owned(), text.into()]
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

fn target(target: &Target) -> String {
    match target {
        Target::Key(name) => format!("key {name}"),
        Target::Tag(name) => format!("tag {name}"),
        Target::Namespace(name) => format!("namespace {name}"),
        Target::Pattern(name) => format!("pattern {name}"),
    }
}

fn value(value: ClampValue) -> String {
    match value {
        ClampValue::Number(number) => number.to_string(),
        ClampValue::Weight(weight) => weight.to_string(),
        ClampValue::Flag(flag) => flag.to_string(),
        ClampValue::Word(word) => word.to_owned(),
    }
}

fn attribute(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE, such as query.page=2".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_split_at_the_first_equals_sign() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(attribute("query.q=a=b"), Ok(pair("query.q", "a=b")));
        assert_eq!(attribute("query.q="), Ok(pair("query.q", "")));
        assert!(attribute("query.q").is_err() && attribute("=2").is_err());
    }

    #[test]
    fn undeclared_attributes_are_found() {
        let manifest = Manifest {
            request_attributes: vec!["query.page".to_owned()],
            ..Manifest::default()
        };
        let request = Request::read("p", "1")
            .with("query.page", "1")
            .with("query.pgae", "1");
        assert_eq!(unseen(&manifest, &request), ["query.pgae"]);
    }
}
