//! From a request to a guarded decision.

use std::sync::Arc;

use larder_core::beside;
use larder_core::{
    Clamp, Decision, Dependency, Identity, Key, NotStored, Operation, Policy, PolicyFailure,
    Refusal, Request, Timestamp,
};
use larder_store::Expected;
use tokio::time::Instant;
use uuid::Uuid;

use crate::complaints::Complaint;
use crate::engine::Inner;
use crate::error::Error;
use crate::fallback::{self, Fallback, OnFailure};
use crate::route::Resolved;
use crate::stale;
use crate::typed::Check;
use crate::unseen;
use crate::variant::{self, LoadedBy};

/// A decision, who made it, and what the guard changed.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Names this decision in logs and answers; ordered by time (UUID version 7).
    pub decision_id: Uuid,
    /// The build of the policy that was asked.
    pub policy: Arc<Identity>,
    /// What holds, after the guard and the route's rule for queries.
    pub decision: Decision,
    /// The query as it was sent, where the decision's key does not tell it; and where the application
    /// loads, behind a `#` the context and the credentials that its policy does not declare. The
    /// entry is then a variant of that key, and goes stale with it.
    pub query: Option<Arc<str>>,
    /// Why the engine keeps the request out of the cache, whatever the policy decided.
    pub kept_out: Option<NotStored>,
    /// What the guard changed.
    pub clamped: Vec<Clamp>,
    /// Set where the policy failed and something else decided.
    pub fallback: Option<Fallback>,
    /// How long the policy took, in nanoseconds.
    pub evaluate_ns: u64,
}

impl Decided {
    /// The decision's key together with the query that it does not tell, as text for people. An
    /// invalidation of a key takes it too.
    #[must_use]
    pub fn shown_key(&self) -> String {
        larder_core::key::shown(&self.decision.key, self.query.as_deref())
    }

    /// Under which key the engine keeps the entry of a request of `tenant`.
    pub(crate) fn key(&self, tenant: &str) -> Key {
        let decision = &self.decision;
        Key::of(
            tenant,
            &decision.namespace,
            &decision.key,
            self.query.as_deref(),
        )
    }

    /// What the entry depends on as a variant.
    pub(crate) fn variants(&self, tenant: &str) -> Option<Dependency> {
        let decision = &self.decision;
        let tag = || variant::tag(&decision.namespace, &decision.key);
        self.query.as_ref().map(|_| Dependency::tag(tenant, &tag()))
    }
}

/// A decided request on its way through a pattern.
pub(crate) struct Job {
    pub(crate) request: Request,
    pub(crate) route: Arc<Resolved>,
    pub(crate) decided: Decided,
    /// The build that was asked, whether it could answer or not.
    pub(crate) asked: Option<Arc<dyn Policy>>,
    pub(crate) key: Key,
    /// What all variants of the decision's key depend on, where this is one.
    pub(crate) variants: Option<Dependency>,
    /// When it came: before anything was asked of the policy or the store.
    pub(crate) came: Instant,
    /// How long the caller waits. A load for others as well is not bound by it.
    pub(crate) deadline: Instant,
    /// What the origin may see of the request's attributes.
    pub(crate) attributes: Vec<(String, String)>,
    /// On what values depend and the route's origin is never sent; then it may not be called.
    pub(crate) unseen: Option<&'static str>,
    /// Whether a stored value is of use; none takes every one.
    pub(crate) check: Option<Check>,
}

impl Job {
    pub(crate) fn decision(&self) -> &Decision {
        &self.decided.decision
    }

    /// Whether the origin is called with credentials of the caller's own.
    pub(crate) fn has_credentials(&self) -> bool {
        let mut names = self.attributes.iter().map(|(name, _)| name);
        names.any(|name| beside::is_credential(name))
    }

    /// Whether the route's origin may be asked.
    pub(crate) fn may_call_origin(&self) -> Result<(), Error> {
        let Some(class) = self.unseen else {
            return Ok(());
        };
        let (route, resource) = (&self.route, &self.request.resource);
        Err(unseen::refusal(class, route, resource).into())
    }

    /// The build that decided; none where a fallback did.
    pub(crate) fn policy(&self) -> Option<&Arc<dyn Policy>> {
        let decided = self.decided.fallback.is_none();
        self.asked.as_ref().filter(|_| decided)
    }

    /// What an entry under the key is expected to depend on.
    pub(crate) fn expected(&self) -> Expected<'_> {
        let decision = self.decision();
        Expected {
            tenant: &self.request.tenant,
            namespace: &decision.namespace,
            tags: &decision.tags,
            origin: self.route.whole.as_ref(),
            variants: self.variants.as_ref(),
        }
    }

    /// What an entry with these tags depends on.
    pub(crate) fn depends_on(&self, tags: &[String]) -> Vec<Dependency> {
        let namespace = &self.decision().namespace;
        let mut all = Dependency::of_entry(&self.request.tenant, namespace, tags);
        all.extend(self.route.whole.clone());
        all.extend(self.variants.clone());
        all
    }
}

/// Why a policy's answer cannot be used.
pub(crate) struct Unusable {
    /// The name of the failure, or `guard` where the answer itself was refused.
    pub(crate) failure: &'static str,
    /// The same in words.
    pub(crate) message: String,
}

impl From<PolicyFailure> for Unusable {
    fn from(failure: PolicyFailure) -> Self {
        Self {
            failure: failure.as_str(),
            message: failure.to_string(),
        }
    }
}

/// A policy's answer as the guard lets it through.
pub(crate) fn guarded<T, U>(
    answer: Result<T, PolicyFailure>,
    guard: impl FnOnce(T) -> Result<U, Refusal>,
) -> Result<U, Unusable> {
    guard(answer?).map_err(|refusal| Unusable {
        failure: "guard",
        message: refusal.to_string(),
    })
}

struct Asked {
    decided: Decided,
    /// The build that was asked, whether it could answer or not.
    policy: Option<Arc<dyn Policy>>,
}

impl Inner {
    /// Decides about `request` by the policy of its route.
    pub(crate) fn decide(&self, request: &Request) -> Result<Decided, Error> {
        request.validate()?;
        let route = self.route(request)?;
        Ok(self
            .ask((route, LoadedBy::Route), request, self.wall.now())?
            .decided)
    }

    /// Decides about `request` by the policy named, whatever its route says.
    pub(crate) fn decide_with(&self, policy: &str, request: &Request) -> Result<Decided, Error> {
        request.validate()?;
        let known = self.routes.0.iter().find(|route| &*route.policy == policy);
        match known {
            Some(route) => Ok(self
                .ask((route, LoadedBy::Route), request, self.wall.now())?
                .decided),
            None if self.policies.current(policy).is_some() => {
                let route = self.unrouted(policy);
                Ok(self
                    .ask((&route, LoadedBy::Route), request, self.wall.now())?
                    .decided)
            }
            None => Err(Error::NoPolicy(policy.to_owned())),
        }
    }

    /// Decides about `request` and prepares what every pattern needs.
    pub(crate) fn job(&self, request: Request, deadline: Instant) -> Result<Job, Error> {
        self.job_for(request, deadline, LoadedBy::Route)
    }

    /// As [`Inner::job`], where `by` brings what is missing.
    pub(crate) fn job_for(
        &self,
        request: Request,
        deadline: Instant,
        by: LoadedBy,
    ) -> Result<Job, Error> {
        let came = Instant::now();
        request.validate()?;
        let route = Arc::clone(self.route(&request)?);
        let Asked { decided, policy } = self.ask((&route, by), &request, self.wall.now())?;
        let manifest = policy.as_ref().map(|one| one.manifest());
        let attributes = fallback::for_origin(manifest, &request, route.reads_query());
        let unseen = manifest.and_then(|manifest| unseen::class(manifest, &route));
        Ok(Job {
            key: decided.key(&request.tenant),
            variants: decided.variants(&request.tenant),
            request,
            route,
            decided,
            asked: policy,
            came,
            deadline,
            attributes,
            unseen,
            check: None,
        })
    }

    /// What the policy of the row's route says of a change that others make, in which the engine
    /// has no part: the names need not be fit for a request of the engine's.
    pub(crate) fn decide_change(&self, request: &Request) -> Result<(Decision, &OnFailure), Error> {
        let route = self.route(request)?;
        match self.ask((route, LoadedBy::Route), request, self.clock.now()) {
            Ok(asked) => Ok((asked.decided.decision, &route.on_failure)),
            Err(
                Error::Denied { policy, failure }
                | Error::WriteUndecided {
                    policy, failure, ..
                },
            ) => Err(Error::RowUndecided {
                row: larder_core::request::clip(&format!("{}/{}", request.resource, request.id)),
                policy,
                failure,
            }),
            Err(other) => Err(other),
        }
    }

    /// The tags that the engine itself gives to entries of the row.
    pub(crate) fn own_tags_of(&self, request: &Request) -> Option<String> {
        let route = self.routes.of(&request.resource)?;
        stale::own_tags(request, &route.on_failure)
    }

    fn route(&self, request: &Request) -> Result<&Arc<Resolved>, Error> {
        let route = self.routes.of(&request.resource);
        route.ok_or_else(|| Error::NoRoute(larder_core::request::clip(&request.resource)))
    }

    fn ask(
        &self,
        (route, by): (&Resolved, LoadedBy),
        request: &Request,
        now: Timestamp,
    ) -> Result<Asked, Error> {
        let mut asked = self.ask_policy(route, request, now)?;
        let manifest = asked.policy.as_ref().map(|one| one.manifest());
        variant::complete((route, by), request, manifest, &mut asked.decided)?;
        Ok(asked)
    }

    fn ask_policy(
        &self,
        route: &Resolved,
        request: &Request,
        now: Timestamp,
    ) -> Result<Asked, Error> {
        let Some(policy) = self.policies.current(&route.policy) else {
            let nobody = Arc::new(fallback::nobody(&route.policy));
            let unusable = Unusable::from(PolicyFailure::Unavailable(
                "no build of it has loaded; `GET /v1/policies` says why".to_owned(),
            ));
            let decided = self.fall_back(route, request, now, (nobody, unusable, 0))?;
            return Ok(Asked {
                decided,
                policy: None,
            });
        };
        let started = std::time::Instant::now();
        let answer = policy.decide(request, now);
        let evaluate_ns = started.elapsed().as_nanos() as u64;
        let identity = Arc::clone(policy.identity());
        let decided = match guarded(answer, |decision| self.guard.apply(request, decision)) {
            Ok((decision, clamped)) => {
                route.meters.decided(decision.strategy, evaluate_ns);
                Decided {
                    decision_id: decision_id(now),
                    policy: identity,
                    decision,
                    query: None,
                    kept_out: None,
                    clamped,
                    fallback: None,
                    evaluate_ns,
                }
            }
            Err(unusable) => {
                self.fall_back(route, request, now, (identity, unusable, evaluate_ns))?
            }
        };
        Ok(Asked {
            decided,
            policy: Some(policy),
        })
    }

    /// Answers for a policy that failed, by the route's `on_failure`.
    fn fall_back(
        &self,
        route: &Resolved,
        request: &Request,
        now: Timestamp,
        (identity, unusable, evaluate_ns): (Arc<Identity>, Unusable, u64),
    ) -> Result<Decided, Error> {
        let Unusable { failure, message } = unusable;
        route.meters.failed(failure);
        self.complaints.note(Complaint::Policy {
            policy: Arc::clone(&route.policy),
            revision: identity.revision.clone(),
            failure,
            on_failure: route.on_failure.as_str(),
            message: message.clone(),
        });
        let policy = || route.policy.to_string();
        let is_write = request.operation != Operation::Read;
        let reason = format!("the policy failed: {message}");
        let decision = match &route.on_failure {
            OnFailure::Deny => {
                return Err(Error::Denied {
                    policy: policy(),
                    failure: message,
                });
            }
            OnFailure::DefaultDecision(default) if !is_write || !default.invalidates.is_empty() => {
                default.decide(request, reason)
            }
            OnFailure::Bypass if !is_write => fallback::bypass(request, reason),
            OnFailure::Bypass | OnFailure::DefaultDecision(_) => {
                return Err(Error::WriteUndecided {
                    policy: policy(),
                    failure: message,
                    operation: request.operation.as_str(),
                });
            }
        };
        // The operator's own decision is under the operator's own limits; it was checked when the
        // engine was built, so a refusal here can only come from the request's own names.
        let (decision, clamped) = match self.guard.apply(request, decision) {
            Ok(passed) => passed,
            Err(refusal) => {
                return Err(Error::Denied {
                    policy: policy(),
                    failure: refusal.to_string(),
                });
            }
        };
        route.meters.decided(decision.strategy, evaluate_ns);
        Ok(Decided {
            decision_id: decision_id(now),
            policy: identity,
            decision,
            query: None,
            kept_out: None,
            clamped,
            fallback: Some(Fallback {
                rule: route.on_failure.as_str(),
                failure,
                message,
            }),
            evaluate_ns,
        })
    }
}

/// The random part needs to be unlikely to repeat, not hard to guess, so it costs no system call.
fn decision_id(now: Timestamp) -> Uuid {
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    uuid::Builder::from_unix_timestamp_millis(now.0, &random).into_uuid()
}
