//! What a change makes stale, on its way through the queue.

use larder_core::dependency::Mode;
use serde::{Deserialize, Serialize};

use crate::invalidate::Invalidation;

/// An invalidation without its tenant, which is the row's.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Stale {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    namespaces: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    patterns: Vec<(String, String)>,
}

/// The text that a change carries; empty where it makes nothing stale but its own key.
pub(super) fn write(what: &Invalidation) -> String {
    let stale = Stale {
        keys: what.keys.clone(),
        tags: what.tags.clone(),
        namespaces: what.namespaces.clone(),
        patterns: what.patterns.clone(),
    };
    let nothing = stale.keys.is_empty()
        && stale.tags.is_empty()
        && stale.namespaces.is_empty()
        && stale.patterns.is_empty();
    match nothing {
        true => String::new(),
        // Texts and lists of them always have a JSON form.
        false => serde_json::to_string(&stale).unwrap_or_default(),
    }
}

/// What the text of a change of `tenant` names. A text that says anything more is an error: it
/// may be of a later version, and what is left out here would stay in the cache.
pub(super) fn read(tenant: &str, text: &str) -> Result<Invalidation, serde_json::Error> {
    let stale = match text {
        "" => Stale::default(),
        text => serde_json::from_str(text)?,
    };
    Ok(Invalidation {
        tenant: tenant.to_owned(),
        rows: Vec::new(),
        keys: stale.keys,
        tags: stale.tags,
        namespaces: stale.namespaces,
        patterns: stale.patterns,
        mode: Mode::Purge,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let full = Invalidation {
            tenant: "acme".to_owned(),
            rows: Vec::new(),
            keys: vec![("list".to_owned(), "all \"of\" them".to_owned())],
            tags: vec!["product".to_owned(), "ü".to_owned()],
            namespaces: vec!["page".to_owned()],
            patterns: vec![("list".to_owned(), "*:4?".to_owned())],
            mode: Mode::Purge,
        };
        let nothing = Invalidation {
            tenant: "acme".to_owned(),
            ..Invalidation::default()
        };
        for what in [full, nothing] {
            assert_eq!(read("acme", &write(&what)).ok(), Some(what));
        }
        assert_eq!(write(&Invalidation::default()), "");
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for text in ["x", "{\"tags\": 1}", "{\"regions\": []}", "{\"tags\""] {
            assert!(read("", text).is_err(), "{text}");
        }
    }
}
