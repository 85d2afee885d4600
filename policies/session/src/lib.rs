//! The policy for sessions: encrypted, ending when idle, and never served stale. Who may have a
//! session, and when a login as such ends, is left to the origin.

use larder_sdk::{duration, prelude::*};
use serde::Deserialize;

/// Whose session it is; without it the id stands for the user.
const USER: &str = "context.user";

/// Sessions, keyed by tenant and user.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
}

/// What an operator can change.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The caching pattern. Default: `write_through`, so that a session reads its own writes.
    pub strategy: Strategy,
    /// The entry ends when nobody has read it for so long. Default: 30m.
    #[serde(with = "duration")]
    pub idle: Duration,
    /// The entry ends so long after it was stored, however often it is read. Default: 8h.
    #[serde(with = "duration")]
    pub absolute: Duration,
    /// Where the entry may lie. Default: `shared_only`, so that a session that ended on one node
    /// has ended on every node.
    pub placement: Placement,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strategy: Strategy::WriteThrough,
            idle: minutes(30),
            absolute: hours(8),
            placement: Placement::SharedOnly,
        }
    }
}

impl Policy for Session {
    type Settings = Settings;

    fn manifest() -> Manifest {
        Manifest::new("session", env!("CARGO_PKG_VERSION"))
            .summary("Encrypted sessions that end when idle, keyed by tenant and user")
            .reads(USER)
    }

    fn new(settings: Settings) -> Result<Self, Error> {
        for (name, value) in [("idle", settings.idle), ("absolute", settings.absolute)] {
            if value.is_zero() {
                return Err(format!("settings: `{name}` is zero; a session needs an end").into());
            }
        }
        if settings.idle > settings.absolute {
            return Err("settings: `idle` is longer than `absolute` and would never apply".into());
        }
        Ok(Self { settings })
    }

    fn decide(&self, request: &Request) -> Result<Decision, Error> {
        let (resource, tenant) = (request.resource.as_str(), request.tenant.as_str());
        let users: Vec<&str> = request.attributes_named(USER).collect();
        let name = match users[..] {
            [] => key([resource, tenant, &request.id]),
            // The id stays in the key: a user can have more than one session.
            [user] => key([resource, tenant, user, &request.id]),
            [..] => return Err(format!("`{USER}` is given more than once; give one user").into()),
        };
        let session = key([resource, &request.id]);
        let user = key(["user", users.first().copied().unwrap_or(&request.id)]);
        let decision = Decision::new(self.settings.strategy, name)
            .ttl(self.settings.absolute)
            .time_to_idle(self.settings.idle)
            .tags([&session, &user])
            .placed(self.settings.placement)
            .encrypted()
            .because("session: ends when idle, never served stale");
        if request.is_read() {
            return Ok(decision);
        }
        // Whoever ends a session may not say whose it is.
        Ok(decision.invalidates_tag(session))
    }
}

register!(Session);

#[cfg(test)]
mod tests {
    use super::*;

    fn session(settings: &str) -> Result<Session, Error> {
        larder_sdk::parse_settings(settings).and_then(Session::new)
    }

    #[test]
    fn keys_and_tags_name_tenant_user_and_session() {
        let policy = session("{}").unwrap();
        let read = Request::read("session", "s1").tenant("acme");
        for (request, key, tags) in [
            (read.clone(), "session:acme:s1", ["session:s1", "user:s1"]),
            (
                read.clone().with(USER, "ann"),
                "session:acme:ann:s1",
                ["session:s1", "user:ann"],
            ),
            (
                read.clone().with(USER, "ann:s1"),
                "session:acme:ann%3As1:s1",
                ["session:s1", "user:ann%3As1"],
            ),
            (
                Request::read("session", "s1"),
                "session::s1",
                ["session:s1", "user:s1"],
            ),
        ] {
            let decision = policy.decide(&request).unwrap();
            assert_eq!(decision.key, key);
            assert_eq!(decision.tags, tags);
            assert!(decision.encrypt && decision.invalidates.is_empty(), "{key}");
        }
        let twice = read.with(USER, "ann").with(USER, "bob");
        assert!(policy.decide(&twice).is_err());
    }

    #[test]
    fn a_session_ends_when_idle_and_is_never_stale() {
        let policy = session(r#"{"idle": "10m", "absolute": "1h"}"#).unwrap();
        let decision = policy.decide(&Request::read("session", "s1")).unwrap();
        let expected = Freshness {
            ttl: hours(1),
            time_to_idle: minutes(10),
            ..Freshness::default()
        };
        assert_eq!(decision.freshness, expected);
        assert_eq!(decision.placement, Placement::SharedOnly);
        let default = session("{}").unwrap();
        let default = default.decide(&Request::read("session", "s1")).unwrap();
        assert_eq!(default.strategy, Strategy::WriteThrough);
        assert_eq!(default.freshness.ttl, hours(8));
        assert_eq!(default.freshness.time_to_idle, minutes(30));
    }

    #[test]
    fn a_logout_that_names_no_user_ends_the_session_too() {
        let policy = session("{}").unwrap();
        for request in [
            Request::write("session", "s1").with(USER, "ann"),
            Request::delete("session", "s1"),
        ] {
            let decision = policy.decide(&request).unwrap();
            assert_eq!(decision.invalidates, [Target::Tag("session:s1".into())]);
        }
    }

    #[test]
    fn settings_without_an_end_are_refused() {
        for (settings, message) in [
            (r#"{"idle": "0s"}"#, "`idle` is zero"),
            (r#"{"absolute": "0s"}"#, "`absolute` is zero"),
            (r#"{"idle": "9h"}"#, "longer than `absolute`"),
            (
                r#"{"placement": "moon"}"#,
                "`placement`: unknown variant `moon`",
            ),
        ] {
            let error = session(settings).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
