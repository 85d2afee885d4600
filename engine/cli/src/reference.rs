//! Every field of `larder.toml`, as the types that read it declare it.

use larder::core::Strategy;
use larder::wasm::Isolation;
use larder::{Older, Undeclared};
use larder_server::access::{Ability, Plane};
use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};
use serde::de::{Error as _, IntoDeserializer as _, Visitor};

/// A table of the file.
pub(crate) struct Table {
    name: &'static str,
    about: &'static str,
    fields: &'static [Field],
}

/// A field of a table.
struct Field {
    name: &'static str,
    /// The name of its type.
    kind: &'static str,
    default: Option<&'static str>,
    is_required: bool,
    sentence: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/reference.rs"));

/// How each table is headed in the file, in the order in which one reads them.
const HEADS: &[(&str, &str)] = &[
    ("[server]", "file::Server"),
    ("[[server.token]]", "token::Entry"),
    ("[store], type = \"memory\"", "store::Memory"),
    ("[store], type = \"redis\" or \"tiered\"", "store::Shared"),
    ("[policies]", "file::Policies"),
    ("[policies.limits]", "file::LimitsTable"),
    ("[[policy]]", "file::Policy"),
    ("[policy.default_decision]", "file::DefaultDecisionTable"),
    ("[policy.default_decision.invalidates]", "file::Invalidates"),
    ("[[route]]", "file::Route"),
    ("[origin.NAME]", "origin::Common"),
    ("[origin.NAME], type = \"sqlite\"", "origin::Sqlite"),
    ("[origin.NAME], type = \"postgres\"", "origin::Postgres"),
    ("[origin.NAME], type = \"http\"", "origin::Http"),
    ("[origin.NAME.limits]", "origin::Limits"),
    ("[origin.NAME.limits.breaker]", "origin::Breaker"),
    ("[origin.NAME.outbox]", "outbox::Table"),
    ("[write_behind]", "write_behind::Table"),
    ("[vault]", "vault::Table"),
    ("[guard]", "file::GuardTable"),
    ("[log]", "file::Log"),
];

/// Fields that are tables with a head of their own, or here only to be refused.
const ELSEWHERE: &[(&str, &str)] = &[
    ("file::Server", "token"),
    ("file::Policies", "limits"),
    ("file::Policy", "default_decision"),
    ("file::DefaultDecisionTable", "invalidates"),
    ("origin::Limits", "breaker"),
    ("token::Entry", "token"),
];

/// The reference for a terminal.
pub(crate) fn plain() -> String {
    let mut text = String::new();
    for (head, table) in tables() {
        text.push_str(&format!("{head}\n{}\n\n", table.about));
        for field in fields(table) {
            let (kind, default) = (kind(field.kind), default(field));
            text.push_str(&format!(
                "  {}  {kind}; {default}\n      {}\n",
                field.name, field.sentence
            ));
        }
        text.push('\n');
    }
    text
}

/// The reference as a page of the documentation.
pub(crate) fn markdown() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         Every field of `larder.toml`, made from the types that read it by `larder config reference \
         --markdown`. A field\nthat is not here is refused. What of it changes without a restart, \
         and how a file is checked, is in\n[operating.md](operating.md). The environment overrides \
         single values: `LARDER__SERVER__LISTEN=0.0.0.0:7117`.\n\n\
         A duration is a whole number and a unit: `\"250ms\"`, `\"90s\"`, `\"5m\"`, `\"1h\"`, `\"1d\"`; so is \
         a size: `\"512B\"`,\n`\"64KiB\"`, `\"256MiB\"`, `\"2GiB\"`. Paths are relative to the folder of the \
         file.\n",
    );
    for (head, table) in tables() {
        text.push_str(&format!("\n## `{head}`\n\n{}\n\n", table.about));
        text.push_str("| field | type | default | |\n|---|---|---|---|\n");
        for field in fields(table) {
            let kind = kind(field.kind).replace('|', "\\|");
            let default = match (field.default, field.is_required) {
                (Some(default), _) => format!("`{default}`"),
                _ => default(field),
            };
            let sentence = field.sentence.replace('|', "\\|");
            text.push_str(&format!(
                "| `{}` | {kind} | {default} | {sentence} |\n",
                field.name
            ));
        }
    }
    text
}

/// Whether a field of `[table]`, or of a table below it, is a text.
pub(crate) fn is_text(table: &str, field: &str) -> bool {
    let below = tables().filter(|(head, _)| {
        let head = head.trim_start_matches('[');
        head.strip_prefix(table)
            .is_some_and(|rest| rest.starts_with([']', '.']))
    });
    let mut named = below
        .flat_map(|(_, table)| table.fields)
        .filter(|one| one.name == field);
    named.any(|one| kind(one.kind) == "text")
}

fn tables() -> impl Iterator<Item = (&'static str, &'static Table)> {
    HEADS.iter().filter_map(|(head, name)| {
        let table = TABLES.iter().find(|table| table.name == *name)?;
        Some((*head, table))
    })
}

fn fields(table: &'static Table) -> impl Iterator<Item = &'static Field> {
    let has_head = |field: &&Field| ELSEWHERE.contains(&(table.name, field.name));
    table.fields.iter().filter(move |field| !has_head(field))
}

fn default(field: &Field) -> String {
    match (field.default, field.is_required) {
        (Some(default), _) => format!("default {default}"),
        (None, true) => "required".to_owned(),
        (None, false) => "may be left out".to_owned(),
    }
}

/// A type as one who writes the file knows it.
fn kind(kind: &str) -> String {
    let listed = |words: &[&str]| {
        let words: Vec<_> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
        words.join(", ")
    };
    match kind {
        "String" | "PathBuf" => "text".to_owned(),
        "Span" => "duration".to_owned(),
        "Size" => "size".to_owned(),
        "bool" => "`true` or `false`".to_owned(),
        "u8" | "u32" | "u64" | "usize" => "number".to_owned(),
        "Table" | "SentinelConfig" => "table".to_owned(),
        "LimitsTable" => "table as `[policies.limits]`".to_owned(),
        "BTreeMap<String>" => "table of texts".to_owned(),
        "Strategy" => listed(&words::<Strategy>()),
        "Isolation" => listed(&words::<Isolation>()),
        "Older" => listed(&words::<Older>()),
        "Undeclared" => listed(&words::<Undeclared>()),
        "Plane" => listed(&words::<Plane>()),
        "Ability" => listed(&words::<Ability>()),
        other => match other
            .strip_prefix("Vec<")
            .and_then(|rest| rest.strip_suffix('>'))
        {
            Some("String") => "list of texts".to_owned(),
            Some(one) => format!("list of {}", self::kind(one)),
            None => {
                let own = ENUMS.iter().find(|(name, _)| *name == other);
                own.map_or_else(|| other.to_owned(), |(_, words)| listed(words))
            }
        },
    }
}

/// The words that an enum is read from, as it tells them itself.
fn words<T: for<'de> Deserialize<'de>>() -> Vec<&'static str> {
    struct Asked(Option<&'static [&'static str]>);

    impl<'de> serde::Deserializer<'de> for &mut Asked {
        type Error = Error;

        fn deserialize_enum<V: Visitor<'de>>(
            self,
            _: &'static str,
            words: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Error> {
            self.0 = Some(words);
            Err(Error::custom("it was only asked for its words"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let empty: StrDeserializer<'_, Error> = "".into_deserializer();
            empty.deserialize_any(visitor)
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
            option unit unit_struct newtype_struct seq tuple tuple_struct map struct identifier
            ignored_any
        }
    }
    let mut asked = Asked(None);
    // Only what it asked for is of interest.
    let _ = T::deserialize(&mut asked);
    asked.0.unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests;
