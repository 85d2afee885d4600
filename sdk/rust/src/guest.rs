//! The module's side of the contract: generated bindings, and the way between them and the SDK's
//! own types. Only [`crate::register!`] uses it.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::thread::LocalKey;
use std::time::Duration;

use bindings::larder::policy::types as wire;

use crate::{
    Admission, Decision, Freshness, LoadStatus, Loaded, Loading, Manifest, Operation, Placement,
    Policy, Request, Stampede, Strategy, Target, panic, parse_settings,
};

#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit/v0.1.0",
        world: "policy",
        pub_export_macro: true,
        export_macro_name: "export",
    });
}

/// Where a module keeps its policy between `configure` and `decide`.
#[derive(Debug)]
pub struct Slot<P>(RefCell<Option<P>>);

impl<P> Slot<P> {
    /// A slot before `configure`.
    #[must_use]
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }
}

impl<P> Default for Slot<P> {
    fn default() -> Self {
        Self::new()
    }
}

/// A policy that [`crate::register!`] has given a slot.
pub trait Registered: Policy {
    /// The slot.
    fn slot() -> &'static LocalKey<Slot<Self>>;
}

/// The exports of a module whose policy is `P`.
#[derive(Debug)]
pub struct Exported<P>(PhantomData<P>);

impl<P: Registered> bindings::Guest for Exported<P> {
    fn describe() -> wire::Manifest {
        panic::report_to_host();
        P::manifest().into()
    }

    fn configure(settings: String) -> Result<(), String> {
        panic::report_to_host();
        let policy = P::new(parse_settings(&settings)?)?;
        P::slot().with(|slot| *slot.0.borrow_mut() = Some(policy));
        Ok(())
    }

    fn decide(request: wire::Request) -> Result<wire::Decision, String> {
        let request = request.into();
        with_policy::<P, _>(|policy| Ok(policy.decide(&request)?.into()))
    }

    fn admit(
        request: wire::Request,
        decision: wire::Decision,
        loaded: wire::Loaded,
    ) -> Result<wire::Admission, String> {
        let (request, decision, loaded) = (request.into(), decision.into(), loaded.into());
        with_policy::<P, _>(|policy| Ok(policy.admit(&request, &decision, &loaded)?.into()))
    }
}

fn with_policy<P: Registered, T>(call: impl FnOnce(&P) -> Result<T, String>) -> Result<T, String> {
    P::slot().with(|slot| match &*slot.0.borrow() {
        Some(policy) => call(policy),
        None => Err("the policy was asked before it was configured".to_owned()),
    })
}

/// Whole milliseconds. Less than one counts as one, for zero has a meaning of its own.
fn to_ms(duration: Duration) -> u64 {
    match u64::try_from(duration.as_millis()) {
        Ok(0) if !duration.is_zero() => 1,
        Ok(ms) => ms,
        Err(_) => u64::MAX,
    }
}

fn to_ms_u32(duration: Duration) -> u32 {
    u32::try_from(to_ms(duration)).unwrap_or(u32::MAX)
}

/// Enums that differ only in where they are declared.
macro_rules! same_names {
    ($own:ident { $($name:ident),+ }) => {
        impl From<wire::$own> for $own {
            fn from(wire: wire::$own) -> Self {
                match wire { $(wire::$own::$name => Self::$name,)+ }
            }
        }

        impl From<$own> for wire::$own {
            fn from(own: $own) -> Self {
                match own { $($own::$name => Self::$name,)+ }
            }
        }
    };
}

same_names!(Operation {
    Read,
    Write,
    Delete
});
same_names!(LoadStatus {
    Found,
    Absent,
    Failed
});
same_names!(Stampede {
    Unguarded,
    PerProcess,
    PerCluster
});
same_names!(Placement {
    EveryTier,
    SharedOnly,
    MemoryOnly
});
same_names!(Strategy {
    Bypass,
    CacheAside,
    ReadThrough,
    WriteThrough,
    WriteBehind
});

impl From<wire::Request> for Request {
    fn from(wire: wire::Request) -> Self {
        Self {
            operation: wire.operation.into(),
            tenant: wire.tenant,
            resource: wire.resource,
            id: wire.id,
            attributes: wire.attributes,
            now_ms: wire.now_ms,
        }
    }
}

impl From<wire::Loaded> for Loaded {
    fn from(wire: wire::Loaded) -> Self {
        Self {
            status: wire.status.into(),
            bytes: wire.bytes,
            cost_ms: wire.cost_ms,
            attributes: wire.attributes,
            body: wire.body,
        }
    }
}

impl From<Freshness> for wire::Freshness {
    fn from(own: Freshness) -> Self {
        Self {
            ttl_ms: to_ms(own.ttl),
            jitter_percent: own.jitter_percent,
            time_to_idle_ms: to_ms(own.time_to_idle),
            stale_while_revalidate_ms: to_ms(own.stale_while_revalidate),
            stale_if_error_ms: to_ms(own.stale_if_error),
            negative_ttl_ms: to_ms(own.negative_ttl),
            early_refresh_beta: own.early_refresh_beta,
        }
    }
}

impl From<wire::Freshness> for Freshness {
    fn from(wire: wire::Freshness) -> Self {
        Self {
            ttl: Duration::from_millis(wire.ttl_ms),
            jitter_percent: wire.jitter_percent,
            time_to_idle: Duration::from_millis(wire.time_to_idle_ms),
            stale_while_revalidate: Duration::from_millis(wire.stale_while_revalidate_ms),
            stale_if_error: Duration::from_millis(wire.stale_if_error_ms),
            negative_ttl: Duration::from_millis(wire.negative_ttl_ms),
            early_refresh_beta: wire.early_refresh_beta,
        }
    }
}

impl From<Loading> for wire::Loading {
    fn from(own: Loading) -> Self {
        Self {
            stampede: own.stampede.into(),
            soft_timeout_ms: to_ms_u32(own.soft_timeout),
            hard_timeout_ms: to_ms_u32(own.hard_timeout),
        }
    }
}

impl From<wire::Loading> for Loading {
    fn from(wire: wire::Loading) -> Self {
        Self {
            stampede: wire.stampede.into(),
            soft_timeout: Duration::from_millis(wire.soft_timeout_ms.into()),
            hard_timeout: Duration::from_millis(wire.hard_timeout_ms.into()),
        }
    }
}

impl From<Target> for wire::Target {
    fn from(own: Target) -> Self {
        match own {
            Target::Key(text) => Self::Key(text),
            Target::Tag(text) => Self::Tag(text),
            Target::Namespace(text) => Self::Namespace(text),
            Target::Pattern(text) => Self::Pattern(text),
        }
    }
}

impl From<wire::Target> for Target {
    fn from(wire: wire::Target) -> Self {
        match wire {
            wire::Target::Key(text) => Self::Key(text),
            wire::Target::Tag(text) => Self::Tag(text),
            wire::Target::Namespace(text) => Self::Namespace(text),
            wire::Target::Pattern(text) => Self::Pattern(text),
        }
    }
}

impl From<Decision> for wire::Decision {
    fn from(own: Decision) -> Self {
        Self {
            strategy: own.strategy.into(),
            key: own.key,
            namespace: own.namespace,
            freshness: own.freshness.into(),
            tags: own.tags,
            loading: own.loading.into(),
            placement: own.placement.into(),
            encrypt: own.encrypt,
            invalidates: own.invalidates.into_iter().map(Into::into).collect(),
            reason: own.reason,
        }
    }
}

impl From<wire::Decision> for Decision {
    fn from(wire: wire::Decision) -> Self {
        Self {
            strategy: wire.strategy.into(),
            key: wire.key,
            namespace: wire.namespace,
            freshness: wire.freshness.into(),
            tags: wire.tags,
            loading: wire.loading.into(),
            placement: wire.placement.into(),
            encrypt: wire.encrypt,
            invalidates: wire.invalidates.into_iter().map(Into::into).collect(),
            reason: wire.reason,
        }
    }
}

impl From<Admission> for wire::Admission {
    fn from(own: Admission) -> Self {
        Self {
            store: own.store,
            freshness: own.freshness.into(),
            tags: own.tags,
            reason: own.reason,
        }
    }
}

impl From<Manifest> for wire::Manifest {
    fn from(own: Manifest) -> Self {
        Self {
            name: own.name,
            version: own.version,
            summary: own.summary,
            request_attributes: own.request_attributes,
            response_attributes: own.response_attributes,
            uses_clock: own.uses_clock,
            reads_body: own.reads_body,
            admits: own.admits,
        }
    }
}
