//! A whole server on ports of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use larder::core::{Clock, Guard};
use larder::origin::{HttpConfig, HttpOrigin, Origin};
use larder::store::{MemoryConfig, MemoryStore};
use larder::wasm::{Host, HostConfig, Limits, PolicyConfig};
use larder::{Engine, OnFailure, Route, SystemClock, Tuning};
use larder_server::{Metrics, Parts, ServeError, Server, Settings, install_metrics};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::guests;

/// What is to run.
pub(crate) struct Setup {
    dir: TempDir,
    policies: Vec<PolicyConfig>,
    routes: Vec<Route>,
    origins: Vec<(String, Arc<dyn Origin>)>,
    on_failure: Vec<(String, OnFailure)>,
    pub(crate) watch: bool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) guard: Guard,
    pub(crate) tuning: Tuning,
    pub(crate) settings: Settings,
}

/// A server that answers until this is dropped.
pub(crate) struct Running {
    pub(crate) data: Client,
    pub(crate) admin: Client,
    pub(crate) address: SocketAddr,
    pub(crate) policies: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), ServeError>>,
    _dir: TempDir,
}

/// Limits under which a busy machine is not taken for a policy that loops.
pub(crate) fn patient() -> Limits {
    Limits {
        deadline_ms: 5_000,
        ..Limits::default()
    }
}

/// The recorder is one for the whole process, so all servers of a run share it.
pub(crate) fn metrics() -> Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(|| install_metrics().unwrap()).clone()
}

impl Setup {
    pub(crate) fn new() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            dir: tempfile::tempdir().unwrap(),
            policies: Vec::new(),
            routes: Vec::new(),
            origins: Vec::new(),
            on_failure: Vec::new(),
            watch: false,
            clock: Arc::new(SystemClock),
            guard: Guard::default(),
            tuning: Tuning::default(),
            settings: Settings {
                listen: any,
                admin: Some(any),
                ..Settings::default()
            },
        }
    }

    /// The policy `standard` with `settings`, for the resource `product` and without an origin.
    pub(crate) fn standard(settings: Value) -> Self {
        Self::new()
            .policy("standard", guests::shipped("standard"), settings)
            .route(Route::new("product", "standard"))
    }

    /// `standard` over `origin`, for the resource `product`.
    pub(crate) fn standard_over(origin: Arc<dyn Origin>, settings: Value) -> Self {
        Self::new()
            .policy("standard", guests::shipped("standard"), settings)
            .origin("shop", origin)
            .route(Route::new("product", "standard").origin("shop"))
    }

    /// A policy of `module` under the same name as its file, with patient limits.
    pub(crate) fn policy(self, name: &str, module: Vec<u8>, settings: Value) -> Self {
        let limits = patient();
        self.policy_within(name, module, settings, limits)
    }

    /// A policy under `limits`.
    pub(crate) fn policy_within(
        mut self,
        name: &str,
        module: Vec<u8>,
        settings: Value,
        limits: Limits,
    ) -> Self {
        std::fs::write(self.dir.path().join(format!("{name}.wasm")), module).unwrap();
        self.policies.push(PolicyConfig {
            settings,
            limits,
            ..PolicyConfig::new(name)
        });
        self
    }

    pub(crate) fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    pub(crate) fn origin(mut self, name: &str, origin: Arc<dyn Origin>) -> Self {
        self.origins.push((name.into(), origin));
        self
    }

    pub(crate) fn on_failure(mut self, policy: &str, rule: OnFailure) -> Self {
        self.on_failure.push((policy.into(), rule));
        self
    }

    /// Starts everything on ports that the system chooses.
    pub(crate) async fn start(self) -> Running {
        let metrics = metrics();
        let host = Host::start(HostConfig {
            policies: self.policies,
            watch: self.watch,
            ..HostConfig::new(self.dir.path())
        })
        .unwrap();
        let store = Arc::new(MemoryStore::new(MemoryConfig::default()));
        let mut engine = Engine::builder(host.clone(), store)
            .clock(self.clock)
            .guard(self.guard)
            .tuning(self.tuning);
        for route in self.routes {
            engine = engine.route(route);
        }
        for (name, origin) in self.origins {
            engine = engine.origin(name, origin);
        }
        for (policy, rule) in self.on_failure {
            engine = engine.on_failure(policy, rule);
        }
        let parts = Parts {
            engine: engine.build().unwrap(),
            policies: Some(host),
            metrics,
            reload: None,
        };
        let server = Server::bind(self.settings, parts).await.unwrap();
        let (data, admin) = server.addresses();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(server.run(async move {
            // A sender that is dropped stops the server too.
            let _ = stopped.await;
        }));
        Running {
            data: Client::new(data),
            admin: Client::new(admin.unwrap()),
            address: data,
            policies: self.dir.path().to_path_buf(),
            stop: Some(stop),
            task,
            _dir: self.dir,
        }
    }
}

impl Running {
    /// Begins the shutdown, as a signal would.
    pub(crate) fn stop(&mut self) {
        self.stop
            .take()
            .expect("it is stopped once")
            .send(())
            .unwrap();
    }

    /// How the server ended, which it has to do within ten seconds.
    pub(crate) async fn ended(&mut self) -> Result<(), ServeError> {
        let limit = Duration::from_secs(10);
        let ended = tokio::time::timeout(limit, &mut self.task).await;
        ended.expect("the server ends").unwrap()
    }

    /// What the admin plane says of a policy.
    pub(crate) async fn policy(&self, name: &str) -> Value {
        let answer = self.admin.get(&format!("/v1/policies/{name}")).await;
        answer.expect(200).json()
    }
}

/// An origin at `base`, which waits `timeout` at most.
pub(crate) fn http_origin(base: &str, timeout: Duration) -> Arc<dyn Origin> {
    let mut config = HttpConfig::new(base);
    config.timeout = timeout;
    Arc::new(HttpOrigin::new(config).unwrap())
}

/// Asks again until `done` answers something; 20 s are far beyond what anything here takes.
pub(crate) async fn eventually<T>(what: &str, mut done: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(value) = done().await {
            return value;
        }
        assert!(Instant::now() < end, "it never came: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
