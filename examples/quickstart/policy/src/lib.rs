//! The policy of the quickstart: articles of a magazine, one entry for each language. Loading and
//! writing articles is left to the application (cache-aside).

use larder_sdk::{duration, prelude::*};
use serde::Deserialize;

/// Articles, tagged so that all their languages can be invalidated together.
#[derive(Debug)]
pub struct Articles {
    settings: Settings,
}

/// What an operator can change.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long an article is fresh. Default: 10m.
    #[serde(with = "duration")]
    pub ttl: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { ttl: minutes(10) }
    }
}

impl Policy for Articles {
    type Settings = Settings;

    fn manifest() -> Manifest {
        Manifest::new("articles", env!("CARGO_PKG_VERSION"))
            .summary("Articles, one entry for each language")
            .reads("query.lang")
    }

    fn new(settings: Settings) -> Result<Self, Error> {
        Ok(Self { settings })
    }

    fn decide(&self, request: &Request) -> Result<Decision, Error> {
        let article = key([&request.resource, &request.id]);
        let language = request.attribute("query.lang").unwrap_or("en");
        let decision = Decision::cache_aside(key([&request.resource, &request.id, language]))
            .ttl(self.settings.ttl)
            .jitter(10)
            .stale_while_revalidate(seconds(30))
            .tag(&article);
        if request.is_read() {
            return Ok(decision.because("an article in one language"));
        }
        Ok(decision
            .invalidates_tag(article)
            .because("a new text makes every language stale"))
    }
}

register!(Articles);

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(settings: &str, request: &Request) -> Decision {
        let settings = larder_sdk::parse_settings(settings).unwrap();
        Articles::new(settings).unwrap().decide(request).unwrap()
    }

    #[test]
    fn each_language_has_an_entry_of_its_own() {
        let request = Request::read("article", "42");
        assert_eq!(decide("{}", &request).key, "article:42:en");
        let german = decide(r#"{"ttl": "1h"}"#, &request.with("query.lang", "de"));
        assert_eq!(german.key, "article:42:de");
        assert_eq!(german.tags, ["article:42"]);
        assert_eq!(german.freshness.ttl, hours(1));
        assert!(german.invalidates.is_empty());
    }

    #[test]
    fn a_new_text_makes_every_language_stale() {
        for request in [
            Request::write("article", "42").with("query.lang", "de"),
            Request::delete("article", "42"),
        ] {
            let decision = decide("{}", &request);
            assert_eq!(decision.invalidates, [Target::Tag("article:42".into())]);
        }
    }
}
