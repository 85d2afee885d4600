//! The statements of a table. Those that look for a row take the id as `?1`, and as `?2` once more
//! as an integer where it is the spelling of one.

use std::borrow::Cow;

use super::schema::{Column, Kept, Table};

/// The statements that are the same for every write.
#[derive(Debug)]
pub(super) struct Statements {
    /// The whole row, if it is not marked as deleted.
    pub(super) select: String,
    /// What follows the columns of a select of the row.
    from: String,
    /// Of the row, whether it is live, and its sequence.
    pub(super) look: String,
    /// The version of the row, dead or alive.
    pub(super) version: Option<String>,
    pub(super) delete: String,
    table: String,
    fits: String,
}

/// Which row a write changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Onto {
    /// One that is live.
    Live,
    /// One that is marked as deleted: what the write does not name becomes what it would be in a
    /// new row.
    Dead,
}

impl Statements {
    pub(super) fn new(table: &str, (columns, key): (&[Column], usize), kept: &Kept) -> Self {
        let table = quote(table);
        let key = columns.get(key).map(|column| quote(&column.name));
        let key = key.unwrap_or_default();
        // The first half may use an index but follows the column's affinity and collation, by
        // which `042` equals 42; the second half holds every row to one spelling.
        let fits = format!("{key} IN (?1, ?2) AND CAST({key} AS TEXT) = ?1 COLLATE BINARY");
        let all: Vec<String> = columns.iter().map(read).collect();
        let alive = match &kept.deleted {
            Some(deleted) => format!("{deleted} IS NOT TRUE"),
            None => "TRUE".into(),
        };
        let sequence = kept.sequence.as_deref().unwrap_or("NULL");
        let from = format!("FROM {table} WHERE {fits} AND {alive} LIMIT 2");
        Self {
            select: format!("SELECT {} {from}", all.join(", ")),
            from,
            look: format!("SELECT {alive}, {sequence} FROM {table} WHERE {fits} LIMIT 2"),
            version: kept
                .version
                .as_ref()
                .map(|version| format!("SELECT {version} FROM {table} WHERE {fits}")),
            delete: format!("DELETE FROM {table} WHERE {fits}"),
            table,
            fits,
        }
    }
}

impl Table {
    /// The row, or some columns of it.
    pub(super) fn select(&self, shown: Option<&[usize]>) -> Cow<'_, str> {
        let Some(shown) = shown else {
            return Cow::Borrowed(&self.sql.select);
        };
        let shown = shown.iter().filter_map(|at| self.columns.get(*at));
        let shown: Vec<String> = shown.map(read).collect();
        Cow::Owned(format!("SELECT {} {}", shown.join(", "), self.sql.from))
    }

    /// Sets `columns`, whose values are `?3` and on, and then the sequence where one is `queued`.
    /// None where there is nothing to set.
    pub(super) fn update(&self, columns: &[usize], onto: Onto, queued: bool) -> Option<String> {
        let mut set: Vec<String> = self
            .quoted_names(columns)
            .enumerate()
            .map(|(at, name)| format!("{name} = ?{}", at + 3))
            .collect();
        if onto == Onto::Dead {
            let others = self.columns.iter().enumerate();
            let others = others.filter(|(at, _)| *at != self.key && !columns.contains(at));
            set.extend(others.filter_map(|(_, column)| {
                let default = column.default.as_ref()?;
                Some(format!("{} = {default}", quote(&column.name)))
            }));
        }
        set.extend(self.kept(queued.then_some(columns.len() + 3), false));
        (!set.is_empty()).then(|| self.set(&set))
    }

    /// Marks the row as deleted; `?3` is the sequence where one is `queued`.
    pub(super) fn mark(&self, queued: bool) -> String {
        self.set(&self.kept(queued.then_some(3), true))
    }

    /// Adds a row of `columns`, whose values are `?1` and on, and then the sequence where one is
    /// `queued`. A `dead` one is marked as deleted.
    pub(super) fn insert(&self, columns: &[usize], queued: bool, dead: bool) -> String {
        let mut names: Vec<String> = self.quoted_names(columns).collect();
        let mut values: Vec<String> = (1..=names.len()).map(|at| format!("?{at}")).collect();
        let sequence = match queued {
            true => format!("?{}", names.len() + 1),
            false => "0".into(),
        };
        for (name, value) in [
            (&self.kept.version, "1"),
            (&self.kept.sequence, &sequence),
            (&self.kept.deleted, if dead { "1" } else { "0" }),
        ] {
            if let Some(name) = name {
                names.push(name.clone());
                values.push(value.into());
            }
        }
        format!(
            "INSERT INTO {} ({}) VALUES ({})",
            self.sql.table,
            names.join(", "),
            values.join(", ")
        )
    }

    fn set(&self, set: &[String]) -> String {
        let Statements { table, fits, .. } = &self.sql;
        format!("UPDATE {table} SET {} WHERE {fits}", set.join(", "))
    }

    /// What an update sets of the columns that are kept for Larder.
    fn kept(&self, sequence: Option<usize>, dead: bool) -> Vec<String> {
        let version = self.kept.version.iter();
        let mut set: Vec<String> = version
            .map(|name| format!("{name} = coalesce({name}, 0) + 1"))
            .collect();
        if let (Some(name), Some(at)) = (&self.kept.sequence, sequence) {
            set.push(format!("{name} = ?{at}"));
        }
        let deleted = self.kept.deleted.iter();
        set.extend(deleted.map(|name| format!("{name} = {}", i32::from(dead))));
        set
    }

    fn quoted_names(&self, columns: &[usize]) -> impl Iterator<Item = String> {
        columns
            .iter()
            .filter_map(|at| self.columns.get(*at))
            .map(|column| quote(&column.name))
    }
}

/// The column as a select answers it. SQLite's own binary form of JSON is none that others read.
fn read(column: &Column) -> String {
    let name = quote(&column.name);
    match column.json {
        true => format!(
            "CASE WHEN typeof({name}) = 'blob' AND json_valid({name}, 8) THEN json({name}) ELSE {name} END"
        ),
        false => name,
    }
}

pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
