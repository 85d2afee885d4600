//! Overrides of the configuration by the environment.

use anyhow::{Result, anyhow, bail};
use toml::{Table, Value};

use super::file::File;
use super::{Wrong, mistakes};
use crate::reference;

const PREFIX: &str = "LARDER__";

/// For the help of commands that read a configuration.
pub(crate) const HELP: &str = "\
The environment overrides single values of the file: LARDER__, then the tables and the field, joined
by two underscores. What stands in a list ([[policy]], [[route]]) cannot be overridden.
  LARDER__SERVER__LISTEN=0.0.0.0:7117
  LARDER__STORE__CAPACITY=1GiB
  LARDER__ORIGIN__PRICES__BASE_URL=http://prices:8000";

/// Variables that override values of the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides(Vec<(String, String)>);

impl Overrides {
    /// Those of this process.
    pub(crate) fn from_env() -> Self {
        let all = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            name.starts_with(PREFIX)
                .then(|| (name, value.to_string_lossy().into_owned()))
        });
        Self::new(all)
    }

    /// The variables that look like overrides and are none.
    pub(super) fn near_misses() -> Vec<String> {
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let mut near: Vec<_> = names.filter(|name| is_near_miss(name)).collect();
        near.sort();
        near
    }

    /// What to look at besides the file.
    pub(super) fn names(&self) -> Option<String> {
        let names: Vec<_> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// These, in the order of their names.
    pub(crate) fn new(all: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort();
        Self(all)
    }

    /// Reads the file's text with the overrides applied, and answers it as it is then, too.
    ///
    /// # Errors
    /// [`Wrong`], with every mistake of the text.
    pub(super) fn read(&self, text: &str) -> Result<(File, Table)> {
        // Read as a table even without overrides: a field of our own takes whole numbers that TOML
        // has no room for, and the file would be refused as soon as a variable is set.
        let wrong = |error| Wrong(mistakes::all(text, error));
        let mut root: Table = toml::from_str(text).map_err(wrong)?;
        if self.0.is_empty() {
            return Ok((toml::from_str(text).map_err(wrong)?, root));
        }
        for (name, value) in &self.0 {
            set(&mut root, name, value)?;
        }
        let file = Value::Table(root.clone()).try_into().map_err(|error| {
            // An error of the file alone is shown with its line; one that is only there with
            // the overrides names them. Their values may be secrets.
            if let Err(own) = toml::from_str::<File>(text) {
                return anyhow!(Wrong(mistakes::all(text, own)));
            }
            let error = super::origin::one_line(&error);
            let names = self.names().unwrap_or_default();
            anyhow!("{error}; the file alone would do, so look at {names}")
        })?;
        Ok((file, root))
    }
}

/// One underscore where there should be two, or small letters.
fn is_near_miss(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let own = upper
        .strip_prefix("LARDER_")
        .is_some_and(|rest| rest.contains("__"));
    own && !name.starts_with(PREFIX)
}

fn set(root: &mut Table, name: &str, value: &str) -> Result<()> {
    let path: Vec<_> = name[PREFIX.len()..].split("__").collect();
    let Some((field, tables)) = path.split_last().filter(|_| !path.contains(&"")) else {
        bail!("the variable {name} names no field; write it like LARDER__SERVER__LISTEN");
    };
    let mut table = root;
    for part in tables {
        let known = spelling(table, part);
        let next = table
            .entry(known)
            .or_insert_with(|| Value::Table(Table::new()));
        table = match next {
            Value::Table(next) => next,
            Value::Array(_) => bail!(
                "the variable {name} cannot override what stands in a list; change the file instead"
            ),
            _ => bail!("the variable {name} goes through `{part}`, which is no table in the file"),
        };
    }
    let known = spelling(table, field);
    if matches!(table.get(&known), Some(Value::Table(_) | Value::Array(_))) {
        bail!(
            "the variable {name} can only override a single value, and `{known}` is more than that"
        );
    }
    let typed = match is_text(tables, &known) {
        true => Value::String(value.to_owned()),
        false => typed(table.get(&known), value),
    };
    table.insert(known, typed);
    Ok(())
}

/// The name as the file has it, or in lower case where it has none.
fn spelling(table: &Table, part: &str) -> String {
    let known = table.keys().find(|key| key.eq_ignore_ascii_case(part));
    known.cloned().unwrap_or_else(|| part.to_ascii_lowercase())
}

/// Whether a field is a text whatever it looks like, such as a password of digits.
fn is_text(tables: &[&str], field: &str) -> bool {
    let lower = |part: &&str| part.to_ascii_lowercase();
    let first = tables.first().map(lower).unwrap_or_default();
    match tables.last().map(lower).as_deref() {
        Some("headers") => true,
        Some("sentinel") => ["master", "user", "password"].contains(&field),
        _ => reference::is_text(&first, field),
    }
}

/// The value with the type that the file's own value has; where it has none, a number or a
/// switch if it looks like one.
fn typed(known: Option<&Value>, text: &str) -> Value {
    if !matches!(known, Some(Value::String(_))) {
        if let Ok(number) = text.parse() {
            return Value::Integer(number);
        }
        if let Ok(switch) = text.parse() {
            return Value::Boolean(switch);
        }
    }
    Value::String(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_an_override_and_is_none_is_noticed() {
        for (name, near) in [
            ("LARDER__SERVER__LISTEN", false),
            ("LARDER_SERVER__LISTEN", true),
            ("larder__server__listen", true),
            ("LARDER_TOKEN", false),
            ("LARDER_KEYS", false),
            ("OTHER__SERVER__LISTEN", false),
        ] {
            assert_eq!(is_near_miss(name), near, "{name}");
        }
    }
}
