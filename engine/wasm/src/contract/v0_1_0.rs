//! Contract 0.1.0: the generated bindings, and the way to and from the engine's own types.

use larder_core as core;
use wasmtime::Store;
use wasmtime::component::Component;

use crate::engine::Runtime;
use crate::meter::Meter;
use bindings::larder::policy::types;

#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    unsafe_code,
    clippy::all,
    clippy::pedantic,
    reason = "generated; the contract's own comments document it"
)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../sdk/wit/v0.1.0",
        world: "policy",
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// A compiled policy whose types were checked against the contract.
pub(crate) struct Checked(bindings::PolicyPre<Meter>);

/// The functions of one instance.
pub(crate) struct Functions(bindings::Policy);

/// A wasmtime error, or the policy's own.
pub(crate) type Answer<T> = wasmtime::Result<Result<T, String>>;

/// What of a request and a load a policy is shown.
pub(crate) struct Shown {
    /// Names, and the beginnings of classes that are shown whole.
    request: Declared,
    pub(crate) response_attributes: Vec<String>,
    pub(crate) clock: bool,
    pub(crate) body: bool,
}

/// What is declared of the request, taken apart once.
struct Declared {
    names: Vec<String>,
    /// With the dot: `context.`.
    classes: Vec<&'static str>,
}

impl Declared {
    fn new(declared: &[String]) -> Self {
        let is_class = |name: &str| core::Manifest::CLASSES.into_iter().find(|it| *it == name);
        let classes = declared.iter().filter_map(|name| is_class(name));
        Self {
            names: declared.to_vec(),
            classes: classes.map(|class| class.trim_end_matches('*')).collect(),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.classes.iter().any(|class| name.starts_with(class))
            || self.names.iter().any(|declared| declared == name)
    }

    const fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

impl Shown {
    pub(crate) fn new(manifest: &core::Manifest) -> Self {
        Self {
            request: Declared::new(&manifest.request_attributes),
            response_attributes: manifest.response_attributes.clone(),
            clock: manifest.uses_clock,
            body: manifest.reads_body,
        }
    }
}

impl Checked {
    pub(crate) fn new(runtime: &Runtime, component: &Component) -> wasmtime::Result<Self> {
        let pre = runtime.linker.instantiate_pre(component)?;
        bindings::PolicyPre::new(pre).map(Self)
    }

    pub(crate) fn instantiate(&self, store: &mut Store<Meter>) -> wasmtime::Result<Functions> {
        self.0.instantiate(store).map(Functions)
    }
}

impl Functions {
    pub(crate) fn describe(&self, store: &mut Store<Meter>) -> wasmtime::Result<core::Manifest> {
        self.0.call_describe(store).map(manifest)
    }

    pub(crate) fn configure(&self, store: &mut Store<Meter>, settings: &str) -> Answer<()> {
        self.0.call_configure(store, settings)
    }

    pub(crate) fn decide(
        &self,
        store: &mut Store<Meter>,
        shown: &Shown,
        request: &core::Request,
        now: core::Timestamp,
    ) -> Answer<core::Decision> {
        let attributes = select_request(&request.attributes, &shown.request);
        let lowered = lower_request(request, &attributes, shown, now);
        let answer = self.0.call_decide(store, lowered)?;
        Ok(answer.map(decision))
    }

    pub(crate) fn admit(
        &self,
        store: &mut Store<Meter>,
        shown: &Shown,
        request: &core::Request,
        decided: &core::Decision,
        loaded: &core::Loaded,
        now: core::Timestamp,
    ) -> Answer<core::Admission> {
        let inputs = select_request(&request.attributes, &shown.request);
        let outputs = select(&loaded.attributes, &shown.response_attributes);
        let tags: Vec<&str> = decided.tags.iter().map(String::as_str).collect();
        let targets: Vec<_> = decided.invalidates.iter().map(lower_target).collect();
        let answer = self.0.call_admit(
            store,
            lower_request(request, &inputs, shown, now),
            lower_decision(decided, &tags, &targets),
            lower_loaded(loaded, &outputs, shown),
        )?;
        Ok(answer.map(admission))
    }
}

/// The declared ones of a request's `attributes`.
fn select_request<'a>(
    attributes: &'a [(String, String)],
    declared: &Declared,
) -> Vec<types::Attribute<'a>> {
    let mut selected = Vec::new();
    if declared.is_empty() {
        return selected;
    }
    for (name, value) in attributes {
        if declared.has(name) {
            selected.push((name.as_str(), value.as_str()));
        }
    }
    selected
}

/// The declared ones of `attributes`. Both lists are short, so that comparing beats hashing.
fn select<'a>(
    attributes: &'a [(String, String)],
    declared: &[String],
) -> Vec<types::Attribute<'a>> {
    let mut selected = Vec::new();
    if declared.is_empty() {
        return selected;
    }
    for (name, value) in attributes {
        if declared.contains(name) {
            selected.push((name.as_str(), value.as_str()));
        }
    }
    selected
}

fn lower_request<'a>(
    request: &'a core::Request,
    attributes: &'a [types::Attribute<'a>],
    shown: &Shown,
    now: core::Timestamp,
) -> types::Request<'a> {
    types::Request {
        operation: match request.operation {
            core::Operation::Read => types::Operation::Read,
            core::Operation::Write => types::Operation::Write,
            core::Operation::Delete => types::Operation::Delete,
        },
        tenant: &request.tenant,
        resource: &request.resource,
        id: &request.id,
        attributes,
        now_ms: if shown.clock { now.0 } else { 0 },
    }
}

fn lower_decision<'a>(
    decided: &'a core::Decision,
    tags: &'a [&'a str],
    invalidates: &'a [types::TargetParam<'a>],
) -> types::DecisionParam<'a> {
    types::DecisionParam {
        strategy: match decided.strategy {
            core::Strategy::Bypass => types::Strategy::Bypass,
            core::Strategy::CacheAside => types::Strategy::CacheAside,
            core::Strategy::ReadThrough => types::Strategy::ReadThrough,
            core::Strategy::WriteThrough => types::Strategy::WriteThrough,
            core::Strategy::WriteBehind => types::Strategy::WriteBehind,
        },
        key: &decided.key,
        namespace: &decided.namespace,
        freshness: lower_freshness(&decided.freshness),
        tags,
        loading: types::Loading {
            stampede: match decided.loading.stampede {
                core::Stampede::Unguarded => types::Stampede::Unguarded,
                core::Stampede::PerProcess => types::Stampede::PerProcess,
                core::Stampede::PerCluster => types::Stampede::PerCluster,
            },
            soft_timeout_ms: decided.loading.soft_timeout_ms,
            hard_timeout_ms: decided.loading.hard_timeout_ms,
        },
        placement: match decided.placement {
            core::Placement::EveryTier => types::Placement::EveryTier,
            core::Placement::SharedOnly => types::Placement::SharedOnly,
            core::Placement::MemoryOnly => types::Placement::MemoryOnly,
        },
        encrypt: decided.encrypt,
        invalidates,
        reason: &decided.reason,
    }
}

fn lower_target(target: &core::Target) -> types::TargetParam<'_> {
    match target {
        core::Target::Key(key) => types::TargetParam::Key(key),
        core::Target::Tag(tag) => types::TargetParam::Tag(tag),
        core::Target::Namespace(name) => types::TargetParam::Namespace(name),
        core::Target::Pattern(pattern) => types::TargetParam::Pattern(pattern),
    }
}

const fn lower_freshness(freshness: &core::Freshness) -> types::Freshness {
    types::Freshness {
        ttl_ms: freshness.ttl_ms,
        jitter_percent: freshness.jitter_percent,
        time_to_idle_ms: freshness.time_to_idle_ms,
        stale_while_revalidate_ms: freshness.stale_while_revalidate_ms,
        stale_if_error_ms: freshness.stale_if_error_ms,
        negative_ttl_ms: freshness.negative_ttl_ms,
        early_refresh_beta: freshness.early_refresh_beta,
    }
}

fn lower_loaded<'a>(
    loaded: &'a core::Loaded,
    attributes: &'a [types::Attribute<'a>],
    shown: &Shown,
) -> types::Loaded<'a> {
    types::Loaded {
        status: match loaded.status {
            core::LoadStatus::Found => types::LoadStatus::Found,
            core::LoadStatus::Absent => types::LoadStatus::Absent,
            core::LoadStatus::Failed => types::LoadStatus::Failed,
        },
        bytes: loaded.bytes,
        cost_ms: loaded.cost_ms,
        attributes,
        body: loaded.body.as_deref().filter(|_| shown.body),
    }
}

fn manifest(manifest: types::Manifest) -> core::Manifest {
    core::Manifest {
        name: manifest.name,
        version: manifest.version,
        summary: manifest.summary,
        request_attributes: manifest.request_attributes,
        response_attributes: manifest.response_attributes,
        uses_clock: manifest.uses_clock,
        reads_body: manifest.reads_body,
        admits: manifest.admits,
    }
}

fn decision(decision: types::DecisionResult) -> core::Decision {
    core::Decision {
        strategy: match decision.strategy {
            types::Strategy::Bypass => core::Strategy::Bypass,
            types::Strategy::CacheAside => core::Strategy::CacheAside,
            types::Strategy::ReadThrough => core::Strategy::ReadThrough,
            types::Strategy::WriteThrough => core::Strategy::WriteThrough,
            types::Strategy::WriteBehind => core::Strategy::WriteBehind,
        },
        key: decision.key,
        namespace: decision.namespace,
        freshness: freshness(&decision.freshness),
        tags: decision.tags,
        placement: match decision.placement {
            types::Placement::EveryTier => core::Placement::EveryTier,
            types::Placement::SharedOnly => core::Placement::SharedOnly,
            types::Placement::MemoryOnly => core::Placement::MemoryOnly,
        },
        encrypt: decision.encrypt,
        loading: core::Loading {
            stampede: match decision.loading.stampede {
                types::Stampede::Unguarded => core::Stampede::Unguarded,
                types::Stampede::PerProcess => core::Stampede::PerProcess,
                types::Stampede::PerCluster => core::Stampede::PerCluster,
            },
            soft_timeout_ms: decision.loading.soft_timeout_ms,
            hard_timeout_ms: decision.loading.hard_timeout_ms,
        },
        invalidates: decision.invalidates.into_iter().map(target).collect(),
        reason: decision.reason,
    }
}

fn target(target: types::TargetResult) -> core::Target {
    match target {
        types::TargetResult::Key(key) => core::Target::Key(key),
        types::TargetResult::Tag(tag) => core::Target::Tag(tag),
        types::TargetResult::Namespace(name) => core::Target::Namespace(name),
        types::TargetResult::Pattern(pattern) => core::Target::Pattern(pattern),
    }
}

const fn freshness(freshness: &types::Freshness) -> core::Freshness {
    core::Freshness {
        ttl_ms: freshness.ttl_ms,
        jitter_percent: freshness.jitter_percent,
        stale_while_revalidate_ms: freshness.stale_while_revalidate_ms,
        stale_if_error_ms: freshness.stale_if_error_ms,
        time_to_idle_ms: freshness.time_to_idle_ms,
        negative_ttl_ms: freshness.negative_ttl_ms,
        early_refresh_beta: freshness.early_refresh_beta,
    }
}

fn admission(admission: types::Admission) -> core::Admission {
    core::Admission {
        store: admission.store,
        freshness: freshness(&admission.freshness),
        tags: admission.tags,
        reason: admission.reason,
    }
}
