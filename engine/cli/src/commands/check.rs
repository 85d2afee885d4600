//! `larder check`: the stages of loading, one by one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use larder::core::Manifest;
use larder::wasm::{Excess, inspect};
use serde_json::Value;

use super::subject::Subject;
use crate::exit::{Failure, Outcome};
use crate::output::print;
use crate::table::columns;

/// Arguments of `larder check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  larder check policies/standard.wasm
  larder check policies/standard.wasm --settings '{\"default_ttl\": \"2h\"}'
  larder check policies/standard.wasm --settings @settings.json
  larder check policies/script.wasm --config larder.toml
  larder check policies/script.wasm --limit file=16MiB --limit functions=15000

Ends with 3 if the file would be refused.")]
pub(crate) struct Args {
    /// The .wasm file
    file: PathBuf,
    #[command(flatten)]
    subject: Subject,
}

/// Prints the stages and, where all pass, what the policy says of itself.
pub(crate) fn run(args: &Args) -> Outcome {
    let (settings, limits) = args.subject.resolve(&args.file)?;
    let started = Instant::now();
    let bytes = read(&args.file)?;
    let mut rows = vec![row(
        true,
        "read",
        started.elapsed(),
        &format!("{} bytes", bytes.len()),
    )];
    let inspection = inspect(&stem(&args.file), &bytes, &settings, &limits);
    for report in &inspection.stages {
        // The file was read above, which is the same stage.
        if report.stage.as_str() != "read" {
            rows.push(row(
                report.ok,
                report.stage.as_str(),
                report.took,
                &report.note,
            ));
        }
    }
    print(&columns(&rows))?;
    print(&raised(&inspection.passed))?;
    for note in &inspection.notes {
        print(&format!("\nnote: {note}\n"))?;
    }
    match (inspection.failure, inspection.policy) {
        (None, Some(policy)) => print(&described(policy.manifest())),
        (Some(failure), _) => Err(Failure::policy(format!(
            "{} would be refused at the stage `{}`: {}",
            args.file.display(),
            failure.stage.as_str(),
            failure.reason
        ))),
        (None, None) => Err(Failure::policy("the file cannot be judged")),
    }
}

fn row(ok: bool, stage: &str, took: Duration, note: &str) -> [String; 4] {
    let mark = if ok { "✓" } else { "✗" };
    let took = format!("{:.2} ms", took.as_secs_f64() * 1e3);
    [mark.to_owned(), stage.to_owned(), took, note.to_owned()]
}

/// What to write for the limits that the file passes, to be pasted.
fn raised(passed: &[Excess]) -> String {
    if passed.is_empty() {
        return String::new();
    }
    let lines = passed.iter().map(|excess| format!("{}\n", excess.line()));
    format!("\n[policy.limits]\n{}", lines.collect::<String>())
}

fn described(manifest: &Manifest) -> String {
    let list = |names: &[String]| match names {
        [] => "nothing".to_owned(),
        names => names.join(", "),
    };
    let mut rows = vec![
        [
            "policy".to_owned(),
            format!("{} {}", manifest.name, manifest.version),
        ],
        ["summary".to_owned(), manifest.summary.clone()],
        ["is shown".to_owned(), list(&manifest.request_attributes)],
    ];
    if manifest.admits {
        let shown = list(&manifest.response_attributes);
        rows.push(["after a load".to_owned(), shown]);
    }
    if manifest.uses_clock {
        rows.push(["uses".to_owned(), "the clock".to_owned()]);
    }
    format!("\n{}", columns(&rows))
}

/// The bytes of a module.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| {
        Failure::usage(format!(
            "{} cannot be read: {error}; `larder build PATH --out DIR` makes a module",
            file.display()
        ))
    })
}

/// The name of a module.
pub(super) fn stem(file: &Path) -> String {
    let stem = file
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    stem.unwrap_or_else(|| "policy".to_owned())
}

/// Settings from the command line.
pub(super) fn settings(text: &str) -> Result<Value, Failure> {
    let read = match text.strip_prefix('@') {
        Some(file) => fs::read_to_string(file).map_err(|error| {
            Failure::usage(format!("the settings {file} cannot be read: {error}"))
        })?,
        None => text.to_owned(),
    };
    match serde_json::from_str(&read) {
        Ok(settings @ Value::Object(_)) => Ok(settings),
        Ok(_) => Err(Failure::usage(
            "the settings are no JSON object; write them like '{\"default_ttl\": \"2h\"}'",
        )),
        Err(error) => Err(Failure::usage(format!(
            "the settings are no JSON: {error}; write them like '{{\"default_ttl\": \"2h\"}}', \
             quoted for your shell"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_an_object_from_the_line_or_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s.json");
        fs::write(&file, "{\"ttl\": \"1h\"}").unwrap();
        let from_file = settings(&format!("@{}", file.display())).unwrap();
        assert_eq!(from_file, settings("{\"ttl\": \"1h\"}").unwrap());
        for (text, message) in [
            ("[]", "no JSON object"),
            ("{ttl: 1}", "no JSON: "),
            ("@/nowhere/s.json", "/nowhere/s.json cannot be read"),
        ] {
            let error = settings(text).unwrap_err().error.to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
