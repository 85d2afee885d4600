//! What the database says of the configured table, checked when the origin is opened and whenever
//! the schema has changed.

use rusqlite::{Connection, params};

use super::config::SqliteConfig;
use super::sql::{self, Statements};
use crate::{OpenError, whole};

/// At most so many names are listed in a message.
const LISTED: usize = 30;

/// One column, in table order.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// `"name":`, ready to be put into a JSON object.
    pub(super) label: Vec<u8>,
    /// Declared as boolean: 0 and 1 are answered as `false` and `true`.
    pub(super) boolean: bool,
    /// Declared as blob: strings written to it are base64.
    pub(super) blob: bool,
    /// Declared as JSON: texts of JSON are answered as what they spell, and written so.
    pub(super) json: bool,
    /// What an insert that does not name it puts there, as SQL; none where it is generated or
    /// part of the primary key.
    pub(super) default: Option<String>,
    /// Computed by the database, and left out of writes.
    pub(super) generated: bool,
    pub(super) declared: String,
}

impl Column {
    /// How a row shows `id` where this is the key, as JSON; none where the declared type, by which
    /// SQLite chooses, does not tell.
    pub(super) fn spelled(&self, id: &str) -> Option<String> {
        let declared = self.declared.to_ascii_uppercase();
        match ["CHAR", "CLOB", "TEXT"]
            .iter()
            .any(|text| declared.contains(text))
        {
            _ if declared.contains("INT") => whole::as_number(id),
            true => Some(whole::as_text(id)),
            false => None,
        }
    }
}

/// The columns that are kept for Larder, quoted.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) version: Option<String>,
    pub(super) sequence: Option<String>,
    pub(super) deleted: Option<String>,
}

/// The table and its statements.
#[derive(Debug)]
pub(super) struct Table {
    /// Those that a value shows: all but the ones that are only kept for Larder.
    pub(super) columns: Vec<Column>,
    /// Which of the columns ids are compared with.
    pub(super) key: usize,
    pub(super) kept: Kept,
    /// Whether a write may change other rows than its own: there are triggers or references.
    pub(super) stirs: bool,
    /// Whether triggers may make something else of a row than was written.
    pub(super) stirred: bool,
    pub(super) sql: Statements,
}

impl Table {
    /// Looks the configured names up.
    pub(super) fn inspect(db: &Connection, config: &SqliteConfig) -> Result<Self, OpenError> {
        let broken = |error: rusqlite::Error| OpenError::Database {
            path: config.path.clone(),
            why: error.to_string(),
        };
        let database = config.path.display().to_string();
        let tables = tables(db).map_err(broken)?;
        let Some(table) = find(&tables, &config.table) else {
            return Err(OpenError::NoTable {
                database,
                table: config.table.clone(),
                has: list(&tables),
            });
        };
        let mut columns = columns(db, table).map_err(broken)?;
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let named = |name: &String| {
            let found = find(&names, name).and_then(|name| names.iter().position(|n| n == name));
            found.ok_or_else(|| OpenError::NoColumn {
                database: database.clone(),
                table: table.clone(),
                column: name.clone(),
                has: list(&names),
            })
        };
        let key = named(&config.key)?;
        let mut own = Vec::new();
        for (field, name, kinds) in wanted(config) {
            let Some(name) = name else { continue };
            let at = named(name)?;
            if at == key || own.contains(&at) {
                return Err(OpenError::Setting {
                    field,
                    why: format!("names column `{name}`, which another setting names too"),
                });
            }
            if let Some(column) = columns.get(at) {
                check(field, column, kinds)?;
            }
            own.push(at);
        }
        let kept = |name: &Option<String>| {
            let name = name.as_ref().and_then(|name| find(&names, name));
            name.map(|name| sql::quote(name))
        };
        let kept = Kept {
            version: kept(&config.version),
            sequence: kept(&config.sequence),
            deleted: kept(&config.deleted),
        };
        let mut place = 0..;
        columns.retain(|_| place.next().is_none_or(|at| !own.contains(&at)));
        let key = key - own.iter().filter(|at| **at < key).count();
        let sql = Statements::new(table, (&columns, key), &kept);
        let stirs = stirs(db).map_err(broken)?;
        let stirred = stirred(db, table).map_err(broken)?;
        Ok(Self {
            columns,
            key,
            kept,
            stirs,
            stirred,
            sql,
        })
    }

    /// The column names, for a message.
    pub(super) fn column_list(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|c| c.name.clone()).collect();
        list(&names)
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|one| one.name.as_str()).collect()
    }

    /// The name of the key column.
    pub(super) fn key_name(&self) -> &str {
        self.columns.get(self.key).map_or("", |column| &column.name)
    }
}

/// The columns that may be configured: the setting, the name and how they may be declared.
fn wanted(config: &SqliteConfig) -> [(&'static str, Option<&String>, &'static [&'static str]); 3] {
    [
        ("version", config.version.as_ref(), &["INT"]),
        ("sequence", config.sequence.as_ref(), &["INT"]),
        ("deleted", config.deleted.as_ref(), &["INT", "BOOL"]),
    ]
}

/// In columns of other types numbers become text or lose digits, and would compare wrongly.
fn check(field: &'static str, column: &Column, kinds: &[&str]) -> Result<(), OpenError> {
    let name = &column.name;
    if column.generated {
        let why = format!("names column `{name}`, which is generated and cannot be set");
        return Err(OpenError::Setting { field, why });
    }
    if kinds.iter().any(|kind| column.declared.contains(kind)) {
        return Ok(());
    }
    let declared = match column.declared.as_str() {
        "" => "without a type",
        declared => &format!("of type {declared}"),
    };
    let must = match kinds.len() {
        1 => "INTEGER",
        _ => "BOOLEAN or INTEGER",
    };
    Err(OpenError::Setting {
        field,
        why: format!("names column `{name}` {declared}; it must be {must}"),
    })
}

fn stirs(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type IN ('trigger', 'view') \
             OR type = 'table' AND sql LIKE '%REFERENCES%')",
        [],
        |row| row.get(0),
    )
}

/// Whether a trigger of the table names it outside of texts; what others do that it leads to is not
/// looked at.
fn stirred(db: &Connection, table: &str) -> rusqlite::Result<bool> {
    let mut triggers = db.prepare(
        "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE",
    )?;
    let texts = triggers.query_map(params![table], |row| row.get::<_, Option<String>>(0))?;
    for text in texts {
        if text?.is_some_and(|text| names_again(&text, table)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether what a trigger does names the table. Where it begins to do something is the first
/// `BEGIN` after the table's own name.
fn names_again(trigger: &str, table: &str) -> bool {
    let code: String = trigger.split('\'').step_by(2).collect::<Vec<_>>().join(" ");
    let code = code.to_ascii_lowercase();
    let does = code.split_once("begin").map_or("", |(_, does)| does);
    does.contains(&table.to_ascii_lowercase())
}

pub(super) fn tables(db: &Connection) -> rusqlite::Result<Vec<String>> {
    db.prepare(
        "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') \
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )?
    .query_map([], |row| row.get(0))?
    .collect()
}

pub(super) fn columns(db: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    // `hidden` is 1 for the hidden columns of virtual tables; generated columns have 2 and 3.
    let mut found = db.prepare(
        "SELECT name, type, hidden > 1, dflt_value, pk > 0 FROM pragma_table_xinfo(?1) \
         WHERE hidden <> 1 ORDER BY cid",
    )?;
    let columns = found.query_map(params![table], |row| {
        let name: String = row.get(0)?;
        let declared = row.get::<_, Option<String>>(1)?.unwrap_or_default();
        let declared = declared.to_ascii_uppercase();
        let (generated, primary): (bool, bool) = (row.get(2)?, row.get(4)?);
        let default = row.get::<_, Option<String>>(3)?;
        Ok(Column {
            label: format!("{}:", serde_json::Value::from(name.as_str())).into_bytes(),
            boolean: declared.starts_with("BOOL"),
            blob: declared.contains("BLOB"),
            json: declared.contains("JSON"),
            default: (!generated && !primary).then(|| expression(db, default)),
            declared,
            generated,
            name,
        })
    })?;
    columns.collect()
}

/// A default as an expression. A bare word in its place is a text to SQLite.
fn expression(db: &Connection, default: Option<String>) -> String {
    let text = default.unwrap_or_else(|| "NULL".into());
    match db.prepare(&format!("SELECT ({text})")) {
        Ok(_) => format!("({text})"),
        Err(_) => format!("'{}'", text.replace('\'', "''")),
    }
}

/// The name as the schema spells it; SQLite takes names in any case.
pub(super) fn find<'a>(names: &'a [String], wanted: &str) -> Option<&'a String> {
    names
        .iter()
        .find(|name| *name == wanted)
        .or_else(|| names.iter().find(|name| name.eq_ignore_ascii_case(wanted)))
}

fn list(names: &[String]) -> String {
    match names.len() {
        0 => "none".into(),
        len if len > LISTED => {
            let shown = names.get(..LISTED).unwrap_or_default();
            format!("{} and {} more", shown.join(", "), len - LISTED)
        }
        _ => names.join(", "),
    }
}
