//! What the database says of the configured table, checked once when the origin is opened.

use deadpool_postgres::Client;
use tokio_postgres::Error;

use super::config::PostgresConfig;
use super::failure;
use crate::OpenError;

/// At most so many names are listed in a message.
const LISTED: i64 = 30;

/// One column, in table order.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// The type as SQL spells it, without a length.
    pub(super) kind: String,
    /// Whether a write may set it.
    pub(super) settable: bool,
}

/// The table, its names as they are in the database.
#[derive(Debug)]
pub(super) struct Table {
    /// Schema and name, quoted.
    pub(super) quoted: String,
    /// Those that a value shows: all but the ones that are only kept for Larder.
    pub(super) columns: Vec<Column>,
    /// The key column, also in `columns` unless one column holds the value.
    pub(super) key: Column,
    /// The one column that holds the value.
    pub(super) column: Option<usize>,
    pub(super) version: Option<String>,
    pub(super) sequence: Option<String>,
    pub(super) deleted: Option<String>,
    /// Views are.
    pub(super) read_only: bool,
}

impl Table {
    /// Looks the configured names up.
    pub(super) async fn inspect(
        client: &Client,
        config: &PostgresConfig,
        database: &str,
    ) -> Result<Self, OpenError> {
        let broken = |error: Error| OpenError::Server {
            database: database.into(),
            why: failure::text(&error),
        };
        let found = client
            .query_opt(FIND, &[&config.table])
            .await
            .map_err(broken)?;
        let Some(found) = found else {
            let has = client.query_one(TABLES, &[&LISTED]).await.map_err(broken)?;
            return Err(OpenError::NoTable {
                database: database.into(),
                table: config.table.clone(),
                has: has.get(0),
            });
        };
        let (oid, read_only): (u32, bool) = (found.get(0), found.get(3));
        let quoted = format!("{}.{}", quote(found.get(1)), quote(found.get(2)));
        let rows = client.query(COLUMNS, &[&oid]).await.map_err(broken)?;
        let all = rows.iter().map(|row| Column {
            name: row.get(0),
            kind: row.get(1),
            settable: row.get(2),
        });
        let table = Self::new(quoted, all.collect(), config, database)?;
        let unique = client
            .query_opt(UNIQUE, &[&oid, &table.key.name])
            .await
            .map_err(broken)?;
        if unique.is_none() && !read_only {
            return Err(OpenError::NoUnique {
                database: database.into(),
                table: config.table.clone(),
                column: config.key.clone(),
                fix: format!(
                    "CREATE UNIQUE INDEX ON {} ({})",
                    table.quoted,
                    quote(&table.key.name)
                ),
            });
        }
        Ok(Self { read_only, ..table })
    }

    fn new(
        quoted: String,
        mut all: Vec<Column>,
        config: &PostgresConfig,
        database: &str,
    ) -> Result<Self, OpenError> {
        for (field, name, kinds) in wanted(config) {
            let column = all.iter().find(|column| column.name == *name);
            let Some(column) = column else {
                let names: Vec<&str> = all.iter().map(|column| column.name.as_str()).collect();
                return Err(OpenError::NoColumn {
                    database: database.into(),
                    table: config.table.clone(),
                    column: name.clone(),
                    has: names.join(", "),
                });
            };
            if !kinds.is_empty() && !kinds.contains(&column.kind.as_str()) {
                return Err(OpenError::Setting {
                    field,
                    why: format!(
                        "names column `{name}` of type {}; it must be {}",
                        column.kind,
                        kinds.join(" or ")
                    ),
                });
            }
        }
        let kept = [&config.version, &config.sequence, &config.deleted];
        all.retain(|column| {
            !kept
                .into_iter()
                .any(|name| name.as_ref() == Some(&column.name))
        });
        let at = |name: &str| all.iter().position(|column| column.name == name);
        let column = config.column.as_deref().and_then(at);
        let key = all.iter().find(|column| column.name == config.key);
        let key = key.map_or_else(
            || {
                Err(OpenError::Setting {
                    field: "key",
                    why: "must be a column of its own".into(),
                })
            },
            |key| {
                Ok(Column {
                    name: key.name.clone(),
                    kind: key.kind.clone(),
                    settable: true,
                })
            },
        )?;
        Ok(Self {
            quoted,
            columns: all,
            key,
            column,
            version: config.version.as_deref().map(quote),
            sequence: config.sequence.as_deref().map(quote),
            deleted: config.deleted.as_deref().map(quote),
            read_only: false,
        })
    }
}

/// The configured columns: the setting, the name and the types that it may have.
fn wanted(config: &PostgresConfig) -> Vec<(&'static str, &String, &'static [&'static str])> {
    let values: &[&str] = &["json", "jsonb", "text", "character varying", "bytea"];
    let mut all: Vec<(&'static str, &String, &'static [&'static str])> =
        vec![("key", &config.key, &[])];
    all.extend(config.column.iter().map(|name| ("column", name, values)));
    all.extend(
        config
            .version
            .iter()
            .map(|name| ("version", name, &["bigint"][..])),
    );
    all.extend(
        config
            .sequence
            .iter()
            .map(|name| ("sequence", name, &["bigint"][..])),
    );
    all.extend(
        config
            .deleted
            .iter()
            .map(|name| ("deleted", name, &["boolean"][..])),
    );
    all
}

const FIND: &str = "
    SELECT c.oid, n.nspname, c.relname, c.relkind IN ('v', 'm', 'f')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND (c.relname = $1 AND pg_table_is_visible(c.oid) OR n.nspname || '.' || c.relname = $1)
    ORDER BY c.relname = $1 DESC LIMIT 1";

const TABLES: &str = "
    SELECT coalesce(string_agg(name, ', ' ORDER BY name), 'none') FROM (
        SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname::text
                    ELSE n.nspname || '.' || c.relname END AS name
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
          AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
        ORDER BY 1 LIMIT $1) names";

/// The type modifier -1 keeps `character` from meaning one character.
const COLUMNS: &str = "
    SELECT attname::text, format_type(atttypid, -1), attgenerated = '' AND attidentity <> 'a'
    FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum";

const UNIQUE: &str = "
    SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = $2
    WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indimmediate
      AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum LIMIT 1";

/// A name as SQL takes it, whatever it is.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
