//! What the database says of the configured table, checked whenever it is looked at.

use deadpool_postgres::Client;
use tokio_postgres::Error;
use tokio_postgres::types::Type;

use super::config::PostgresConfig;
use super::failure;
use crate::OpenError;

/// At most so many names are listed in a message.
const LISTED: i64 = 30;

/// One column, in table order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// The type as SQL spells it, without a length.
    pub(super) kind: String,
    /// Whether a write may set it.
    pub(super) settable: bool,
    /// What an insert that does not name it puts there, as SQL; none where the server makes it.
    pub(super) default: Option<String>,
    /// Whether an insert has to name it.
    pub(super) needed: bool,
    /// The length, or precision and scale, of its type, as the server keeps it.
    pub(super) modifier: i32,
    /// Whether its values are names of a list.
    pub(super) enumerated: bool,
    /// Whether the server shows times in UTC.
    pub(super) utc: bool,
    /// Whether the user may read it.
    readable: bool,
}

/// The table, its names as they are in the database.
#[derive(Debug, PartialEq, Eq)]
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
    /// Whether a queued delete leaves a mark where there is no row: where there are columns for
    /// it, and a row may have nothing but a key.
    pub(super) buries: bool,
    /// Views are.
    pub(super) read_only: bool,
    /// Whether triggers or rules may make something else of a row than was written.
    pub(super) stirred: bool,
}

impl Table {
    /// The names of what a value shows.
    pub(super) fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|one| one.name.as_str()).collect()
    }

    /// Looks the configured names up, by statements that need no session.
    pub(super) async fn inspect(
        client: &Client,
        config: &PostgresConfig,
        database: &str,
    ) -> Result<Self, OpenError> {
        let broken = |error: Error| failure::of_asking(&error, database);
        let found = client
            .query_typed_opt(FIND, &[(&config.table, Type::TEXT)])
            .await
            .map_err(broken)?;
        let Some(found) = found else {
            let has = client
                .query_typed_one(TABLES, &[(&LISTED, Type::INT8)])
                .await;
            let has = has.map_err(broken)?;
            return Err(OpenError::NoTable {
                database: database.into(),
                table: config.table.clone(),
                has: has.get(0),
            });
        };
        let (oid, read_only): (u32, bool) = (found.get(0), found.get(3));
        let stirred = client.query_typed_one(STIRRED, &[(&oid, Type::OID)]).await;
        let stirred = stirred.map_err(broken)?;
        let quoted = format!("{}.{}", quote(found.get(1)), quote(found.get(2)));
        let rows = client.query_typed(COLUMNS, &[(&oid, Type::OID)]).await;
        let rows = rows.map_err(broken)?;
        let all = rows.iter().map(|row| Column {
            name: row.get(0),
            kind: row.get(1),
            settable: row.get(2),
            default: row.get(3),
            needed: row.get(4),
            modifier: row.get(5),
            enumerated: row.get(6),
            utc: row.get(7),
            readable: row.get(8),
        });
        let table = Self::new(quoted, all.collect(), config, database)?;
        if !table.key.readable {
            let user: &str = found.get(4);
            return Err(OpenError::Forbidden {
                database: database.into(),
                table: config.table.clone(),
                user: user.into(),
                fix: format!("GRANT SELECT ON {} TO {}", table.quoted, quote(user)),
            });
        }
        let unique = client
            .query_typed_opt(UNIQUE, &[(&oid, Type::OID), (&table.key.name, Type::TEXT)])
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
        Ok(Self {
            read_only,
            stirred: stirred.get(0),
            ..table
        })
    }

    fn new(
        quoted: String,
        mut all: Vec<Column>,
        config: &PostgresConfig,
        database: &str,
    ) -> Result<Self, OpenError> {
        check(&all, config, database)?;
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
                    settable: true,
                    ..key.clone()
                })
            },
        )?;
        let bare = all
            .iter()
            .all(|column| !column.needed || column.name == key.name);
        Ok(Self {
            quoted,
            buries: bare && config.sequence.is_some() && config.deleted.is_some(),
            columns: all,
            key,
            column,
            version: config.version.as_deref().map(quote),
            sequence: config.sequence.as_deref().map(quote),
            deleted: config.deleted.as_deref().map(quote),
            read_only: false,
            stirred: false,
        })
    }
}

/// Whether the table has the configured columns, and each can be what it is to be.
fn check(all: &[Column], config: &PostgresConfig, database: &str) -> Result<(), OpenError> {
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
        if !column.settable && matches!(field, "version" | "sequence" | "deleted") {
            return Err(OpenError::Setting {
                field,
                why: format!("names column `{name}`, which is generated and cannot be set"),
            });
        }
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
    Ok(())
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

pub(super) const FIND: &str = "
    SELECT c.oid, n.nspname, c.relname, c.relkind IN ('v', 'm', 'f'), current_user::text
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND (c.relname = $1 AND pg_table_is_visible(c.oid) OR n.nspname || '.' || c.relname = $1)
    ORDER BY c.relname = $1 DESC LIMIT 1";

pub(super) const TABLES: &str = "
    SELECT coalesce(string_agg(name, ', ' ORDER BY name), 'none') FROM (
        SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname::text
                    ELSE n.nspname || '.' || c.relname END AS name
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
          AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
        ORDER BY 1 LIMIT $1) names";

/// The type modifier -1 keeps `character` from meaning one character. A default is that of the
/// column, or of its domain.
pub(super) const COLUMNS: &str = "
    SELECT name, kind, settable,
           CASE WHEN made THEN NULL ELSE '(' || coalesce(own, 'NULL') || ')' END,
           attnotnull AND NOT made AND own IS NULL, modifier, enumerated,
           current_setting('TimeZone') IN ('UTC', 'Etc/UTC', 'GMT'), readable
    FROM (
        SELECT a.attnum, a.attname::text AS name, format_type(a.atttypid, -1) AS kind,
               a.atttypmod AS modifier, t.typtype = 'e' AS enumerated,
               a.attgenerated = '' AND a.attidentity <> 'a' AS settable, a.attnotnull,
               a.attgenerated <> '' OR a.attidentity <> '' AS made,
               has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS readable,
               coalesce(pg_get_expr(d.adbin, d.adrelid), pg_get_expr(t.typdefaultbin, 0)) AS own
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
    ) columns ORDER BY attnum";

/// Triggers before the row may change it, and those after it where their function names the table,
/// or makes up what it does as it goes; what such a function calls is not looked at.
const STIRRED: &str = r"
    SELECT EXISTS (
        SELECT 1 FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid
        JOIN pg_language l ON l.oid = p.prolang JOIN pg_class c ON c.oid = g.tgrelid
        WHERE g.tgrelid = $1 AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A')
          AND g.tgtype & 20 <> 0
          AND (g.tgtype & 3 = 3 OR l.lanname <> 'plpgsql' OR p.prosrc ~* '\mexecute\M'
               OR strpos(lower(regexp_replace(p.prosrc, '''[^'']*''', '', 'g')),
                         lower(c.relname)) > 0)
    ) OR EXISTS (
        SELECT 1 FROM pg_rewrite r WHERE r.ev_class = $1 AND r.ev_type IN ('2', '3')
    )";

const UNIQUE: &str = "
    SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = $2
    WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indimmediate
      AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum LIMIT 1";

/// A name as SQL takes it, whatever it is.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
