//! `larder.toml`: read, overridden by the environment, and checked whole before anything starts.

pub(crate) mod changes;
mod env;
mod file;
mod mistakes;
mod origin;
mod outbox;
mod policy;
mod route;
mod server;
mod store;
#[cfg(test)]
mod tests;
mod token;
mod vault;
mod write_behind;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs};

use anyhow::{Context as _, Result};
use larder::core::Guard;
use larder::wasm::HostConfig;
use larder::{OnFailure, Route, Vault};
use toml::Table;

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
    /// What all of it was read from, the environment's overrides among it.
    pub(crate) source: Source,
}

/// A configuration as it was read. It may hold secrets, and is not shown.
#[derive(Clone, Default)]
pub(crate) struct Source(pub(crate) Table);

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
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
        let (file, source) = overrides.read(text)?;
        let mut problems = Problems::default();
        let config = Self::from_file(file, folder, &mut problems);
        match config.filter(|_| problems.0.is_empty()) {
            Some(config) => Ok(Self {
                source: Source(source),
                ..config
            }),
            None => Err(Wrong(problems.0).into()),
        }
    }

    /// The configuration, unless a part of it could not be made at all; what is wrong with the
    /// others is in `problems`.
    fn from_file(file: File, folder: &Path, problems: &mut Problems) -> Option<Self> {
        let mut warnings = Vec::new();
        let named: Vec<_> = file.origin.keys().cloned().collect();
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
        route::check(&file.route, &named, &host, problems);
        warnings.extend(route::warnings(&file.route, &named, &host));
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
            source: Source::default(),
        })
    }
}

/// Everything that is wrong with a configuration.
#[derive(Debug)]
pub(crate) struct Wrong(pub(crate) Vec<String>);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => f.write_str(one),
            all => write!(f, "{} things:\n  - {}", all.len(), all.join("\n  - ")),
        }
    }
}

impl std::error::Error for Wrong {}

/// What is wrong, all of it, so that it can be put right in one go.
#[derive(Debug, Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }
}

/// A path of the configuration, which is relative to the file's folder.
fn relative(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path)
}
