//! Policies as people read them.

use serde::Deserialize;

use crate::table::columns;

/// As much of a digest as tells builds apart.
const DIGITS: usize = "sha256:".len() + 12;

/// What a server says of a policy.
#[derive(Deserialize)]
pub(super) struct Policy {
    name: String,
    module: String,
    state: String,
    current: Option<Build>,
    #[serde(default)]
    previous: Vec<Build>,
    candidate_error: Option<CandidateError>,
    pinned: Option<String>,
    rolled_back: Option<String>,
    not_kept: Option<String>,
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

/// All policies of a server.
pub(super) fn all(policies: &[Policy]) -> String {
    if policies.is_empty() {
        return "the server runs no policies; put a module into its folder\n".to_owned();
    }
    let head = [
        "NAME", "MODULE", "STATE", "VERSION", "REVISION", "CALLS", "FAILURES",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(policies.iter().flat_map(rows_of));
    let mut text = columns(&rows);
    text.extend(policies.iter().map(notes));
    text.extend(policies.iter().find_map(not_kept));
    text
}

/// What became of one of them.
pub(super) fn one(policy: &Policy) -> String {
    let name = &policy.name;
    let mut text = match &policy.current {
        Some(build) => format!(
            "{name}: {} serves, version {}\n",
            short(&build.revision),
            build.version
        ),
        None => format!("{name}: no build serves\n"),
    };
    text.push_str(&notes(policy));
    text.extend(not_kept(policy));
    text
}

fn rows_of(policy: &Policy) -> Vec<[String; 7]> {
    let state = match (&policy.pinned, &policy.rolled_back) {
        (Some(_), Some(_)) => format!("{}, rolled back", policy.state),
        (Some(_), None) => format!("{}, pinned", policy.state),
        (None, _) => policy.state.clone(),
    };
    let serving = build_of(policy.current.as_ref());
    let (name, module) = (policy.name.clone(), policy.module.clone());
    let mut rows = vec![row([name, module, state], serving)];
    let earlier = policy.previous.iter();
    rows.extend(earlier.map(|build| {
        let first = [String::new(), String::new(), "kept".to_owned()];
        row(first, build_of(Some(build)))
    }));
    rows
}

fn row([name, module, state]: [String; 3], build: [String; 4]) -> [String; 7] {
    let [version, revision, calls, failures] = build;
    [name, module, state, version, revision, calls, failures]
}

fn build_of(build: Option<&Build>) -> [String; 4] {
    let of = |text: fn(&Build) -> String| build.map_or("-".to_owned(), text);
    [
        of(|build| build.version.clone()),
        of(|build| short(&build.revision)),
        of(|build| build.calls.to_string()),
        of(|build| build.failures.to_string()),
    ]
}

/// What a table has no room for.
fn notes(policy: &Policy) -> String {
    let name = &policy.name;
    let mut text = String::new();
    if let Some(pinned) = &policy.pinned {
        let why = match &policy.rolled_back {
            Some(from) => format!("was rolled back from {}, and", short(from)),
            None => "is pinned:".to_owned(),
        };
        text.push_str(&format!(
            "\n{name} {why} nothing but {} serves, restarts included, until `larder policies unpin \
             {name}`\n",
            short(pinned)
        ));
    }
    if let Some(error) = &policy.candidate_error {
        text.push_str(&format!(
            "\n{name}: the file in the folder was refused at the stage `{}`: {}\n",
            error.stage, error.reason
        ));
    }
    text
}

fn not_kept(policy: &Policy) -> Option<String> {
    let why = policy.not_kept.as_ref()?;
    Some(format!(
        "\nthis ends with the process of the server: {why}\n"
    ))
}

fn short(revision: &str) -> String {
    revision.chars().take(DIGITS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"[
        {"name": "catalogue", "module": "standard", "state": "serving",
         "current": {"name": "standard", "version": "0.1.0", "contract": "0.1.0",
            "revision": "sha256:0123456789abcdef", "calls": 7, "failures": 1,
            "loaded_at_ms": 1, "manifest": {}},
         "previous": [{"version": "0.0.9", "revision": "sha256:fedcba98765432", "calls": 3,
            "failures": 0}],
         "candidate_error": {"stage": "imports", "reason": "it imports env.f", "revision": null},
         "pinned": null, "rolled_back": null, "not_kept": null},
        {"name": "b", "module": "b", "state": "missing", "previous": [], "current": null,
         "candidate_error": null, "pinned": "sha256:1", "rolled_back": null, "not_kept": "full"},
        {"name": "c", "module": "c", "state": "missing", "previous": [], "current": null,
         "candidate_error": null, "pinned": "sha256:1", "rolled_back": "sha256:2",
         "not_kept": "full"}]"#;

    #[test]
    fn what_a_table_has_no_room_for_is_below_it() {
        let text = all(&serde_json::from_str::<Vec<Policy>>(ANSWER).unwrap());
        for expected in [
            "catalogue  standard  serving               0.1.0    sha256:0123456789ab  7      1\n",
            "                     kept                  0.0.9    sha256:fedcba987654  3      0\n",
            "b          b         missing, pinned       -",
            "c          c         missing, rolled back  -",
            "catalogue: the file in the folder was refused at the stage `imports`: it imports env.f",
            "b is pinned: nothing but sha256:1 serves, restarts included, until `larder policies unpin b`",
            "c was rolled back from sha256:2, and nothing but sha256:1 serves",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        assert_eq!(text.matches("ends with the process").count(), 1, "{text}");
    }

    #[test]
    fn an_action_answers_what_serves_now() {
        let all: Vec<Policy> = serde_json::from_str(ANSWER).unwrap();
        assert!(one(&all[0]).starts_with("catalogue: sha256:0123456789ab serves, version 0.1.0\n"));
        let text = one(&all[2]);
        assert!(
            text.starts_with("c: no build serves\n")
                && text.contains("process of the server: full"),
            "{text}"
        );
    }
}
