//! From rows to invalidations.

use std::collections::{BTreeMap, BTreeSet};

use larder_core::Pattern;
use larder_core::dependency::Mode;
use larder_core::request::clip;
use larder_origin::outbox::{Place, Row, TEXT_MAX};

use crate::invalidate::Invalidation;

/// What a row names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// What a write of a row makes stale.
    Row,
    /// Everything that was loaded from the origin.
    Origin,
    Key,
    Tag,
    Namespace,
    Pattern,
}

impl Kind {
    pub(super) const ALL: [Self; 6] = [
        Self::Row,
        Self::Origin,
        Self::Key,
        Self::Tag,
        Self::Namespace,
        Self::Pattern,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Origin => "origin",
            Self::Key => "key",
            Self::Tag => "tag",
            Self::Namespace => "namespace",
            Self::Pattern => "pattern",
        }
    }
}

/// What rows come to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sense {
    /// What is to become of everything of the origin, where they say so.
    pub(super) whole: Option<Mode>,
    /// What they name, each target once: rows apart from names, and each pattern alone, since
    /// stores hold few at a time and may refuse one for now.
    pub(super) all: Vec<Invalidation>,
    /// How many rows there were of each of [`Kind::ALL`].
    pub(super) rows: [u64; Kind::ALL.len()],
    /// Rows that cannot be meant, and why.
    pub(super) passed_over: Vec<(Place, String)>,
}

/// Kind, namespace and target.
type Target = (Kind, String, String);

/// Makes sense of rows, as far as there is any.
pub(super) fn of(rows: &[Row]) -> Sense {
    let mut sense = Sense::default();
    let mut tenants: BTreeMap<&str, BTreeMap<Target, Mode>> = BTreeMap::new();
    for row in rows {
        match understood(row) {
            Err(why) => sense.passed_over.push((row.place, why)),
            Ok((kind, mode)) => {
                sense.rows[kind as usize] += 1;
                if is_of_everything(kind, row) {
                    sense.whole = Some(match sense.whole {
                        Some(Mode::Purge) => Mode::Purge,
                        _ => mode,
                    });
                    continue;
                }
                let named = tenants.entry(&row.tenant).or_default();
                let kept = named.entry(target(kind, row)).or_insert(mode);
                // What is to go goes, whatever else is to be done with it.
                if mode == Mode::Purge {
                    *kept = mode;
                }
            }
        }
    }
    for (tenant, named) in tenants {
        for mode in [Mode::Purge, Mode::Expire] {
            let of_mode = named.iter().filter(|(_, one)| **one == mode);
            let targets: BTreeSet<&Target> = of_mode.map(|(target, _)| target).collect();
            sense.all.extend(invalidations(tenant, mode, &targets));
        }
    }
    sense
}

/// A change without the name of what has changed may have been of anything. Such rows come from a
/// table that got its columns for it when the engine had looked at it already.
fn is_of_everything(kind: Kind, row: &Row) -> bool {
    kind == Kind::Origin || (kind == Kind::Row && row.resource.is_empty())
}

/// The namespace is part of the name of keys and patterns alone.
fn target(kind: Kind, row: &Row) -> Target {
    match kind {
        Kind::Row => (kind, row.resource.clone(), row.row_id.clone()),
        Kind::Key | Kind::Pattern => (kind, row.namespace.clone(), row.target.clone()),
        Kind::Origin | Kind::Tag | Kind::Namespace => (kind, String::new(), row.target.clone()),
    }
}

fn understood(row: &Row) -> Result<(Kind, Mode), String> {
    let mut kinds = Kind::ALL.into_iter();
    let kind = kinds.find(|kind| kind.as_str() == row.kind);
    let kind = kind.ok_or_else(|| {
        format!(
            "its kind is `{}`, which is none of row, origin, key, tag, namespace and pattern",
            clip(&row.kind)
        )
    })?;
    let mode = match row.mode.as_str() {
        "" | "purge" => Mode::Purge,
        "expire" => Mode::Expire,
        other => {
            let other = clip(other);
            return Err(format!("its mode is `{other}`, neither purge nor expire"));
        }
    };
    // An id that is too long, or odd in another way, still changes what its policy says it changes.
    if matches!(kind, Kind::Row | Kind::Origin) {
        return Ok((kind, mode));
    }
    if row.target.is_empty() {
        return Err("its target is empty".to_owned());
    }
    if matches!(kind, Kind::Key | Kind::Pattern) && row.namespace.is_empty() {
        let kind = kind.as_str();
        return Err(format!(
            "its namespace is empty, and a {kind} is one of a namespace"
        ));
    }
    for (name, text) in [
        ("target", &row.target),
        ("namespace", &row.namespace),
        ("tenant", &row.tenant),
    ] {
        if text.chars().count() > TEXT_MAX {
            return Err(format!("its {name} has more than {TEXT_MAX} characters"));
        }
    }
    if kind == Kind::Pattern {
        let pattern = Pattern::new(&row.tenant, &row.namespace, &row.target);
        pattern.map_err(|error| error.to_string())?;
    }
    Ok((kind, mode))
}

fn invalidations(tenant: &str, mode: Mode, targets: &BTreeSet<&Target>) -> Vec<Invalidation> {
    let none = || Invalidation {
        tenant: tenant.to_owned(),
        mode,
        ..Invalidation::default()
    };
    let (mut rows, mut named, mut patterns) = (none(), none(), Vec::new());
    for (kind, namespace, target) in targets.iter().copied() {
        let (namespace, target) = (namespace.clone(), target.clone());
        match kind {
            Kind::Row => rows.rows.push((namespace, target)),
            Kind::Origin => {}
            Kind::Key => named.keys.push((namespace, target)),
            Kind::Tag => named.tags.push(target),
            Kind::Namespace => named.namespaces.push(target),
            Kind::Pattern => patterns.push(Invalidation {
                patterns: vec![(namespace, target)],
                ..none()
            }),
        }
    }
    let some = [rows, named].into_iter().filter(|one| *one != none());
    some.chain(patterns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: &str, namespace: &str, target: &str, mode: &str) -> Row {
        Row {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            target: target.to_owned(),
            mode: mode.to_owned(),
            ..Row::default()
        }
    }

    fn pair(namespace: &str, target: &str) -> (String, String) {
        (namespace.to_owned(), target.to_owned())
    }

    #[test]
    fn targets_are_named_once_and_patterns_alone() {
        let rows = [
            row("tag", "ignored", "b", "purge"),
            row("key", "n", "k", "purge"),
            row("tag", "", "a", "purge"),
            row("tag", "", "b", "purge"),
            row("pattern", "n", "x*", "purge"),
            row("pattern", "n", "y*", "purge"),
            row("pattern", "n", "x*", "purge"),
            row("namespace", "", "n", ""),
            row("key", "m", "k", "purge"),
        ];
        let pattern = |glob| Invalidation {
            patterns: vec![pair("n", glob)],
            ..Invalidation::default()
        };
        let named = Invalidation {
            keys: vec![pair("m", "k"), pair("n", "k")],
            tags: vec!["a".into(), "b".into()],
            namespaces: vec!["n".into()],
            ..Invalidation::default()
        };
        let sense = of(&rows);
        assert_eq!(sense.all, [named, pattern("x*"), pattern("y*")]);
        assert_eq!(
            (sense.rows, sense.passed_over),
            ([0, 0, 2, 3, 1, 3], vec![])
        );
        assert_eq!(of(&[]), Sense::default());
    }

    #[test]
    fn tenants_and_modes_are_apart_and_a_purge_outdoes_an_expire() {
        let of_acme = Row {
            tenant: "acme".into(),
            ..row("tag", "", "a", "expire")
        };
        let rows = [
            row("tag", "", "a", "expire"),
            row("tag", "", "a", "purge"),
            row("tag", "", "a", "expire"),
            row("tag", "", "b", "expire"),
            of_acme,
        ];
        let tags = |tenant: &str, mode, tag: &str| Invalidation {
            tenant: tenant.into(),
            tags: vec![tag.into()],
            mode,
            ..Invalidation::default()
        };
        let expected = [
            tags("", Mode::Purge, "a"),
            tags("", Mode::Expire, "b"),
            tags("acme", Mode::Expire, "a"),
        ];
        assert_eq!(of(&rows).all, expected);
    }

    fn changed(resource: &str, id: &str, mode: &str) -> Row {
        Row {
            resource: resource.to_owned(),
            row_id: id.to_owned(),
            ..row("row", "ignored", "ignored", mode)
        }
    }

    #[test]
    fn rows_are_named_once_and_apart_from_names() {
        let long = "ü".repeat(TEXT_MAX + 1);
        let rows = [
            changed("product", "50%", "purge"),
            row("tag", "", "a", "purge"),
            changed("product", "sku:1", "expire"),
            changed("product", "50%", "expire"),
            changed("product", "", ""),
            changed("product", &long, ""),
        ];
        let sense = of(&rows);
        let [of_rows, named, expired] = sense.all.as_slice() else {
            panic!("{sense:?}");
        };
        let ids: Vec<&str> = of_rows.rows.iter().map(|(_, id)| id.as_str()).collect();
        assert_eq!(ids, ["", "50%", &long]);
        assert_eq!(
            (&named.tags[..], named.rows.len()),
            (&["a".to_owned()][..], 0)
        );
        assert_eq!(
            (expired.rows[0].1.as_str(), expired.mode),
            ("sku:1", Mode::Expire)
        );
        assert_eq!(
            (sense.whole, sense.rows[0], sense.passed_over),
            (None, 5, vec![])
        );
    }

    #[test]
    fn what_changed_without_a_name_is_everything() {
        for (rows, whole) in [
            (vec![row("origin", "", "", "")], Some(Mode::Purge)),
            (vec![row("origin", "", "", "expire")], Some(Mode::Expire)),
            (
                vec![changed("", "42", "expire"), row("origin", "", "", "")],
                Some(Mode::Purge),
            ),
            (
                vec![row("origin", "", "", ""), changed("", "42", "expire")],
                Some(Mode::Purge),
            ),
        ] {
            let sense = of(&rows);
            assert_eq!((sense.whole, sense.all), (whole, vec![]), "{rows:?}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_passed_over_alone() {
        let long = "ü".repeat(TEXT_MAX);
        for (odd, why) in [
            (row("Tag", "", "a", "purge"), "`Tag`"),
            (row("", "", "a", "purge"), "none of row"),
            (row("tag", "", "a", "drop"), "`drop`"),
            (row("tag", "", "", "purge"), "its target is empty"),
            (row("key", "", "k", "purge"), "a key is one of a namespace"),
            (row("pattern", "", "*", "purge"), "its namespace is empty"),
            (row("tag", "", &format!("{long}ü"), "purge"), "8192"),
            (
                row("key", &format!("{long}ü"), "k", "purge"),
                "its namespace",
            ),
            (row("pattern", "n", &"x".repeat(257), "purge"), "257 bytes"),
        ] {
            let place = Place {
                transaction: 3,
                id: 4,
            };
            let odd = Row { place, ..odd };
            let sense = of(&[row("tag", "", "x", ""), odd, row("tag", "", &long, "")]);
            assert_eq!(sense.all[0].tags, ["x", &*long], "{why}");
            let [(passed, said)] = sense.passed_over.as_slice() else {
                panic!("{why}: {sense:?}");
            };
            assert!(*passed == place && said.contains(why), "{said}");
        }
    }
}
