//! What the database says of the configured table, checked once when the origin is opened, and
//! the statements that follow from it.

use rusqlite::{Connection, params};

use super::config::SqliteConfig;
use crate::OpenError;

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
}

/// The table and its statements. Every statement takes the id as `?1`, and as `?2` once more as
/// an integer where it is the spelling of one.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    /// Which of the columns ids are compared with.
    pub(super) key: usize,
    pub(super) select: String,
    pub(super) delete: String,
    quoted: String,
    fits: String,
}

impl Table {
    /// Looks the configured names up.
    pub(super) fn inspect(db: &Connection, config: &SqliteConfig) -> Result<Self, OpenError> {
        let broken = |error: rusqlite::Error| OpenError::Database {
            path: config.path.clone(),
            why: error.to_string(),
        };
        let tables = tables(db).map_err(broken)?;
        let Some(table) = find(&tables, &config.table) else {
            return Err(OpenError::NoTable {
                database: config.path.display().to_string(),
                table: config.table.clone(),
                has: list(&tables),
            });
        };
        let columns = columns(db, table).map_err(broken)?;
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let key = find(&names, &config.key).and_then(|key| names.iter().position(|n| n == key));
        let Some(key) = key else {
            return Err(OpenError::NoColumn {
                database: config.path.display().to_string(),
                table: table.clone(),
                column: config.key.clone(),
                has: list(&names),
            });
        };
        Ok(Self::new(table, columns, key))
    }

    fn new(table: &str, columns: Vec<Column>, key: usize) -> Self {
        let quoted = quote(table);
        let key_name = columns
            .get(key)
            .map(|column| quote(&column.name))
            .unwrap_or_default();
        // The first half may use an index but follows the column's affinity and collation, by
        // which `042` equals 42; the second half holds every row to one spelling.
        let fits =
            format!("{key_name} IN (?1, ?2) AND CAST({key_name} AS TEXT) = ?1 COLLATE BINARY");
        let all: Vec<String> = columns.iter().map(|column| quote(&column.name)).collect();
        Self {
            select: format!(
                "SELECT {} FROM {quoted} WHERE {fits} LIMIT 2",
                all.join(", ")
            ),
            delete: format!("DELETE FROM {quoted} WHERE {fits}"),
            columns,
            key,
            quoted,
            fits,
        }
    }

    /// The statement that sets `columns`, whose values are `?3` and on.
    pub(super) fn update(&self, columns: &[usize]) -> String {
        let set: Vec<String> = self
            .quoted_names(columns)
            .enumerate()
            .map(|(at, name)| format!("{name} = ?{}", at + 3))
            .collect();
        format!(
            "UPDATE {} SET {} WHERE {}",
            self.quoted,
            set.join(", "),
            self.fits
        )
    }

    /// The statement that adds a row of `columns`, whose values are `?1` and on.
    pub(super) fn insert(&self, columns: &[usize]) -> String {
        let names: Vec<String> = self.quoted_names(columns).collect();
        let values: Vec<String> = (1..=names.len()).map(|at| format!("?{at}")).collect();
        format!(
            "INSERT INTO {} ({}) VALUES ({})",
            self.quoted,
            names.join(", "),
            values.join(", ")
        )
    }

    /// The column names, for a message.
    pub(super) fn column_list(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|c| c.name.clone()).collect();
        list(&names)
    }

    /// The name of the key column.
    pub(super) fn key_name(&self) -> &str {
        self.columns.get(self.key).map_or("", |column| &column.name)
    }

    fn quoted_names(&self, columns: &[usize]) -> impl Iterator<Item = String> {
        columns
            .iter()
            .filter_map(|at| self.columns.get(*at))
            .map(|column| quote(&column.name))
    }
}

fn tables(db: &Connection) -> rusqlite::Result<Vec<String>> {
    db.prepare(
        "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') \
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )?
    .query_map([], |row| row.get(0))?
    .collect()
}

fn columns(db: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    // `hidden` is 1 for the hidden columns of virtual tables; generated columns have 2 and 3.
    db.prepare("SELECT name, type FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid")?
        .query_map(params![table], |row| {
            let name: String = row.get(0)?;
            let declared = row.get::<_, Option<String>>(1)?.unwrap_or_default();
            let declared = declared.to_ascii_uppercase();
            Ok(Column {
                label: format!("{}:", serde_json::Value::from(name.as_str())).into_bytes(),
                boolean: declared.starts_with("BOOL"),
                blob: declared.contains("BLOB"),
                name,
            })
        })?
        .collect()
}

/// The name as the schema spells it; SQLite takes names in any case.
fn find<'a>(names: &'a [String], wanted: &str) -> Option<&'a String> {
    names
        .iter()
        .find(|name| *name == wanted)
        .or_else(|| names.iter().find(|name| name.eq_ignore_ascii_case(wanted)))
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
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
