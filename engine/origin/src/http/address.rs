//! Addresses that no request can lead astray.

use larder_core::query;
use larder_core::request::clip;
use percent_encoding::utf8_percent_encode;
use reqwest::Url;

use crate::{OpenError, OriginError, Wanted};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Tenant,
    Resource,
    Id,
}

/// Base and path template, checked once.
pub(super) struct Address {
    base: Url,
    parts: Vec<Part>,
    template: String,
}

impl Address {
    pub(super) fn new(base_url: &str, path: &str) -> Result<Self, OpenError> {
        Ok(Self {
            base: base(base_url)?,
            parts: template(path)?,
            template: path.into(),
        })
    }

    /// The address of what is wanted, with the query as it was sent: none of it is dropped, joined
    /// or spelled anew, but for what no address can hold.
    pub(super) fn of(&self, wanted: &Wanted<'_>) -> Result<Url, OriginError> {
        let mut path = self.base.path().trim_end_matches('/').to_owned();
        for part in &self.parts {
            let (name, text) = match part {
                Part::Literal(text) => {
                    path.push_str(text);
                    continue;
                }
                Part::Tenant => ("tenant", wanted.tenant),
                Part::Resource => ("resource", wanted.resource),
                Part::Id => ("id", wanted.id),
            };
            if text.is_empty() {
                return Err(OriginError::Rejected(format!(
                    "the request has no {name}, which the path of the origin needs"
                )));
            }
            path.extend(utf8_percent_encode(text, query::ENCODED));
        }
        refuse_dots(&path)?;
        let mut url = self.base.join(&path).map_err(|error| {
            OriginError::Rejected(format!("`{}` is no address: {error}", clip(&path)))
        })?;
        // A path that begins with `//` would be taken for a host.
        if url.origin() != self.base.origin() {
            return Err(OriginError::Rejected(format!(
                "`{}` leads to another host",
                clip(&path)
            )));
        }
        if let Some(sent) = query::as_sent(wanted.attributes) {
            match url.query().map(|own| format!("{own}&{sent}")) {
                Some(both) => url.set_query(Some(&both)),
                None => url.set_query(Some(&sent)),
            }
        }
        Ok(url)
    }

    /// Base and template without credentials or query.
    pub(super) fn summary(&self) -> String {
        let base = shown(&self.base);
        let path = self.template.split('?').next().unwrap_or_default();
        format!("{}{path}", base.trim_end_matches('/'))
    }
}

/// An address for messages: no credentials, and no query, which may hold some.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for addresses without a host, which no request has.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

fn base(text: &str) -> Result<Url, OpenError> {
    let setting = |why: String| OpenError::Setting {
        field: "base_url",
        why,
    };
    let url = Url::parse(text).map_err(|error| {
        setting(format!(
            "is no address ({error}): write it like `http://127.0.0.1:8000`"
        ))
    })?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(setting(
            "must begin with `http://` or `https://` and name a host".into(),
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(setting(
            "takes no `?` or `#`: put the query into `path`".into(),
        ));
    }
    Ok(url)
}

fn template(path: &str) -> Result<Vec<Part>, OpenError> {
    let setting = |why: String| OpenError::Setting { field: "path", why };
    if !path.starts_with('/') || path.starts_with("//") || path.contains('#') {
        return Err(setting(
            "must begin with one `/` and have no `#`, like `/{resource}/{id}`".into(),
        ));
    }
    let mut parts = Vec::new();
    let mut rest = path;
    while let Some((literal, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return Err(setting("has a `{` without its `}`".into()));
        };
        parts.push(Part::Literal(literal.into()));
        parts.push(match name {
            "tenant" => Part::Tenant,
            "resource" => Part::Resource,
            "id" => Part::Id,
            other => {
                return Err(setting(format!(
                    "has the placeholder `{{{}}}`; there are {{tenant}}, {{resource}} and {{id}}",
                    clip(other)
                )));
            }
        });
        rest = after;
    }
    parts.push(Part::Literal(rest.into()));
    if !parts.contains(&Part::Id) {
        return Err(setting(
            "needs `{id}`, or every id would be one thing".into(),
        ));
    }
    Ok(parts)
}

/// Refuses `.` and `..` as segments: they walk up the path even when they are percent-encoded.
fn refuse_dots(path: &str) -> Result<(), OriginError> {
    let path = path.split('?').next().unwrap_or_default();
    for segment in path.split(['/', '\\']) {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        if plain == "." || plain == ".." {
            return Err(OriginError::Rejected(format!(
                "`{plain}` cannot be a part of an address; use another id"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted<'a>(tenant: &'a str, resource: &'a str, id: &'a str) -> Wanted<'a> {
        Wanted {
            tenant,
            resource,
            id,
            attributes: &[],
        }
    }

    #[test]
    fn every_part_stays_in_its_place() {
        for (base, path, id, expected) in [
            ("http://h", "/{resource}/{id}", "42", "http://h/item/42"),
            (
                "http://h/",
                "/{resource}/{id}",
                "a/b",
                "http://h/item/a%2Fb",
            ),
            (
                "http://h/api/",
                "/x/{id}.json",
                "4 2",
                "http://h/api/x/4%202.json",
            ),
            (
                "http://h:81/api",
                "/{tenant}/{id}",
                "../x",
                "http://h:81/api/t/..%2Fx",
            ),
            (
                "http://h",
                "/{id}",
                "a?b#c%2e\\",
                "http://h/a%3Fb%23c%252e%5C",
            ),
            ("http://h", "/s?q={id}", "a&b=c", "http://h/s?q=a%26b%3Dc"),
            ("http://h", "/{id}", "//evil", "http://h/%2F%2Fevil"),
            ("http://h", "/{id}", "..", "refused"),
            ("http://h", "/{id}/x", ".", "refused"),
            ("http://h", "/.{id}", ".", "refused"),
            ("http://h", "/a/%2E{id}/x", ".", "refused"),
        ] {
            let address = Address::new(base, path).unwrap();
            let url = address.of(&wanted("t", "item", id));
            assert_eq!(
                url.as_ref().map_or("refused", Url::as_str),
                expected,
                "{id}"
            );
        }
    }

    #[test]
    fn the_query_is_sent_as_it_came() {
        for (path, sent, expected) in [
            ("/{id}", "page=2", "http://h/1?page=2"),
            ("/{id}", "q=a&q=b", "http://h/1?q=a&q=b"),
            ("/{id}", "b=1&a=2&b=3", "http://h/1?b=1&a=2&b=3"),
            ("/{id}", "q=a%2Cb", "http://h/1?q=a%2Cb"),
            ("/{id}", "q=a,b", "http://h/1?q=a,b"),
            ("/{id}", "q=a%2cb", "http://h/1?q=a%2cb"),
            ("/{id}", "q=a+b", "http://h/1?q=a+b"),
            ("/{id}", "q=a%20b", "http://h/1?q=a%20b"),
            ("/{id}", "flag", "http://h/1?flag"),
            ("/{id}", "flag=", "http://h/1?flag="),
            ("/{id}", "a&&b=&", "http://h/1?a&&b=&"),
            ("/{id}", "q=%FF%C3", "http://h/1?q=%FF%C3"),
            ("/{id}", "q=100%", "http://h/1?q=100%"),
            ("/{id}", "a[]=1&a[]=2", "http://h/1?a[]=1&a[]=2"),
            (
                "/{id}",
                "u=http://x/?y;z:@!$*()",
                "http://h/1?u=http://x/?y;z:@!$*()",
            ),
            ("/{id}", "", "http://h/1?"),
            ("/{id}?token=x", "q=a&q=b", "http://h/1?token=x&q=a&q=b"),
        ] {
            let address = Address::new("http://h", path).unwrap();
            let attributes = query::attributes(sent);
            let url = address.of(&Wanted {
                attributes: &attributes,
                ..wanted("", "item", "1")
            });
            assert_eq!(url.unwrap().as_str(), expected);
        }
        let address = Address::new("http://h", "/{id}").unwrap();
        let given = [("query.q", "a b#&"), ("query.q", "ü"), ("context.x", "y")];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let url = address.of(&Wanted {
            attributes: &given,
            ..wanted("", "item", "1")
        });
        assert_eq!(url.unwrap().as_str(), "http://h/1?q=a%20b%23%26&q=%C3%BC");
    }

    #[test]
    fn a_part_that_is_missing_is_named() {
        let address = Address::new("http://h", "/{tenant}/{id}").unwrap();
        let error = address.of(&wanted("", "item", "1")).unwrap_err();
        assert!(error.to_string().contains("no tenant"), "{error}");
    }

    #[test]
    fn credentials_are_sent_and_never_shown() {
        let address = Address::new("http://ann:secret@h/", "/{id}?token=secret").unwrap();
        let url = address.of(&wanted("", "item", "1")).unwrap();
        assert_eq!(url.as_str(), "http://ann:secret@h/1?token=secret");
        assert_eq!(shown(&url), "http://h/1");
        assert_eq!(address.summary(), "http://h/{id}");
    }

    #[test]
    fn bad_settings_say_what_is_wrong() {
        for (base, path, message) in [
            ("127.0.0.1:8000", "/{id}", "`base_url`"),
            ("ftp://h", "/{id}", "must begin with `http://`"),
            ("http://h?x", "/{id}", "no `?`"),
            ("http://h", "{id}", "begin with one `/`"),
            ("http://h", "//{id}", "begin with one `/`"),
            ("http://h", "/{id", "without its `}`"),
            ("http://h", "/{name}/{id}", "`{name}`; there are {tenant}"),
            ("http://h", "/{resource}", "needs `{id}`"),
        ] {
            let error = Address::new(base, path).err().unwrap().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
