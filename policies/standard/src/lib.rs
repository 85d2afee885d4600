//! The policy for ordinary entities: rows by id and single fields of them, with tags for the
//! entity and the row, and a shorter life for fields that change often. What a response says of
//! its own freshness is left to the `api` policy.

use larder_sdk::{duration, prelude::*};
use serde::Deserialize;

const DEFAULT_TTL: Duration = hours(1);
const VOLATILE_TTL: Duration = minutes(5);

/// The single field that is wanted, for example `price`; without it the whole row is.
const FIELD: &str = "query.field";

/// Rows and fields of entities.
#[derive(Debug)]
pub struct Standard {
    settings: Settings,
}

/// What an operator can change.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The caching pattern. Default: `read_through`.
    pub strategy: Strategy,
    /// The ttl of rows and of fields that are not volatile. Default: 1h.
    #[serde(with = "duration")]
    pub default_ttl: Duration,
    /// Fields that change often. Default: none.
    pub volatile: Vec<String>,
    /// Their ttl. Default: 5m.
    #[serde(with = "duration")]
    pub volatile_ttl: Duration,
    /// The ttl is shortened by a random share of up to this. Default: 10.
    pub jitter_percent: u8,
    /// Serve stale while one refresh runs; never longer than the ttl itself. Default: 30s.
    #[serde(with = "duration")]
    pub stale_while_revalidate: Duration,
    /// Serve stale while the origin fails. Default: 10m.
    #[serde(with = "duration")]
    pub stale_if_error: Duration,
    /// How long an absent row is remembered. Default: 10s.
    #[serde(with = "duration")]
    pub negative_ttl: Duration,
    /// Weight of early refresh; 0 turns it off. Default: 1.
    pub early_refresh: f32,
    /// How many callers may load the same row at once. Default: `per_process`.
    pub stampede: Stampede,
    /// What a write makes stale. Default: `entity`.
    pub write_invalidates: WriteInvalidates,
}

/// What a write or delete makes stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteInvalidates {
    /// The row with its fields, and everything else that carries the entity's tag.
    Entity,
    /// The row with its fields.
    Row,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strategy: Strategy::ReadThrough,
            default_ttl: DEFAULT_TTL,
            volatile: Vec::new(),
            volatile_ttl: VOLATILE_TTL,
            jitter_percent: 10,
            stale_while_revalidate: seconds(30),
            stale_if_error: minutes(10),
            negative_ttl: seconds(10),
            early_refresh: 1.0,
            stampede: Stampede::default(),
            write_invalidates: WriteInvalidates::Entity,
        }
    }
}

impl Policy for Standard {
    type Settings = Settings;

    fn manifest() -> Manifest {
        Manifest::new("standard", env!("CARGO_PKG_VERSION"))
            .summary("Rows of entities and their fields, tagged by entity and row")
            .reads(FIELD)
    }

    fn new(settings: Settings) -> Result<Self, Error> {
        if settings.jitter_percent > 100 {
            let asked = settings.jitter_percent;
            return Err(format!("settings: `jitter_percent` is {asked}; give 0 to 100").into());
        }
        Ok(Self { settings })
    }

    fn decide(&self, request: &Request) -> Result<Decision, Error> {
        let settings = &self.settings;
        let entity = key([&request.resource]);
        let row = key([&request.resource, &request.id]);
        // A query can name several fields, and the origin sees all of them: so must the key.
        let fields: Vec<&str> = request.attributes_named(FIELD).collect();
        let name = key([request.resource.as_str(), &request.id]
            .iter()
            .chain(&fields));
        let is_volatile = |field: &&str| settings.volatile.iter().any(|name| name == field);
        let (ttl, reason) = if fields.iter().any(is_volatile) {
            (settings.volatile_ttl, "volatile field")
        } else if fields.is_empty() {
            (settings.default_ttl, "row")
        } else {
            (settings.default_ttl, "field")
        };
        let decision = Decision::new(settings.strategy, name)
            .ttl(ttl)
            .jitter(settings.jitter_percent)
            .stale_while_revalidate(settings.stale_while_revalidate.min(ttl))
            .stale_if_error(settings.stale_if_error)
            .negative_ttl(settings.negative_ttl)
            .early_refresh(settings.early_refresh)
            .stampede(settings.stampede)
            .tags([&entity, &row])
            .because(reason);
        if request.is_read() {
            return Ok(decision);
        }
        let decision = decision.invalidates_tag(row);
        Ok(match settings.write_invalidates {
            WriteInvalidates::Entity => decision.invalidates_tag(entity),
            WriteInvalidates::Row => decision,
        })
    }
}

register!(Standard);

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(settings: &str) -> Standard {
        Standard::new(larder_sdk::parse_settings(settings).unwrap()).unwrap()
    }

    #[test]
    fn reads_have_a_key_a_ttl_and_two_tags() {
        let policy = policy(r#"{"volatile": ["price"], "default_ttl": "2h"}"#);
        let price = |id: &str| Request::read("product", id).with(FIELD, "price");
        for (request, key, ttl, tags) in [
            (
                Request::read("product", "42"),
                "product:42",
                hours(2),
                ["product", "product:42"],
            ),
            (
                price("42"),
                "product:42:price",
                minutes(5),
                ["product", "product:42"],
            ),
            (
                Request::read("product", "42").with(FIELD, "name"),
                "product:42:name",
                hours(2),
                ["product", "product:42"],
            ),
            (
                price("42").with(FIELD, "name"),
                "product:42:price:name",
                minutes(5),
                ["product", "product:42"],
            ),
            (
                Request::read("product", "42:price"),
                "product:42%3Aprice",
                hours(2),
                ["product", "product:42%3Aprice"],
            ),
            (
                Request::read("product", "42").with(FIELD, "a:b"),
                "product:42:a%3Ab",
                hours(2),
                ["product", "product:42"],
            ),
            (
                Request::read("a:b", "c"),
                "a%3Ab:c",
                hours(2),
                ["a%3Ab", "a%3Ab:c"],
            ),
        ] {
            let decision = policy.decide(&request).unwrap();
            assert_eq!(decision.strategy, Strategy::ReadThrough);
            assert_eq!(decision.key, key);
            assert_eq!(decision.freshness.ttl, ttl, "{key}");
            assert_eq!(decision.tags, tags);
            assert!(decision.invalidates.is_empty(), "{key}");
        }
    }

    #[test]
    fn writes_and_deletes_invalidate_the_row_and_the_entity() {
        let (row, entity) = (
            Target::Tag("product:42".into()),
            Target::Tag("product".into()),
        );
        for (settings, expected) in [
            ("{}", vec![row.clone(), entity]),
            (r#"{"write_invalidates": "row"}"#, vec![row]),
        ] {
            for request in [
                Request::write("product", "42"),
                Request::delete("product", "42"),
            ] {
                let decision = policy(settings)
                    .decide(&request.with(FIELD, "price"))
                    .unwrap();
                assert_eq!(decision.key, "product:42:price");
                assert_eq!(decision.invalidates, expected, "{settings}");
            }
        }
    }

    #[test]
    fn without_settings_the_default_ttl_holds() {
        let decision = policy("{}")
            .decide(&Request::read("product", "42"))
            .unwrap();
        assert_eq!(decision.freshness.ttl, DEFAULT_TTL);
        assert_eq!(decision.freshness.jitter_percent, 10);
        assert_eq!(decision.freshness.early_refresh_beta, 1.0);
        assert_eq!(decision.strategy, Strategy::ReadThrough);
        assert_eq!(decision.freshness.stale_while_revalidate, seconds(30));
        assert_eq!(decision.freshness.stale_if_error, minutes(10));
        assert_eq!(decision.freshness.negative_ttl, seconds(10));
        assert_eq!(decision.loading.stampede, Stampede::PerProcess);
        let field = Request::read("product", "42").with(FIELD, "price");
        let field = policy("{}").decide(&field).unwrap();
        assert_eq!(field.freshness.ttl, DEFAULT_TTL, "no field is volatile");
        let off = policy(r#"{"early_refresh": 0, "stampede": "per_cluster"}"#);
        let off = off.decide(&Request::read("product", "42")).unwrap();
        assert_eq!(off.freshness.early_refresh_beta, 0.0);
        assert_eq!(off.loading.stampede, Stampede::PerCluster);
        for strategy in [
            "bypass",
            "cache_aside",
            "read_through",
            "write_through",
            "write_behind",
        ] {
            policy(&format!(r#"{{"strategy": "{strategy}"}}"#));
        }
    }

    #[test]
    fn the_stale_window_is_no_longer_than_the_ttl() {
        let policy = policy(r#"{"default_ttl": "3s", "strategy": "cache_aside"}"#);
        let decision = policy.decide(&Request::read("product", "42")).unwrap();
        assert_eq!(decision.strategy, Strategy::CacheAside);
        assert_eq!(decision.freshness.stale_while_revalidate, seconds(3));
        assert_eq!(decision.freshness.stale_if_error, minutes(10));
    }

    #[test]
    fn bad_settings_are_named() {
        for (settings, message) in [
            (
                r#"{"default_ttl": "1 hour"}"#,
                "`default_ttl`: invalid value",
            ),
            (r#"{"volatil": []}"#, "unknown field `volatil`"),
            (r#"{"jitter_percent": 101}"#, "`jitter_percent` is 101"),
        ] {
            let error = larder_sdk::parse_settings(settings)
                .and_then(Standard::new)
                .unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
    }
}
