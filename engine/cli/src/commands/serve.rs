//! `larder serve`: serves as a configuration says.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use larder::store::ConnectError;
use larder_server::{BindError, Server, install_metrics};

use crate::assemble::assemble;
use crate::config::{Config, ENV_HELP, LogFormat, Overrides};
use crate::exit::{Code, Failure, Outcome};
use crate::logging;
use crate::output::{note, print};
use crate::reload::{Reloader, Running};
use crate::signals::{self, Hangups};

/// Arguments of `larder serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub(crate) struct Args {
    /// The configuration, larder.toml
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The shape of log lines [default: text on a terminal, json elsewhere]
    #[arg(long, value_name = "FORMAT")]
    log: Option<LogFormat>,
}

fn help() -> String {
    format!(
        "\
The file is checked whole before a port opens: an unknown field, a route to an origin or a policy that
is not there, a policy that wants encryption without a [vault] or a database without its table end
with 2 and say what to change. A policy file that does not load is no such error: `larder policies` shows why, and a better file is taken when it comes.
A PostgreSQL that does not answer at the start is waited for: writes that are queued are taken,
`/health/ready` says what is missing, and its table is looked at when it answers. So is the Redis of
the store, which costs hits until it comes. Only one that is to hold the write-behind queue has to be
there: without it the program ends with 4.

Without tokens the server listens on loopback only; `larder token` makes one.

{ENV_HELP}

Ctrl-C or SIGTERM ends it: requests that are under way are answered first. SIGHUP and `larder reload`
read the file and the environment again: what can change without a restart does, or nothing does.

Example:
  larder serve --config larder.toml"
    )
}

/// Serves until a signal comes.
pub(crate) fn run(args: &Args) -> Outcome {
    let overrides = Overrides::from_env();
    let mut config = Config::load(&args.config, &overrides).map_err(wrong)?;
    config.log.format = args.log.or(config.log.format);
    let hint = "change `server.listen` or `server.admin`, or set LARDER__SERVER__LISTEN and \
                LARDER__SERVER__ADMIN";
    serve(config, Some(&args.config), hint, |data, admin| {
        let admin = admin.map_or("no admin plane".to_owned(), |admin| {
            format!("admin http://{admin}")
        });
        format!("larder serves http://{data} ({admin})\n")
    })
}

fn wrong(error: anyhow::Error) -> Failure {
    Failure::new(Code::Usage, error)
}

/// A Redis that may come by itself is no wrong configuration: whoever starts the program may try
/// again.
fn unmade(error: anyhow::Error) -> Failure {
    let connecting = error.downcast_ref::<ConnectError>();
    match connecting.is_some_and(ConnectError::is_transient) {
        true => Failure::new(Code::Unreachable, error),
        false => wrong(error),
    }
}

/// Serves `config` until a signal comes; prints what `greeting` makes of the addresses once the
/// ports are open. It was read from `file`, if it was, and is read from there again when a signal
/// or a call says so. `hint` says how to choose other ports.
pub(super) fn serve(
    config: Config,
    file: Option<&Path>,
    hint: &str,
    greeting: impl FnOnce(SocketAddr, Option<SocketAddr>) -> String,
) -> Outcome {
    let level = logging::start(&config.log).map_err(wrong)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let metrics = install_metrics().context("the metrics cannot be set up")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(async {
        // From here on no such signal ends the process, however long the start takes.
        let hangups = file.map(|_| Hangups::listen());
        let (source, open) = (
            config.source.clone(),
            config.origins.keys().cloned().collect(),
        );
        let (settings, mut parts) = assemble(config, metrics).await.map_err(unmade)?;
        if let (Some(file), Some(host)) = (file, &parts.policies) {
            let running = Running {
                source,
                settings: settings.clone(),
                engine: parts.engine.clone(),
                host: Arc::clone(host),
                origins: open,
            };
            parts.reload = Some(Arc::new(Reloader::new(file, level, running)));
        }
        let server = Server::bind(settings, parts).await;
        let server = server.map_err(|error| refused(&error, hint))?;
        if let Some(hangups) = hangups {
            tokio::spawn(hangups.reload(server.handle()));
        }
        let (data, admin) = server.addresses();
        // Whoever reads it has gone or has no room; those who ask the server are still there.
        let greeting = greeting(data, admin);
        if let Err(failure) = print(&greeting) {
            tracing::warn!(
                "{:#}; it was to say: {}",
                failure.error,
                greeting.trim_end()
            );
        }
        let ended = server.run(signals::shutdown()).await;
        if let Err(error) = ended {
            note(&format!("stopped: {error}"));
        }
        Ok(())
    })
}

fn refused(error: &BindError, hint: &str) -> Failure {
    match error {
        BindError::Listen { .. } => anyhow::anyhow!("{error}: {hint}").into(),
        BindError::Exposed(_) => Failure::usage(error.to_string()),
        BindError::Secret(_) => anyhow::anyhow!("{error}").into(),
    }
}
