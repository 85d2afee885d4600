//! Logs, to standard error.

mod directives;
mod json;

use std::io::{self, IsTerminal as _};

use anyhow::{Context as _, Result};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, reload};

use self::json::OneObject;
use crate::config::{Log, LogFormat};

/// What is logged by a running program, which may change.
#[derive(Clone)]
pub(crate) struct Level(reload::Handle<EnvFilter, Registry>);

impl Level {
    /// Logs by `log.level` as it is written from now on.
    ///
    /// # Errors
    /// The level cannot be read; what was logged before is logged on.
    pub(crate) fn set(&self, level: Option<&str>) -> Result<()> {
        let filter = directives::filter(level)?;
        self.0.reload(filter).context("logging has ended")
    }
}

/// Starts logging as configured.
///
/// # Errors
/// The level cannot be read.
pub(crate) fn start(log: &Log) -> Result<Level> {
    let (filter, handle) = reload::Layer::new(directives::filter(log.level.as_deref())?);
    let is_terminal = io::stderr().is_terminal();
    let format = log.format.unwrap_or(if is_terminal {
        LogFormat::Text
    } else {
        LogFormat::Json
    });
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(is_terminal).boxed(),
        LogFormat::Json => lines
            .fmt_fields(JsonFields::new())
            .event_format(OneObject)
            .boxed(),
    };
    let all = tracing_subscriber::registry().with(filter).with(lines);
    all.try_init().context("logging cannot be started")?;
    Ok(Level(handle))
}

/// Whether `log.level` can be read.
///
/// # Errors
/// Says what cannot.
pub(crate) fn check(level: &str) -> Result<()> {
    directives::filter(Some(level)).map(drop)
}
