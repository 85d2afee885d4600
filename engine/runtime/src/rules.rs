//! What of an engine can change while it runs.

mod check;

use std::collections::HashMap;
use std::sync::Arc;

use larder_core::{Dependency, Guard, Policies};
use parking_lot::Mutex;
use wildmatch::WildMatch;

pub(crate) use self::check::known;
use crate::builder::BuildError;
use crate::engine::{Engine, Inner, Shared};
use crate::fallback::OnFailure;
use crate::gate::Gate;
use crate::limits::OriginLimits;
use crate::meters::PolicyMeters;
use crate::route::{self, Resolved, Route, Routes};
use crate::vault::{Seals, Vault};

/// What of an engine can change while it runs: everything that says what to do with a request, and
/// nothing that is open or holds something. [`Engine::revised`] takes it over as a whole.
#[derive(Clone)]
pub struct Rules {
    /// The policies.
    pub policies: Arc<dyn Policies>,
    /// The routes; the first that matches a resource answers for it.
    pub routes: Vec<Route>,
    /// The limits of calls to origins, by name; see [`EngineBuilder::origin_limits`].
    ///
    /// [`EngineBuilder::origin_limits`]: crate::EngineBuilder::origin_limits
    pub limits: HashMap<String, OriginLimits>,
    /// What answers when a policy fails, by policy.
    pub on_failure: HashMap<String, OnFailure>,
    /// The operator's limits on decisions.
    pub guard: Guard,
    /// The keys of values that are to be encrypted; without it such values are not cached.
    pub vault: Option<Arc<Vault>>,
    /// Whether an entry of another build of its policy counts as a miss.
    pub retire: bool,
}

impl Rules {
    /// `policies` with defaults and without a route.
    pub fn new(policies: Arc<dyn Policies>) -> Self {
        Self {
            policies,
            routes: Vec::new(),
            limits: HashMap::new(),
            on_failure: HashMap::new(),
            guard: Guard::default(),
            vault: None,
            retire: false,
        }
    }
}

/// The gates of an engine. Routes to one origin share one; so do those of one policy that have no
/// origin.
#[derive(Default)]
pub(crate) struct Gates(Mutex<HashMap<GateOf, Arc<Gate>>>);

/// The origin, if there is one, and the name that bears the limits.
type GateOf = (Option<String>, String);

impl Gates {
    /// The gate of a route, with the limits it was given first.
    fn of(&self, route: &Route, limits: &HashMap<String, OriginLimits>) -> Arc<Gate> {
        let name = route.gate_name();
        let mut all = self.0.lock();
        let gate = all
            .entry((route.origin.clone(), name.to_owned()))
            .or_insert_with(|| Gate::new(name, &limits.get(name).copied().unwrap_or_default()));
        Arc::clone(gate)
    }

    /// Sets other limits. Calls that are under way keep their places.
    fn limit(&self, limits: &HashMap<String, OriginLimits>) {
        for ((_, name), gate) in self.0.lock().iter() {
            gate.limit(&limits.get(name).copied().unwrap_or_default());
        }
    }
}

/// The rules as requests meet them, over what stays.
pub(crate) fn resolve(rules: Rules, shared: Arc<Shared>) -> Result<Inner, BuildError> {
    rules.check(&shared)?;
    let routes = rules.routes.iter();
    let routes = routes.map(|route| one(route, &rules, &shared).map(Arc::new));
    let routes = Routes(routes.collect::<Result<_, _>>()?);
    check::check_seen(&*rules.policies, &routes)?;
    shared.gates.limit(&rules.limits);
    Ok(Inner {
        routes,
        policies: rules.policies,
        on_failure: rules.on_failure,
        guard: rules.guard,
        seals: Seals::new(rules.vault),
        retire: rules.retire,
        shared,
    })
}

fn one(route: &Route, rules: &Rules, shared: &Shared) -> Result<Resolved, BuildError> {
    if route.resource.is_empty() || route.policy.is_empty() {
        return Err(BuildError::IncompleteRoute {
            resource: route.resource.clone(),
            policy: route.policy.clone(),
        });
    }
    let name = route.origin.as_deref();
    let origin = name.map(|name| {
        let unknown = || BuildError::UnknownOrigin {
            resource: route.resource.clone(),
            origin: name.to_owned(),
            known: known(&shared.origins),
        };
        shared.origins.get(name).ok_or_else(unknown)
    });
    let origin = origin.transpose()?;
    let has_outbox = |name: &&str| shared.outboxes.iter().any(|one| one.is_of(name));
    let on_failure = rules.on_failure.get(&route.policy);
    let hold = shared.write_holds.get(route.gate_name());
    Ok(Resolved {
        resource: WildMatch::new(&route.resource),
        policy: route.policy.as_str().into(),
        origin: origin.map(Arc::clone),
        origin_name: name.map(Arc::from),
        rows_of: name
            .zip(origin)
            .and_then(|(name, origin)| route::rows_of(name, &**origin, &rules.routes)),
        gate: shared.gates.of(route, &rules.limits),
        write_hold_ms: hold.copied().unwrap_or_default(),
        whole: name.filter(has_outbox).map(Dependency::origin),
        on_failure: on_failure.cloned().unwrap_or_default(),
        meters: PolicyMeters::new(&route.policy),
        described: route.clone(),
    })
}

impl Engine {
    /// Another handle of the same engine, over the same store, origins, queue and outboxes, that
    /// goes by other rules. Requests through this handle, and those under way, go by the ones they
    /// began with; what runs behind the requests goes by the latest, and so do the limits of
    /// origins.
    ///
    /// # Errors
    /// As [`EngineBuilder::build`]; nothing has changed then.
    ///
    /// [`EngineBuilder::build`]: crate::EngineBuilder::build
    pub fn revised(&self, rules: Rules) -> Result<Self, BuildError> {
        let inner = Arc::new(resolve(rules, Arc::clone(&self.inner.shared))?);
        inner.shared.lead(&inner);
        if let (Some(behind), Ok(runtime)) = (&inner.behind, tokio::runtime::Handle::try_current())
        {
            behind.start(&inner, &runtime);
        }
        Ok(Self { inner })
    }
}
