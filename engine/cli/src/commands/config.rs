//! `larder config`: what is wrong with a configuration, without serving by it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use larder::core::{Policies, Policy};
use larder::wasm::{HostConfig, PolicyConfig, Stage, inspect_allowed};

use crate::config::{Config, ENV_HELP, Overrides, Wrong};
use crate::exit::{Code, Failure, Outcome};
use crate::output::print;
use crate::{reference, sense};

/// Arguments of `larder config`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Say everything that is wrong with a configuration
    #[command(after_help = check_help())]
    Check {
        /// The configuration, larder.toml
        file: PathBuf,
    },
    /// Print every field of a configuration with its type, its default and what it is for
    Reference {
        /// As a page of the documentation
        #[arg(long)]
        markdown: bool,
    },
}

fn check_help() -> String {
    format!(
        "\
No port is opened and nobody is called: whether a database is there and has the table that the file
names, and whether a port is free, is only said by `larder serve`. Policies are compiled, given their
settings, and asked about a plain read and write of each route.

{ENV_HELP}

Example:
  larder config check larder.toml

Ends with 2 if anything is wrong."
    )
}

/// Does what was asked.
pub(crate) fn run(args: &Args) -> Outcome {
    match &args.what {
        What::Check { file } => check(file),
        What::Reference { markdown: true } => print(&reference::markdown()),
        What::Reference { markdown: false } => print(&reference::plain()),
    }
}

fn check(file: &Path) -> Outcome {
    let config = Config::load(file, &Overrides::from_env());
    let config = config.map_err(|error| Failure::new(Code::Usage, error))?;
    let policies = Arc::new(Compiled::of(&config));
    let mut problems = policies.problems.clone();
    problems.extend(sense::of_rules(&config, Arc::clone(&policies) as _));
    if let Err(error) = config.host.clone().checked() {
        problems.push(error.to_string());
    }
    let routes = config.routes.iter();
    problems.extend(routes.flat_map(|route| sense::of_route(route, &config, &*policies)));
    let mut warnings = config.warnings.clone();
    warnings.extend(policies.warnings.clone());
    warnings.extend(sense::warnings(&config, &*policies));
    let warnings: String = warnings
        .iter()
        .map(|one| format!("warning: {one}\n"))
        .collect();
    print(&warnings)?;
    if !problems.is_empty() {
        let wrong = anyhow::Error::from(Wrong(problems));
        let context = format!("the configuration {} is wrong", file.display());
        return Err(Failure::new(Code::Usage, wrong.context(context)));
    }
    print(&format!(
        "{} is right, as far as can be said without calling anybody: {} and {}\n",
        file.display(),
        count(config.routes.len(), "route"),
        count(policies.loaded.len(), "policy that loads")
    ))
}

fn count(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        many => format!(
            "{many} {}",
            what.replace("policy that loads", "policies that load")
                .replace("route", "routes")
        ),
    }
}

/// The policies that the configuration names, as far as they load.
struct Compiled {
    loaded: HashMap<String, Arc<dyn Policy>>,
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl Policies for Compiled {
    fn current(&self, name: &str) -> Option<Arc<dyn Policy>> {
        self.loaded.get(name).cloned()
    }
}

impl Compiled {
    fn of(config: &Config) -> Self {
        // What is wrong with it is told elsewhere.
        let host = config.host.clone().checked();
        let host = host.unwrap_or_else(|_| config.host.clone());
        let mut all = host.policies.clone();
        for route in &config.routes {
            if all.iter().all(|policy| policy.name != route.policy) {
                all.push(PolicyConfig {
                    limits: host.defaults.clone(),
                    ..PolicyConfig::new(&route.policy)
                });
            }
        }
        let mut compiled = Self {
            loaded: HashMap::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        };
        for policy in &all {
            compiled.add(policy, &host);
        }
        compiled
    }

    fn add(&mut self, policy: &PolicyConfig, host: &HostConfig) {
        let (name, settings, limits) = (&policy.name, &policy.settings, &policy.limits);
        // One that is not there is told with the routes.
        let Ok(bytes) = std::fs::read(host.dir.join(format!("{}.wasm", policy.module))) else {
            return;
        };
        let inspected = inspect_allowed(name, &bytes, settings, limits, &host.allow);
        match (inspected.policy, inspected.failure) {
            (Some(policy), None) => {
                self.loaded.insert(name.clone(), policy);
            }
            (_, Some(failure)) if failure.stage == Stage::Configure => self.problems.push(format!(
                "the policy `{name}` does not take its [policy.settings]: {}",
                failure.reason
            )),
            (_, Some(failure)) => self.warnings.push(format!(
                "the module of the policy `{name}` does not load, at the stage `{}`: {}; its \
                 on_failure answers until a better file comes, and the server is not ready",
                failure.stage.as_str(),
                failure.reason
            )),
            (None, None) => {}
        }
    }
}
