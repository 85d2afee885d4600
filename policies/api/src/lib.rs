//! The policy for HTTP responses: the key is made of the id and every declared input, and the
//! response's own headers say whether and for how long it is stored (RFC 9111, RFC 5861).

mod cache_control;
mod lifetime;

use larder_sdk::{duration, prelude::*};
use serde::Deserialize;

use cache_control::CacheControl;

/// Query parameters that shape responses, as parts of the key with their names. What else a query
/// has the engine adds to the key as it was sent.
const QUERY: [&str; 16] = [
    "query.page",
    "query.per_page",
    "query.limit",
    "query.offset",
    "query.cursor",
    "query.sort",
    "query.order",
    "query.q",
    "query.filter",
    "query.fields",
    "query.include",
    "query.expand",
    "query.lang",
    "query.from",
    "query.to",
    "query.version",
];

/// Headers by which a response may vary.
const VARY: [&str; 3] = [
    "header.accept",
    "header.accept-encoding",
    "header.accept-language",
];

const AUTHORIZATION: &str = "header.authorization";

/// HTTP responses.
#[derive(Debug)]
pub struct Api {
    settings: Settings,
}

/// What an operator can change. Lists hold full names, such as `query.page`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The caching pattern. Default: `read_through`.
    pub strategy: Strategy,
    /// The ttl of a response that does not state one. Default: 1m.
    #[serde(with = "duration")]
    pub default_ttl: Duration,
    /// The longest ttl that a response can ask for. Default: 1d.
    #[serde(with = "duration")]
    pub max_ttl: Duration,
    /// stale-while-revalidate of a response that does not state one. Default: 0s.
    #[serde(with = "duration")]
    pub stale_while_revalidate: Duration,
    /// stale-if-error of a response that does not state one. Default: 5m.
    #[serde(with = "duration")]
    pub stale_if_error: Duration,
    /// How long an absence (404, 410) is remembered at most. Default: 10s.
    #[serde(with = "duration")]
    pub negative_ttl: Duration,
    /// Inputs whose presence keeps a request out of the cache, for example `query.q` where every
    /// search is a different one. Default: none.
    pub bypass_on: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strategy: Strategy::ReadThrough,
            default_ttl: minutes(1),
            max_ttl: days(1),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: minutes(5),
            negative_ttl: seconds(10),
            bypass_on: Vec::new(),
        }
    }
}

fn key_inputs() -> impl Iterator<Item = &'static str> {
    QUERY.into_iter().chain(VARY)
}

impl Policy for Api {
    type Settings = Settings;

    fn manifest() -> Manifest {
        Manifest::new("api", env!("CARGO_PKG_VERSION"))
            .summary("HTTP responses, stored as their own Cache-Control and Vary allow")
            .reads_all(key_inputs())
            .reads(AUTHORIZATION)
            .reads_response("status")
            .reads_response("header.cache-control")
            .reads_response("header.age")
            .reads_response("header.date")
            .reads_response("header.expires")
            .reads_response("header.pragma")
            .uses_clock()
            .reads_response("header.vary")
            .reads_response("header.set-cookie")
    }

    fn new(settings: Settings) -> Result<Self, Error> {
        for name in &settings.bypass_on {
            if !key_inputs().any(|input| input == name) {
                let all: Vec<_> = key_inputs().collect();
                let all = all.join("`, `");
                return Err(
                    format!("settings: `bypass_on` names `{name}`; give any of `{all}`").into(),
                );
            }
        }
        Ok(Self { settings })
    }

    fn decide(&self, request: &Request) -> Result<Decision, Error> {
        let mut parts = vec![request.resource.clone(), request.id.clone()];
        for name in key_inputs() {
            // `?tag=a&tag=b` is neither `?tag=a` nor `?tag=b`.
            let values = request.attributes_named(name);
            parts.extend(values.map(|value| format!("{name}={value}")));
        }
        let name = key(parts);
        let bypass_on = self.settings.bypass_on.iter().map(String::as_str);
        let mut reasons = bypass_on.chain([AUTHORIZATION]);
        if let Some(input) = reasons.find(|input| request.attribute(input).is_some()) {
            let reason = format!("the request has `{input}`");
            return Ok(invalidating(request, Decision::bypass(name)).because(reason));
        }
        let decision = Decision::new(self.settings.strategy, name)
            .ttl(self.settings.default_ttl.min(self.settings.max_ttl))
            .stale_while_revalidate(self.settings.stale_while_revalidate)
            .stale_if_error(self.settings.stale_if_error)
            .negative_ttl(self.settings.negative_ttl)
            .tags([
                key([&request.resource]),
                key([&request.resource, &request.id]),
            ])
            .because("HTTP response");
        Ok(invalidating(request, decision))
    }

    fn admit(
        &self,
        request: &Request,
        decision: &Decision,
        loaded: &Loaded,
    ) -> Result<Admission, Error> {
        if let Some(reason) = reason_to_refuse(loaded) {
            return Ok(Admission::refuse(reason));
        }
        let said = CacheControl::parse(loaded.attributes_named("header.cache-control"));
        if let Some(directive) = said.forbids {
            return Ok(Admission::refuse(format!(
                "the response says `{directive}`"
            )));
        }
        let stated = lifetime::left(&said, loaded, request.now_ms);
        let ttl = stated.map_or(decision.freshness.ttl, |left| {
            left.min(self.settings.max_ttl)
        });
        // What is stale at once is not meant to be served later, unless it says so.
        let mut usual = decision.freshness;
        if stated == Some(Duration::ZERO) {
            usual.stale_while_revalidate = Duration::ZERO;
            usual.stale_if_error = Duration::ZERO;
        }
        Ok(Admission::as_decided(decision)
            .ttl(ttl)
            .negative_ttl(ttl.min(usual.negative_ttl))
            .stale_while_revalidate(said.stale_while_revalidate(usual.stale_while_revalidate))
            .stale_if_error(said.stale_if_error(usual.stale_if_error))
            .because(match stated {
                Some(_) => "the response states its ttl",
                None => "the response states no ttl",
            }))
    }
}

/// A write makes every variant of the thing stale.
fn invalidating(request: &Request, decision: Decision) -> Decision {
    if request.is_read() {
        return decision;
    }
    decision.invalidates_tag(key([&request.resource, &request.id]))
}

/// What services say that were written for HTTP/1.0. A response's `Cache-Control` says it better.
fn says_no_cache(loaded: &Loaded) -> bool {
    let words = loaded.attributes_named("header.pragma");
    let mut words = words.flat_map(|line| line.split(','));
    words.any(|word| word.trim().eq_ignore_ascii_case("no-cache"))
}

fn reason_to_refuse(loaded: &Loaded) -> Option<String> {
    // Origins that are no HTTP services state no status.
    let status = loaded.attribute("status").unwrap_or("200");
    let storable = ["200", "203", "204", "300", "301", "308"];
    if loaded.status == LoadStatus::Found && !storable.contains(&status) {
        return Some(format!("status {status} is not stored"));
    }
    if loaded.attribute("header.cache-control").is_none() && says_no_cache(loaded) {
        return Some("the response says `Pragma: no-cache`".to_owned());
    }
    if loaded.attribute("header.set-cookie").is_some() {
        return Some("the response sets a cookie".to_owned());
    }
    let fields = loaded
        .attributes_named("header.vary")
        .flat_map(|line| line.split(','));
    let mut fields = fields.map(|field| field.trim().to_ascii_lowercase());
    let is_keyed = |field: &str| {
        VARY.iter()
            .any(|name| name.strip_prefix("header.") == Some(field))
    };
    let other = fields.find(|field| !field.is_empty() && !is_keyed(field))?;
    Some(format!(
        "the response varies by `{other}`, which is no part of the key"
    ))
}

register!(Api);

#[cfg(test)]
mod tests;
