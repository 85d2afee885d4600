//! Logs, to standard error.

use std::io::{self, IsTerminal as _};

use anyhow::{Context as _, Result, anyhow};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Log, LogFormat};

/// Starts logging as configured.
///
/// # Errors
/// The level cannot be read.
pub(crate) fn start(log: &Log) -> Result<()> {
    let level = log.level.as_deref().unwrap_or("info");
    let filter = EnvFilter::try_new(level).map_err(|_| {
        anyhow!("`log.level`: `{level}` is no level; write \"info\", \"debug\", or \"info,larder=debug\"")
    })?;
    let is_terminal = io::stderr().is_terminal();
    let format = log.format.unwrap_or(if is_terminal {
        LogFormat::Text
    } else {
        LogFormat::Json
    });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(is_terminal)
        .with_writer(io::stderr);
    let started = match format {
        LogFormat::Text => builder.finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    started.context("logging cannot be started")
}
