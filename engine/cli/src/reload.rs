//! The configuration is read again while the server runs.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use larder::Engine;
use larder::wasm::Host;
use larder_server::access::{Plane, check_listener};
use larder_server::wire::ReloadReply;
use larder_server::{Next, Reload, Settings};

use crate::assemble;
use crate::config::changes::between;
use crate::config::{Config, Overrides, Source, Wrong};
use crate::logging::Level;
use crate::sense;

/// Reads one file again, with the environment over it, and prepares what it says beside what runs.
pub(crate) struct Reloader {
    path: PathBuf,
    level: Level,
    running: tokio::sync::Mutex<Running>,
}

/// What the server goes by.
pub(crate) struct Running {
    pub(crate) source: Source,
    pub(crate) settings: Settings,
    pub(crate) engine: Engine,
    pub(crate) host: Arc<Host>,
    /// The names of the origins that are open.
    pub(crate) origins: Vec<String>,
}

impl Reload for Reloader {
    fn reload(&self) -> Pin<Box<dyn Future<Output = Result<Next, Vec<String>>> + Send + '_>> {
        Box::pin(self.next())
    }
}

impl Reloader {
    /// Reads `file` in the place of what is `running`.
    pub(crate) fn new(file: &Path, level: Level, running: Running) -> Self {
        Self {
            path: file.to_owned(),
            level,
            running: tokio::sync::Mutex::new(running),
        }
    }

    async fn next(&self) -> Result<Next, Vec<String>> {
        let mut running = self.running.lock().await;
        let (config, host) = self.prepared(&running).await?;
        let mut warnings = config.warnings.clone();
        warnings.extend(sense::warnings(&config, &*host));
        let changes = between(&running.source.0, &config.source.0);
        let rules = assemble::rules(&config, Arc::clone(&host) as _, |name| {
            running.origins.contains(name)
        });
        let revised = running.engine.revised(rules);
        let engine = revised.map_err(|error| vec![error.to_string()])?;
        host.take_over();
        // It was read before, with the rest.
        if let Err(error) = self.level.set(config.log.level.as_deref()) {
            tracing::error!("the level of the log stays as it was: {error}");
        }
        if let Some(vault) = &config.vault {
            crate::keys::follow(vault);
        }
        let settings = running.settings.clone();
        let settings = assemble::settings(&config, Some(&settings));
        *running = Running {
            source: config.source,
            settings: settings.clone(),
            engine: engine.clone(),
            host: Arc::clone(&host),
            origins: running.origins.clone(),
        };
        Ok(Next {
            settings,
            engine,
            policies: Some(host),
            reply: ReloadReply {
                changed: changes.taken,
                needs_restart: changes.waiting,
                warnings,
            },
        })
    }

    /// The configuration and a host of its policies, if everything in it can serve.
    async fn prepared(&self, running: &Running) -> Result<(Config, Arc<Host>), Vec<String>> {
        let (path, before) = (self.path.clone(), Arc::clone(&running.host));
        // Reading, compiling and waiting for the policies' thread block.
        let reading = tokio::task::spawn_blocking(move || {
            let config = Config::load(&path, &Overrides::from_env());
            let config = config.map_err(|error| match error.downcast::<Wrong>() {
                Ok(wrong) => wrong.0,
                Err(error) => vec![format!("{error:#}")],
            })?;
            let host = before.succeeded_by(config.host.clone());
            let host = host.map_err(|error| vec![error.to_string()])?;
            Ok::<_, Vec<String>>((config, host))
        });
        let broken = |error| vec![format!("reading it broke off: {error}")];
        let (config, host) = reading.await.map_err(broken)??;
        let mut problems = sense::of_rules(&config, Arc::clone(&host) as _);
        problems.extend(sense::of_policies(&config, &*host, &host.status()));
        problems.extend(sense::of_lost_policies(
            &config,
            &running.host.status(),
            &host.status(),
        ));
        problems.extend(exposed(&config, &running.settings));
        problems.extend(of_new_origins(&config, &running.origins));
        problems.extend(emptied(&config.source, &running.source));
        match problems.is_empty() {
            true => Ok((config, host)),
            false => Err(problems),
        }
    }
}

/// The addresses stay as they are, so it is those that have to be safe with other tokens.
fn exposed(config: &Config, running: &Settings) -> Vec<String> {
    let planes = [
        (Plane::Data, Some(running.listen)),
        (Plane::Admin, running.admin),
    ];
    let planes = planes
        .into_iter()
        .filter_map(|(plane, at)| Some((plane, at?)));
    planes
        .filter_map(|(plane, at)| check_listener(plane, at, &config.server.tokens).err())
        .map(|error| error.to_string())
        .collect()
}

fn of_new_origins(config: &Config, open: &[String]) -> Vec<String> {
    let routes = config.routes.iter();
    let new = routes.filter_map(|route| {
        let name = route.origin.as_ref().filter(|name| !open.contains(name))?;
        Some(format!(
            "the route for `{}` uses the origin `{name}`, which is new: an origin needs a restart, \
             and until then no route can use it",
            route.resource
        ))
    });
    new.collect()
}

/// A file that is being written, or that a full disk cut off, is empty for a moment: nothing would be
/// wrong with it, and nothing would be answered.
fn emptied(config: &Source, running: &Source) -> Option<String> {
    let routes = |source: &Source| source.0.contains_key("route");
    (routes(running) && !routes(config)).then(|| {
        "there is no [[route]] any more, so every request would be refused; if that is meant, stop \
         the server"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_may_not_leave_a_plane_open_to_others() {
        let folder = tempfile::tempdir().expect("is made");
        std::fs::create_dir(folder.path().join("policies")).expect("is made");
        let read = |text| Config::parse(text, folder.path(), &Overrides::default());
        let config = read("").expect("is right");
        let at = |listen: &str| Settings {
            listen: listen.parse().expect("is an address"),
            ..Settings::default()
        };
        assert_eq!(exposed(&config, &at("127.0.0.1:7117")), [""; 0]);
        let why = exposed(&config, &at("0.0.0.0:7117"));
        assert!(
            why[0].contains("the data plane would answer anybody"),
            "{why:?}"
        );
    }
}
