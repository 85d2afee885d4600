//! `[origin.NAME.outbox]`: what others change in the database of an origin.

use larder::OutboxTuning;
use larder::origin::outbox::TABLE;
use serde::Deserialize;
use toml::Value;

use super::origin::fields;
use crate::units::Span;

/// An outbox and how it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutboxConfig {
    pub(crate) table: String,
    /// Where PostgreSQL gives hints.
    pub(crate) channel: Option<String>,
    pub(crate) tuning: OutboxTuning,
}

/// A table in which the database says what others change.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// The table. Default: `"larder_outbox"`.
    table: Option<String>,
    /// Where PostgreSQL gives hints by NOTIFY, so that changes are seen at once.
    channel: Option<String>,
    /// How often the table is looked at. Default: `"1s"`.
    poll: Option<Span>,
    /// How long rows stay after they were applied. Default: `"1h"`.
    keep: Option<Span>,
}

/// The outbox of an origin of this type, if it has one.
pub(super) fn read(value: Option<Value>, kind: &str) -> Result<Option<OutboxConfig>, String> {
    let own: Table = match value {
        None => return Ok(None),
        Some(Value::Table(table)) => fields(table).map_err(|why| in_place(&why))?,
        Some(_) => return Err("`outbox` is not a table".to_owned()),
    };
    check(&own, kind).map_err(|why| in_place(&why))?;
    let base = OutboxTuning::default();
    let tuning = OutboxTuning {
        poll_ms: own.poll.map_or(base.poll_ms, Span::ms),
        keep_ms: own.keep.map_or(base.keep_ms, Span::ms),
    };
    tuning.check().map_err(|why| in_place(&why))?;
    Ok(Some(OutboxConfig {
        table: own.table.unwrap_or_else(|| TABLE.to_owned()),
        channel: own.channel,
        tuning,
    }))
}

fn check(own: &Table, kind: &str) -> Result<(), String> {
    if kind == "http" {
        return Err(
            "only a database has one; whoever changes what the service holds can call \
             `POST /v1/invalidate`"
                .to_owned(),
        );
    }
    if kind == "sqlite" && own.channel.is_some() {
        return Err(
            "`channel` is for type \"postgres\"; leave it out, and choose `poll` as short as \
             changes may be seen late"
                .to_owned(),
        );
    }
    for (field, text) in [("table", &own.table), ("channel", &own.channel)] {
        if text.as_ref().is_some_and(String::is_empty) {
            return Err(format!("`{field}` is empty"));
        }
    }
    Ok(())
}

fn in_place(why: &str) -> String {
    format!("`outbox`: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_toml(text: &str, kind: &str) -> Result<Option<OutboxConfig>, String> {
        let table: toml::Table = toml::from_str(text).expect("is TOML");
        read(table.get("outbox").cloned(), kind)
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        assert_eq!(read_toml("", "http"), Ok(None));
        let empty = read_toml("[outbox]", "sqlite").expect("is read");
        let expected = OutboxConfig {
            table: "larder_outbox".to_owned(),
            channel: None,
            tuning: OutboxTuning::default(),
        };
        assert_eq!(empty, Some(expected));
        let full = "outbox = { table = \"a.b\", channel = \"c\", poll = \"5s\", keep = \"1d\" }";
        let expected = OutboxConfig {
            table: "a.b".to_owned(),
            channel: Some("c".to_owned()),
            tuning: OutboxTuning {
                poll_ms: 5_000,
                keep_ms: 86_400_000,
            },
        };
        assert_eq!(read_toml(full, "postgres"), Ok(Some(expected)));
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (text, kind, words) in [
            ("[outbox]", "http", "only a database"),
            ("outbox = 1", "sqlite", "is not a table"),
            (
                "outbox = { tabel = \"x\" }",
                "sqlite",
                "unknown field `tabel`",
            ),
            (
                "outbox = { channel = \"x\" }",
                "sqlite",
                "for type \"postgres\"",
            ),
            (
                "outbox = { channel = \"\" }",
                "postgres",
                "`channel` is empty",
            ),
            ("outbox = { table = \"\" }", "postgres", "`table` is empty"),
            ("outbox = { poll = \"0s\" }", "postgres", "`poll` is 0"),
            (
                "outbox = { keep = \"5s\" }",
                "postgres",
                "`keep` is 5000 ms",
            ),
            (
                "outbox = { poll = 1 }",
                "postgres",
                "`1` is not a duration: write",
            ),
        ] {
            let why = read_toml(text, kind).expect_err(text);
            assert!(why.contains(words), "{text}: {why}");
        }
    }
}
