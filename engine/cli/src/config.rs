//! `larder.toml`: read, overridden by the environment, and checked whole before anything starts.

mod env;
mod file;
mod origin;
mod outbox;
mod policy;
mod server;
mod store;
#[cfg(test)]
mod tests;
mod token;
mod vault;
mod write_behind;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use larder::core::Guard;
use larder::wasm::{HostConfig, PolicyConfig};
use larder::{OnFailure, Route, Vault};

pub(crate) use self::env::{HELP as ENV_HELP, Overrides};
use self::file::File;
pub(crate) use self::file::{Log, LogFormat};
pub(crate) use self::origin::{OriginConfig, OriginKind};
pub(crate) use self::outbox::OutboxConfig;
pub(crate) use self::policy::limits_over;
pub(crate) use self::server::Server;
pub(crate) use self::store::StoreConfig;
pub(crate) use self::write_behind::{Level, WriteBehind};

/// A configuration in which everything fits together, as far as can be said without opening it.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) store: StoreConfig,
    /// None where no write may wait.
    pub(crate) write_behind: Option<WriteBehind>,
    /// Whether entries of older builds of a policy count as misses.
    pub(crate) retire: bool,
    pub(crate) host: HostConfig,
    pub(crate) routes: Vec<Route>,
    pub(crate) origins: BTreeMap<String, OriginConfig>,
    pub(crate) on_failure: Vec<(String, OnFailure)>,
    pub(crate) guard: Guard,
    pub(crate) vault: Option<Arc<Vault>>,
    pub(crate) log: Log,
    /// What is allowed and probably not meant.
    pub(crate) warnings: Vec<String>,
}

impl Config {
    /// Reads the file at `path`, overridden by `overrides`. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// Names the file and everything that is wrong with it.
    pub(crate) fn load(path: &Path, overrides: &Overrides) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| {
            format!(
                "the configuration {} cannot be read; `larder demo` makes one to start from",
                path.display()
            )
        })?;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        Self::parse(&text, folder, overrides)
            .with_context(|| format!("the configuration {} is wrong", path.display()))
    }

    /// As [`Config::load`], without the file.
    pub(crate) fn parse(text: &str, folder: &Path, overrides: &Overrides) -> Result<Self> {
        let file = overrides.read(text)?;
        let mut problems = Problems::default();
        let config = Self::from_file(file, folder, &mut problems);
        match (config, problems.0.as_slice()) {
            (Some(config), []) => Ok(config),
            (_, [problem]) => bail!("{problem}"),
            (_, problems) => bail!(
                "{} things:\n  - {}",
                problems.len(),
                problems.join("\n  - ")
            ),
        }
    }

    /// The configuration, unless a part of it could not be made at all; what is wrong with the
    /// others is in `problems`.
    fn from_file(file: File, folder: &Path, problems: &mut Problems) -> Option<Self> {
        let mut warnings = Vec::new();
        let named: Vec<_> = file.origin.keys().map(String::as_str).collect();
        check_routes(&file.route, &named, problems);
        let origins = origin::read(file.origin, folder, problems);
        let host = policy::host(&file.policies, &file.policy, folder, problems);
        let on_failure = policy::on_failure(file.policy, problems);
        let server = server::read(file.server, problems);
        let store = store::read(file.store, folder, problems);
        let behind = file.write_behind;
        let write_behind = write_behind::read(behind, store.as_ref(), folder, problems);
        let guard = file.guard.limits();
        if let Some(Err(error)) = file.log.level.as_deref().map(crate::logging::check) {
            problems.add(error.to_string());
        }
        warn_of_modules(&host, &file.route, &mut warnings);
        warn_of_routes(&file.route, &mut warnings);
        let vaulted = file.vault.is_some();
        let vault = vault::read(file.vault, folder, problems);
        warnings.extend(vault.as_ref().and_then(|vault| vault.warning()));
        if !guard.protected.is_empty() && !vaulted {
            warnings.push(
                "`guard.protected`: without `[vault]` there is no key to encrypt with, so values of \
                 protected resources are never cached; `larder key` makes one"
                    .to_owned(),
            );
        }
        let routes = file.route.into_iter();
        Some(Self {
            server: server?,
            store: store?,
            write_behind,
            retire: file.policies.retire,
            host,
            routes: routes.map(file::Route::into_route).collect(),
            origins,
            on_failure,
            guard,
            vault,
            log: file.log,
            warnings,
        })
    }
}

/// What is wrong, all of it, so that it can be put right in one go.
#[derive(Debug, Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }
}

fn check_routes(routes: &[file::Route], origins: &[&str], problems: &mut Problems) {
    for route in routes {
        if route.resource.is_empty() || route.policy.is_empty() {
            problems.add("a `[[route]]` needs a `resource` and a `policy`, neither of them empty");
        }
        let Some(origin) = &route.origin else {
            continue;
        };
        if origins.contains(&origin.as_str()) {
            continue;
        }
        let known: Vec<_> = origins.iter().map(|name| format!("`{name}`")).collect();
        let known = match known.as_slice() {
            [] => "there is none".to_owned(),
            [one] => format!("there is {one}"),
            many => format!("there are {}", many.join(", ")),
        };
        problems.add(format!(
            "the route for `{}` names the origin `{origin}`, which is not configured; {known}. \
             Add `[origin.{origin}]` or correct the name",
            route.resource
        ));
    }
}

/// A module may be dropped into the folder later, so that it is not there now is no error.
fn warn_of_modules(host: &HostConfig, routes: &[file::Route], warnings: &mut Vec<String>) {
    let missing = |module: &str| {
        let file = host.dir.join(format!("{module}.wasm"));
        (!file.is_file()).then_some(file)
    };
    for policy in &host.policies {
        if let Some(file) = missing(&policy.module) {
            warnings.push(format!(
                "the policy `{}` has no module yet: there is no {}; its on_failure answers until \
                 there is",
                policy.name,
                file.display()
            ));
        }
    }
    let named = |name: &str| {
        host.policies
            .iter()
            .any(|policy: &PolicyConfig| policy.name == name)
    };
    for route in routes.iter().filter(|route| !named(&route.policy)) {
        if let Some(file) = missing(&route.policy) {
            warnings.push(format!(
                "the route for `{}` names the policy `{}`, which neither a [[policy]] nor the \
                 file {} provides; requests are answered by on_failure until one does",
                route.resource,
                route.policy,
                file.display()
            ));
        }
    }
}

fn warn_of_routes(routes: &[file::Route], warnings: &mut Vec<String>) {
    if routes.is_empty() {
        warnings.push(
            "there is no [[route]], so every request is refused; add one, such as resource = \
             \"product\", policy = \"standard\""
                .to_owned(),
        );
    }
    for (at, route) in routes.iter().enumerate() {
        let shadows = |earlier: &file::Route| {
            earlier.resource == route.resource
                || wildmatch::WildMatch::new(&earlier.resource).matches(&route.resource)
        };
        if let Some(earlier) = routes[..at].iter().find(|earlier| shadows(earlier)) {
            warnings.push(format!(
                "the route for `{}` is never reached: the one for `{}` stands before it and \
                 matches the same",
                route.resource, earlier.resource
            ));
        }
    }
}

/// A path of the configuration, which is relative to the file's folder.
fn relative(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path)
}
