//! From bytes to a policy: the stages, in order, each reported.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use larder_core::{Hex, Identity, Manifest, Policy};
use serde_json::Value;
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;
use wit_component::ComponentEncoder;

use crate::contract;
use crate::contract::v0_1_0::Checked;
use crate::engine::Runtime;
use crate::failure::beyond_pool;
use crate::feature;
use crate::generation::{Generation, Parts};
use crate::imports;
use crate::instance::Instance;
use crate::limit::{self, Excess, Limit};
use crate::limits::{Isolation, Limits};
use crate::manifest;
use crate::panic_text::PanicText;
use crate::shape;
use crate::stage::{LoadFailure, Stage, StageReport};
use crate::structure::{Kind, Structure};
use crate::text::clean;
use crate::toolchain;

/// How a policy is to be loaded.
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) module: String,
    pub(crate) settings: Value,
    pub(crate) isolation: Isolation,
    pub(crate) limits: Limits,
}

/// What became of a file.
pub struct Inspection {
    /// The stages that were reached, in order.
    pub stages: Vec<StageReport>,
    /// Where it failed, if it did.
    pub failure: Option<LoadFailure>,
    /// The policy, if it did not fail.
    pub policy: Option<Arc<dyn Policy>>,
    /// Every limit that the file passes.
    pub passed: Vec<Excess>,
    /// What authors should know who use what built the file.
    pub notes: Vec<&'static str>,
}

/// Takes `bytes` through the stages that a file in the folder goes through, in an engine of its
/// own, and answers the policy ready to be asked. Compiles on the calling thread.
#[must_use]
pub fn inspect(name: &str, bytes: &[u8], settings: &Value, limits: &Limits) -> Inspection {
    inspect_allowed(name, bytes, settings, limits, &[])
}

/// As [`inspect`], where only the modules with the SHA-256 digests `allow` may run; an empty list
/// allows any.
#[must_use]
pub fn inspect_allowed(
    name: &str,
    bytes: &[u8],
    settings: &Value,
    limits: &Limits,
    allow: &[String],
) -> Inspection {
    let plan = Plan {
        name: name.to_owned(),
        module: name.to_owned(),
        settings: settings.clone(),
        isolation: Isolation::Reuse,
        limits: limits.clone(),
    };
    let runtime = match Runtime::new(&[limits], limits.instances.clamp(1, 16)) {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = LoadFailure {
                stage: Stage::Compile,
                reason: error.to_string(),
                revision: None,
            };
            return Inspection {
                stages: Vec::new(),
                failure: Some(failure),
                policy: None,
                passed: Vec::new(),
                notes: Vec::new(),
            };
        }
    };
    let mut log = Log::default();
    let loaded = load(bytes, &plan, allow, &runtime, 0, &mut log);
    let (policy, failure) = match loaded {
        Ok(generation) => (Some(Arc::new(generation) as Arc<dyn Policy>), None),
        Err(failure) => (None, Some(failure)),
    };
    Inspection {
        stages: log.stages,
        failure,
        policy,
        passed: log.passed,
        notes: log.notes,
    }
}

/// What tells settings apart; empty for none.
fn settings_digest(settings: &str) -> String {
    match settings {
        "{}" => String::new(),
        settings => Hex(&Sha256::digest(settings)[..8]).to_string(),
    }
}

/// `sha256:` and the digest.
pub(crate) fn revision_of(bytes: &[u8]) -> String {
    format!("sha256:{}", Hex(&Sha256::digest(bytes)))
}

/// The stages so far.
#[derive(Default)]
pub(crate) struct Log {
    stages: Vec<StageReport>,
    revision: Option<String>,
    passed: Vec<Excess>,
    notes: Vec<&'static str>,
}

impl Log {
    fn run<T>(
        &mut self,
        stage: Stage,
        work: impl FnOnce() -> Result<(T, String), String>,
    ) -> Result<T, LoadFailure> {
        let start = Instant::now();
        // Parsers, wit-component and Cranelift meet untrusted bytes here: a panic in one of them
        // must not end the thread that loads policies.
        let result = catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err(panicked(stage).to_owned()));
        let took = start.elapsed();
        let (value, ok, note) = match result {
            Ok((value, note)) => (Ok(value), true, note),
            Err(reason) => {
                let reason = clean(&reason);
                let revision = self.revision.clone();
                let failure = LoadFailure {
                    stage,
                    reason: reason.clone(),
                    revision,
                };
                (Err(failure), false, reason)
            }
        };
        self.stages.push(StageReport {
            stage,
            ok,
            took,
            note,
        });
        value
    }
}

/// Whose fault a panic at a stage is.
const fn panicked(stage: Stage) -> &'static str {
    match stage {
        Stage::Structure
        | Stage::Contract
        | Stage::Componentize
        | Stage::Compile
        | Stage::TypeCheck => {
            "the compiler (wasmtime and its tools) panicked on this file: a fault of the compiler, by \
             which neither the server nor other policies are harmed. Send the file to \
             https://github.com/bytecodealliance/wasmtime/issues, and try another version of what \
             built it, or another level of optimisation"
        }
        _ => {
            "Larder panicked on this file, which is a fault of Larder's; the server serves on, \
             without the file. Please report it with the file"
        }
    }
}

/// The stages, in order. `allow` holds bare hexadecimal digests in lower case.
pub(crate) fn load(
    bytes: &[u8],
    plan: &Plan,
    allow: &[String],
    runtime: &Arc<Runtime>,
    now_ms: u64,
    log: &mut Log,
) -> Result<Generation, LoadFailure> {
    let contract = check_bytes(bytes, plan, allow, log)?;
    let revision = log.revision.clone().unwrap_or_default();
    let checked = compile(bytes, &contract.structure, &plan.limits, runtime, log)?;
    let (instance, manifest, settings, panics) = start(&checked, plan, runtime, log)?;
    let identity = Identity {
        name: plan.name.clone(),
        version: manifest.version.clone(),
        revision,
        contract: contract.version.to_owned(),
        settings: settings_digest(&settings),
    };
    let parts = Parts {
        runtime: runtime.clone(),
        checked,
        identity,
        manifest,
        settings,
        isolation: plan.isolation,
        limits: plan.limits.clone(),
        panics,
        bytes: bytes.into(),
        loaded_at_ms: now_ms,
    };
    Ok(Generation::new(parts, instance))
}

/// What is wrong with a component whose functions do not fit.
const OTHER_TYPES: &str = "its functions have other types than the contract's: make the bindings again \
    from sdk/wit/v0.1.0/policy.wit, unchanged";

struct Spoken {
    structure: Structure,
    version: &'static str,
}

/// All that can be judged without compiling.
fn check_bytes(
    bytes: &[u8],
    plan: &Plan,
    allow: &[String],
    log: &mut Log,
) -> Result<Spoken, LoadFailure> {
    let limits = &plan.limits;
    log.run(Stage::Read, || Ok(((), format!("{} bytes", bytes.len()))))?;
    let mut passed = Vec::new();
    let sized = log.run(Stage::Size, || check_size(bytes, limits, &mut passed));
    log.passed.append(&mut passed);
    sized?;
    let revision = log.run(Stage::Digest, || {
        let revision = revision_of(bytes);
        Ok((revision.clone(), revision))
    })?;
    log.revision = Some(revision.clone());
    log.run(Stage::AllowList, || check_allowed(&revision, allow))?;
    log.run(Stage::Precompiled, || check_portable(bytes))?;
    let structured = log.run(Stage::Structure, || {
        let structure = Structure::read(bytes)?;
        passed = Excess::among(&structure.counted(), limits);
        if !passed.is_empty() {
            return Err(beyond(&passed, &structure));
        }
        let summary = structure.summary();
        Ok((structure, summary))
    });
    log.passed.append(&mut passed);
    let structure = structured?;
    log.notes = toolchain::of(&structure).notes();
    log.run(Stage::Imports, || {
        imports::check(&structure)?;
        Ok(((), "none".into()))
    })?;
    let version = log.run(Stage::Contract, || {
        let version = contract::spoken(bytes, &structure)?;
        Ok((version, format!("larder:policy@{version}")))
    })?;
    Ok(Spoken { structure, version })
}

/// Names all limits that the file passes: who raises one should not be told of the next.
fn check_size(
    bytes: &[u8],
    limits: &Limits,
    passed: &mut Vec<Excess>,
) -> Result<((), String), String> {
    let most = limits.file_bytes;
    if bytes.len() <= most {
        return Ok(((), format!("at most {most}")));
    }
    if bytes.len() == most.saturating_add(1) {
        return Err(format!(
            "the file has more than {most} bytes; `larder check` on it names every limit that it \
             passes and what to write under `[policy.limits]`, `{}` first",
            Limit::File.as_str()
        ));
    }
    let mut found = vec![(Limit::File, bytes.len() as u64)];
    let structure = Structure::read(bytes);
    found.extend(structure.iter().flat_map(Structure::counted));
    *passed = Excess::among(&found, limits);
    Err(structure.map_or_else(
        |_| limit::refusal(passed),
        |structure| beyond(passed, &structure),
    ))
}

/// The limits that are passed, and what no limit changes: who raises them should not be told of it
/// only then.
fn beyond(passed: &[Excess], structure: &Structure) -> String {
    let refusal = limit::refusal(passed);
    match imports::check(structure) {
        Ok(()) => refusal,
        Err(importing) => format!("{importing}. Beside that {refusal}"),
    }
}

fn check_allowed(revision: &str, allow: &[String]) -> Result<((), String), String> {
    let digest = revision.trim_start_matches("sha256:");
    if allow.is_empty() {
        return Ok(((), "any build may run".into()));
    }
    if allow.iter().any(|allowed| allowed == digest) {
        return Ok(((), "listed".into()));
    }
    Err(format!(
        "{revision} is not on the allow-list; add it there if this build is meant to run"
    ))
}

/// Compiled artefacts are native code that would run unchecked.
fn check_portable(bytes: &[u8]) -> Result<((), String), String> {
    if bytes.starts_with(b"\x7fELF") || Engine::detect_precompiled(bytes).is_some() {
        return Err(
            "it is native code (a .cwasm or ELF file), which could do anything; give the .wasm file it was made from".into(),
        );
    }
    Ok(((), "no native code".into()))
}

fn compile(
    bytes: &[u8],
    structure: &Structure,
    limits: &Limits,
    runtime: &Runtime,
    log: &mut Log,
) -> Result<Checked, LoadFailure> {
    let component = log.run(Stage::Componentize, || match structure.kind {
        Kind::Component => Ok((None, "it is a component already".into())),
        Kind::Module => {
            let component = componentize(bytes, structure)?;
            let note = format!("{} bytes", component.len());
            Ok((Some(component), note))
        }
    })?;
    let bytes = component.as_deref().unwrap_or(bytes);
    let component = log.run(Stage::Compile, || {
        let component = Component::from_binary(&runtime.engine, bytes).map_err(|error| {
            let error = format!("{error:#}");
            match beyond_pool(&error, limits) {
                Some(excess) => limit::refusal(&[excess]),
                None => {
                    feature::advice(bytes).map_or(error.clone(), |advice| because(&advice, &error))
                }
            }
        })?;
        let code = component.text().len();
        Ok((component, format!("{code} bytes of machine code")))
    })?;
    log.run(Stage::TypeCheck, || {
        let checked = Checked::new(runtime, &component)
            .map_err(|error| because(OTHER_TYPES, &format!("{error:#}")))?;
        Ok((checked, "describe, configure, decide, admit".into()))
    })
}

fn componentize(module: &[u8], structure: &Structure) -> Result<Vec<u8>, String> {
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| {
            let advice = feature::advice(module).unwrap_or_else(|| shape::advice(structure));
            because(&advice, &format!("{error:#}"))
        })
}

/// What to do, and the words of the tool that found it.
fn because(advice: &str, error: &str) -> String {
    format!("{advice} ({error})")
}

type Started = (Instance, Manifest, String, PanicText);

fn start(
    checked: &Checked,
    plan: &Plan,
    runtime: &Runtime,
    log: &mut Log,
) -> Result<Started, LoadFailure> {
    let limits = &plan.limits;
    let panics = PanicText::default();
    let (mut instance, manifest) = log.run(Stage::Describe, || {
        let started = Instance::new(runtime, checked, limits, &panics, limits.load_ticks());
        let mut instance = started.map_err(|failure| format!("at its start, {failure}"))?;
        let manifest = instance
            .describe(limits, &panics)
            .map_err(|failure| failure.to_string())?;
        manifest::check(&manifest)?;
        let note = format!("{} {}", manifest.name, manifest.version);
        Ok(((instance, manifest), note))
    })?;
    let settings = log.run(Stage::Configure, || {
        if !plan.settings.is_object() {
            return Err("the settings are not a JSON object".into());
        }
        let settings = plan.settings.to_string();
        instance
            .configure(&settings, limits, &panics, limits.load_ticks())
            .map_err(|failure| failure.to_string())?;
        Ok((settings, "settings taken".into()))
    })?;
    Ok((instance, manifest, settings, panics))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_laid_at_the_door_of_whose_it_is() {
        for (stage, words) in [
            (Stage::Compile, "a fault of the compiler"),
            (Stage::Componentize, "bytecodealliance/wasmtime/issues"),
            (Stage::Structure, "neither the server nor other policies"),
            (Stage::Describe, "a fault of Larder's"),
        ] {
            let mut log = Log::default();
            let failure = log
                .run::<()>(stage, || std::panic::panic_any("told to"))
                .unwrap_err();
            assert_eq!(failure.stage, stage);
            assert!(failure.reason.contains(words), "{failure}");
            assert!(!log.stages[0].ok);
        }
    }
}
