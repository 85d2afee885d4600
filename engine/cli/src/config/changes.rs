//! What a configuration that was read again changes, and what of it waits for a restart.

use toml::{Table, Value};

/// The names of what differs, as the file has them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Taken over.
    pub(crate) taken: Vec<String>,
    /// Waits for a restart: what is open, or holds something.
    pub(crate) waiting: Vec<String>,
}

/// Compares two configurations with the environment's overrides in them.
pub(crate) fn between(old: &Table, new: &Table) -> Changes {
    let mut changes = Changes::default();
    for section in names(old, new) {
        let (old, new) = (old.get(section), new.get(section));
        if old == new {
            continue;
        }
        match section {
            "origin" => each(old, new, |name, old, new| {
                origin(name, old, new, &mut changes);
            }),
            "server" | "policies" | "log" => each(old, new, |field, _, _| {
                changes.add(format!("{section}.{field}"), stays(section, field));
            }),
            "route" | "policy" | "guard" | "vault" => changes.add(section.to_owned(), false),
            other => changes.add(other.to_owned(), true),
        }
    }
    changes
}

/// Whether a field of a section that is taken over in part is not.
fn stays(section: &str, field: &str) -> bool {
    matches!(
        (section, field),
        ("server", "listen" | "admin" | "lease_secret") | ("policies", "state") | ("log", "format")
    )
}

/// An origin is open, and only what limits its calls can change.
fn origin(name: &str, old: Option<&Value>, new: Option<&Value>, changes: &mut Changes) {
    const LIMITS: &str = "limits";
    let (Some(Value::Table(old)), Some(Value::Table(new))) = (old, new) else {
        return changes.add(format!("origin.{name}"), true);
    };
    let others = names(old, new).into_iter().filter(|field| *field != LIMITS);
    if others
        .into_iter()
        .any(|field| old.get(field) != new.get(field))
    {
        changes.add(format!("origin.{name}"), true);
    }
    if old.get(LIMITS) != new.get(LIMITS) {
        changes.add(format!("origin.{name}.{LIMITS}"), false);
    }
}

impl Changes {
    fn add(&mut self, name: String, waits: bool) {
        match waits {
            true => self.waiting.push(name),
            false => self.taken.push(name),
        }
    }
}

/// Goes through what differs between two tables, either of which may be missing.
fn each(
    old: Option<&Value>,
    new: Option<&Value>,
    mut differs: impl FnMut(&str, Option<&Value>, Option<&Value>),
) {
    let none = Table::new();
    let old = old.and_then(Value::as_table).unwrap_or(&none);
    let new = new.and_then(Value::as_table).unwrap_or(&none);
    for name in names(old, new) {
        if old.get(name) != new.get(name) {
            differs(name, old.get(name), new.get(name));
        }
    }
}

fn names<'a>(old: &'a Table, new: &'a Table) -> Vec<&'a str> {
    let mut all: Vec<&str> = old.keys().chain(new.keys()).map(String::as_str).collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_waits_and_the_rest_is_taken_over() {
        for (old, new, taken, waiting) in [
            ("", "", &[][..], &[][..]),
            ("[guard]\nttl_max = '1d'", "", &["guard"], &[]),
            ("", "[vault]\nfile = 'a'", &["vault"], &[]),
            (
                "[[route]]\nresource = 'a'",
                "[[route]]\nresource = 'b'",
                &["route"],
                &[],
            ),
            ("", "[[policy]]\nname = 'a'", &["policy"], &[]),
            (
                "[server]\nlisten = 'a'\ndrain = '1s'",
                "[server]\nlisten = 'b'\ndrain = '2s'",
                &["server.drain"],
                &["server.listen"],
            ),
            ("", "[server]\nadmin = 'off'", &[], &["server.admin"]),
            (
                "",
                "[server]\nlease_secret = 'x'",
                &[],
                &["server.lease_secret"],
            ),
            ("", "[[server.token]]\nname = 'a'", &["server.token"], &[]),
            (
                "[policies]\ndir = 'a'\nstate = 'a'",
                "[policies]\ndir = 'b'\nstate = 'b'",
                &["policies.dir"],
                &["policies.state"],
            ),
            (
                "[policies.limits]\ntables = 1",
                "",
                &["policies.limits"],
                &[],
            ),
            (
                "[log]\nlevel = 'info'",
                "[log]\nlevel = 'debug'\nformat = 'json'",
                &["log.level"],
                &["log.format"],
            ),
            ("", "[store]\ntype = 'memory'", &[], &["store"]),
            ("[write_behind]", "", &[], &["write_behind"]),
            ("", "[origin.a]\ntype = 'http'", &[], &["origin.a"]),
            ("[origin.a]\ntype = 'http'", "", &[], &["origin.a"]),
            (
                "[origin.a]\ntype = 'http'\n[origin.b]\ntype = 'http'",
                "[origin.a]\ntype = 'http'\n[origin.a.limits]\nconcurrency = 1\n[origin.b]\ntype = 'sqlite'",
                &["origin.a.limits"],
                &["origin.b"],
            ),
            ("", "[section_of_later]\na = 1", &[], &["section_of_later"]),
        ] {
            let table = |text: &str| toml::from_str::<Table>(text).expect("is TOML");
            let changes = between(&table(old), &table(new));
            assert_eq!(changes.taken, taken, "{old} -> {new}");
            assert_eq!(changes.waiting, waiting, "{old} -> {new}");
        }
    }
}
