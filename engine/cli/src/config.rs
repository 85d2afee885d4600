//! `larder.toml`: read, overridden by the environment, and checked whole before anything starts.

pub(crate) mod changes;
mod env;
mod file;
mod mistakes;
mod origin;
mod outbox;
mod place;
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

use anyhow::{Context as _, Result, anyhow};
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
        let bytes = fs::read(path).with_context(|| {
            format!(
                "the configuration {} cannot be read; `larder config reference` prints every field \
                 of one",
                path.display()
            )
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let line = 1 + error.as_bytes()[..at]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            anyhow!(
                "the configuration {} is no UTF-8, from line {line} on; save it as UTF-8",
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
        let mut problems = Problems::of(text);
        let config = Self::from_file(file, folder, &mut problems);
        match config.filter(|_| problems.all.is_empty()) {
            Some(config) => Ok(Self {
                source: Source(source),
                ..config
            }),
            None => {
                if let Some(names) = overrides.names()
                    && Self::parse(text, folder, &Overrides::default()).is_ok()
                {
                    problems.add(format!("the file alone would do, so look at {names}"));
                }
                Err(Wrong(problems.all).into())
            }
        }
    }

    /// The configuration, unless a part of it could not be made at all; what is wrong with the
    /// others is in `problems`.
    fn from_file(file: File, folder: &Path, problems: &mut Problems<'_>) -> Option<Self> {
        let near = Overrides::near_misses().into_iter().map(|name| {
            format!(
                "the variable {name} is not read: what overrides a field begins with LARDER__, and has two \
                 underscores between the table and the field"
            )
        });
        let mut warnings: Vec<_> = near.collect();
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
struct Problems<'t> {
    all: Vec<String>,
    /// What was read.
    text: &'t str,
}

impl<'t> Problems<'t> {
    fn of(text: &'t str) -> Self {
        Self {
            all: Vec::new(),
            text,
        }
    }

    /// Adds one of the table at `path`, with its line where the file has it.
    fn add_at(&mut self, path: &[&str], why: &str) {
        let table = path.join(".");
        self.add(match place::line_of(self.text, path, why) {
            Some(line) => format!("line {line}, `[{table}]`: {why}"),
            None => format!("`[{table}]`: {why}"),
        });
    }

    fn add(&mut self, problem: impl Into<String>) {
        self.all.push(problem.into());
    }
}

/// A path of the configuration, which is relative to the file's folder.
fn relative(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path)
}
