//! What answers say of a build of a policy, put in words once for each.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::HeaderValue;
use larder::Engine;
use larder::core::{Identity, Manifest};

use crate::headers;

/// So many builds are remembered; the next one begins anew.
const MOST: usize = 256;
/// Of a build that is gone nobody knows what it declared.
const ANYTHING: HeaderValue = HeaderValue::from_static("*");

/// A build in words.
pub(crate) struct Words {
    /// Its place in memory is its name as long as it is held here.
    of: Arc<Identity>,
    /// The value of `Larder-Policy`.
    pub(crate) policy: HeaderValue,
    /// The request headers on which its answers may depend.
    pub(crate) vary: HeaderValue,
}

/// The builds that have answered.
#[derive(Default)]
pub(crate) struct Builds(ArcSwap<HashMap<usize, Arc<Words>>>);

impl Builds {
    /// The words for a build that decided about `resource`.
    pub(crate) fn of(&self, engine: &Engine, resource: &str, build: &Arc<Identity>) -> Arc<Words> {
        match self.0.load().get(&place(build)) {
            Some(words) => Arc::clone(words),
            None => self.learn(engine, resource, build),
        }
    }

    fn learn(&self, engine: &Engine, resource: &str, build: &Arc<Identity>) -> Arc<Words> {
        let said = engine.with_policy(resource, |policy| match policy {
            Some(policy) if policy.identity().decides_as(build) => Some((
                vary(Some(policy.manifest())),
                Arc::ptr_eq(policy.identity(), build),
            )),
            Some(_) => None,
            None => Some((vary(None), false)),
        });
        let (vary, lasts) = match said {
            Some((vary, lasts)) => (HeaderValue::try_from(vary).unwrap_or(ANYTHING), lasts),
            None => (ANYTHING, false),
        };
        let policy = HeaderValue::try_from(headers::build(build));
        let words = Arc::new(Words {
            of: Arc::clone(build),
            policy: policy.unwrap_or(HeaderValue::from_static("")),
            vary,
        });
        if lasts {
            self.0.rcu(|known| with(known, &words));
        }
        words
    }
}

fn place(build: &Arc<Identity>) -> usize {
    Arc::as_ptr(build) as usize
}

fn with(known: &HashMap<usize, Arc<Words>>, words: &Arc<Words>) -> HashMap<usize, Arc<Words>> {
    let mut all = match known.len() < MOST {
        true => known.clone(),
        false => HashMap::new(),
    };
    all.insert(place(&words.of), Arc::clone(words));
    all
}

/// The request headers on which an answer may depend: the tenant, and what the policy declares.
fn vary(manifest: Option<&Manifest>) -> String {
    let mut text = String::from("larder-tenant");
    let declared = manifest.map_or(&[][..], |manifest| &manifest.request_attributes);
    for name in declared {
        // A class has no name that a header could bear.
        if name.ends_with(".*") && !name.starts_with("query") {
            text.push_str(", *");
        } else if let Some(header) = name.strip_prefix("header.") {
            text.push_str(", ");
            text.push_str(header);
        } else if let Some(context) = name.strip_prefix("context.") {
            text.push_str(", larder-context-");
            text.push_str(context);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_varies_by_what_the_policy_declares() {
        let manifest = Manifest {
            request_attributes: ["query.page", "header.accept", "context.tier"]
                .map(str::to_owned)
                .to_vec(),
            ..Manifest::default()
        };
        assert_eq!(
            vary(Some(&manifest)),
            "larder-tenant, accept, larder-context-tier"
        );
        assert_eq!(vary(None), "larder-tenant");
        let class = Manifest {
            request_attributes: vec!["header.*".to_owned()],
            ..Manifest::default()
        };
        assert_eq!(vary(Some(&class)), "larder-tenant, *");
    }

    #[test]
    fn no_more_builds_are_remembered_than_there_is_room_for() {
        let words = |_| {
            let identity = Identity {
                name: "p".to_owned(),
                version: "1".to_owned(),
                revision: "r".to_owned(),
                contract: "0.1.0".to_owned(),
                settings: String::new(),
            };
            Arc::new(Words {
                of: Arc::new(identity),
                policy: ANYTHING,
                vary: ANYTHING,
            })
        };
        let all: Vec<_> = (0..=MOST).map(words).collect();
        let mut known = HashMap::new();
        for (at, words) in all.iter().enumerate() {
            known = with(&known, words);
            assert_eq!(known.len(), at % MOST + 1);
            assert!(known.contains_key(&place(&words.of)));
        }
    }
}
