//! `larder policies`: what a server runs.

use hyper::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::client::{self, read};
use crate::exit::Outcome;
use crate::output::{print, print_json};
use crate::secret::TokenArg;
use crate::table::columns;

/// Arguments of `larder policies`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  larder policies
  larder policies --admin http://10.0.0.5:7118 --json

Ends with 4 if no server answers.")]
pub(crate) struct Args {
    /// The admin plane of the server
    #[arg(
        long,
        value_name = "URL",
        env = "LARDER_ADMIN",
        default_value = "http://127.0.0.1:7118"
    )]
    admin: String,
    #[command(flatten)]
    token: TokenArg,
    /// Print the server's own answer
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Policy {
    name: String,
    module: String,
    state: String,
    current: Option<Build>,
    candidate_error: Option<CandidateError>,
    pinned: Option<String>,
}

#[derive(Deserialize)]
struct Build {
    version: String,
    revision: String,
    calls: u64,
    failures: u64,
}

#[derive(Deserialize)]
struct CandidateError {
    stage: String,
    reason: String,
}

/// Asks the server and prints its policies.
pub(crate) fn run(args: &Args) -> Outcome {
    let token = args.token.header()?;
    let body = client::call(&args.admin, token, Method::GET, "/v1/policies", Vec::new())?;
    if args.json {
        return print_json(&read::<Value>(&body)?);
    }
    let policies: Vec<Policy> = read(&body)?;
    print(&shown(&policies))
}

fn shown(policies: &[Policy]) -> String {
    if policies.is_empty() {
        return "the server runs no policies; put a module into its folder\n".to_owned();
    }
    let head = [
        "NAME", "MODULE", "STATE", "VERSION", "REVISION", "CALLS", "FAILURES",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(policies.iter().map(row));
    let mut text = columns(&rows);
    for policy in policies {
        if let Some(error) = &policy.candidate_error {
            text.push_str(&format!(
                "\n{}: the file in the folder was refused at the stage `{}`: {}\n",
                policy.name, error.stage, error.reason
            ));
        }
    }
    text
}

fn row(policy: &Policy) -> [String; 7] {
    let of = |text: fn(&Build) -> String| policy.current.as_ref().map_or("-".to_owned(), text);
    let state = match &policy.pinned {
        Some(_) => format!("{}, pinned", policy.state),
        None => policy.state.clone(),
    };
    [
        policy.name.clone(),
        policy.module.clone(),
        state,
        of(|build| build.version.clone()),
        of(|build| build.revision.chars().take("sha256:".len() + 12).collect()),
        of(|build| build.calls.to_string()),
        of(|build| build.failures.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_file_is_explained_below_the_table() {
        let answer = r#"[
            {"name": "catalogue", "module": "standard", "state": "serving", "previous": [],
             "current": {"name": "standard", "version": "0.1.0", "contract": "0.1.0",
                "revision": "sha256:0123456789abcdef", "calls": 7, "failures": 1,
                "loaded_at_ms": 1, "manifest": {}},
             "candidate_error": {"stage": "imports", "reason": "it imports env.f", "revision": null},
             "pinned": null},
            {"name": "b", "module": "b", "state": "missing", "previous": [], "current": null,
             "candidate_error": null, "pinned": "sha256:1"}]"#;
        let text = shown(&serde_json::from_str::<Vec<Policy>>(answer).unwrap());
        for expected in [
            "catalogue  standard  serving          0.1.0    sha256:0123456789ab  7      1\n",
            "b          b         missing, pinned  -",
            "catalogue: the file in the folder was refused at the stage `imports`: it imports env.f",
        ] {
            assert!(text.contains(expected), "{text}");
        }
    }
}
