//! What a running server goes by, exchanged as a whole when its configuration is read again.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;
use axum::http::StatusCode;
use larder::Engine;
use larder::wasm::Host;
use tokio::sync::Mutex;

use crate::access::Plane;
use crate::gate::Gate;
use crate::problem::Problem;
use crate::routes::{self, App};
use crate::server::{BindError, Parts};
use crate::settings::Settings;
use crate::wire::ReloadReply;

/// Reads the configuration again.
pub trait Reload: Send + Sync {
    /// What the server is to go by from now on, or everything that is wrong with it. Where it
    /// fails nothing has changed.
    fn reload(&self) -> Pin<Box<dyn Future<Output = Result<Next, Vec<String>>> + Send + '_>>;
}

/// What a server is to go by from now on.
pub struct Next {
    /// Addresses, the lease secret and what drains are among them, and stay as they are.
    pub settings: Settings,
    /// Another handle of the engine: [`Engine::revised`].
    pub engine: Engine,
    /// The host of its policies, where they are WebAssembly.
    pub policies: Option<Arc<Host>>,
    /// What is told of it.
    pub reply: ReloadReply,
}

/// What requests meet; each keeps what it began with.
pub(crate) struct Now {
    pub(crate) app: Arc<App>,
    pub(crate) settings: Settings,
    data: Gate,
    admin: Gate,
}

impl Now {
    fn new(app: Arc<App>, settings: Settings) -> Self {
        let gate = |router, plane, limit| Gate::new(router, plane, Arc::clone(&app.access), limit);
        let limit = Some(Arc::clone(&app.in_flight));
        Self {
            data: gate(routes::data(Arc::clone(&app)), Plane::Data, limit),
            // Never shed: an operator has to get through when nobody else does.
            admin: gate(routes::admin(Arc::clone(&app)), Plane::Admin, None),
            app,
            settings,
        }
    }

    pub(crate) fn gate(&self, plane: Plane) -> &Gate {
        match plane {
            Plane::Data => &self.data,
            Plane::Admin => &self.admin,
        }
    }
}

/// A running server, whatever it goes by at the moment.
pub(crate) struct Live {
    now: ArcSwap<Now>,
    reload: Option<Arc<dyn Reload>>,
    /// One change by an operator at a time: a pin must not go to a host that is being replaced.
    turn: Mutex<()>,
}

impl Live {
    pub(crate) fn new(parts: Parts, settings: Settings) -> Result<Arc<Self>, BindError> {
        let reload = parts.reload.clone();
        let app = App::new(parts, &settings)?;
        Ok(Arc::new_cyclic(|live| {
            let app = Arc::new(App {
                live: live.clone(),
                ..app
            });
            Self {
                now: ArcSwap::from_pointee(Now::new(app, settings)),
                reload,
                turn: Mutex::new(()),
            }
        }))
    }

    pub(crate) fn now(&self) -> arc_swap::Guard<Arc<Now>> {
        self.now.load()
    }

    /// Nothing is changed from here on; answers by what the server ends. A change that is under way
    /// is waited for, or it would be one of a server that has ended.
    pub(crate) async fn drain(&self) -> Arc<Now> {
        self.now().app.draining.store(true, Ordering::Relaxed);
        let _turn = self.turn.lock().await;
        Arc::clone(&self.now())
    }

    /// Does `work` on the present host while no other change goes on.
    pub(crate) async fn in_turn<T, F>(&self, work: impl FnOnce(Arc<App>) -> F) -> T
    where
        F: Future<Output = T>,
    {
        let _turn = self.turn.lock().await;
        let app = Arc::clone(&self.now().app);
        work(app).await
    }

    /// Reads the configuration again and goes by it, or changes nothing. Seen through whether or
    /// not the caller waits.
    pub(crate) async fn reload(self: &Arc<Self>) -> Result<ReloadReply, Problem> {
        let live = Arc::clone(self);
        let reloading = tokio::spawn(async move { live.reload_now().await });
        reloading.await.unwrap_or_else(|error| {
            Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                format!("reading the configuration broke off, and nothing was changed: {error}"),
            ))
        })
    }

    async fn reload_now(&self) -> Result<ReloadReply, Problem> {
        let reload = self.reload.as_ref().ok_or_else(no_configuration)?;
        let _turn = self.turn.lock().await;
        let now = Arc::clone(&self.now());
        if now.app.draining.load(Ordering::Relaxed) {
            let detail = "the server is shutting down; its configuration is not read again";
            tracing::warn!("{detail}");
            return Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "shutting_down",
                detail,
            ));
        }
        match reload.reload().await {
            Ok(next) => {
                let reply = next.reply.clone();
                let settings = next.settings.clone();
                let app = Arc::new(now.app.revised(next));
                self.now.store(Arc::new(Now::new(app, settings)));
                tell(&reply);
                Ok(reply)
            }
            Err(problems) => {
                let detail = in_words(&problems);
                tracing::error!("{detail}");
                Err(Problem::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "invalid_configuration",
                    detail,
                ))
            }
        }
    }
}

pub(crate) fn no_configuration() -> Problem {
    let detail = "this server was started by a program that has no configuration to read again";
    Problem::new(StatusCode::NOT_FOUND, "no_configuration", detail)
}

fn tell(reply: &ReloadReply) {
    let changed = match reply.changed.as_slice() {
        [] => "nothing has changed".to_owned(),
        changed => format!("from now on it goes by {}", changed.join(", ")),
    };
    tracing::info!("the configuration was read again: {changed}");
    for part in &reply.needs_restart {
        tracing::warn!("`{part}` has changed in the configuration, and needs a restart");
    }
    for warning in &reply.warnings {
        tracing::warn!("{warning}");
    }
}

fn in_words(problems: &[String]) -> String {
    const NOTHING: &str = "the configuration is wrong, and nothing was changed";
    match problems {
        [one] => format!("{NOTHING}: {one}"),
        many => format!(
            "{NOTHING}; {} things:\n  - {}",
            many.len(),
            many.join("\n  - ")
        ),
    }
}
