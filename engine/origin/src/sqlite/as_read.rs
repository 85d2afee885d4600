//! Values as a row will show them once they were written: SQLite keeps a value by what its column is
//! declared as.

use std::borrow::Cow;

use rusqlite::types::{Value as Sql, ValueRef};

use super::row::{push_value, sql};
use super::schema::Column;
use crate::whole::{self, Shown};

impl Shown for Column {
    fn name(&self) -> &str {
        &self.name
    }

    fn settable(&self) -> bool {
        !self.generated
    }

    fn as_read<'v>(&self, written: &'v str) -> Option<Cow<'v, str>> {
        let affinity = Affinity::of(&self.declared);
        if self.keeps(written, affinity) {
            return Some(Cow::Borrowed(written));
        }
        let handed = sql(written, self).ok()?;
        let kept = kept(handed, affinity)?;
        let mut out = Vec::with_capacity(written.len() + 2);
        push_value(&mut out, ValueRef::from(&kept), self).ok()?;
        String::from_utf8(out).ok().map(Cow::Owned)
    }
}

impl Column {
    /// Whether a value is kept as it is spelled, for the most common ones without a look inside.
    fn keeps(&self, written: &str, affinity: Affinity) -> bool {
        match affinity {
            Affinity::Text => whole::is_plain_text(written) && !self.json && !self.blob,
            Affinity::Integer => whole::is_plain_whole(written) && !self.boolean,
            _ => written == "null",
        }
    }
}

/// What a column prefers to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Affinity {
    Integer,
    Text,
    Blob,
    Real,
    Numeric,
    /// Nothing in a strict table, and numbers in others.
    Any,
}

impl Affinity {
    /// By the rules of SQLite, in their order; `declared` is in capitals.
    fn of(declared: &str) -> Self {
        let has = |parts: &[&str]| parts.iter().any(|part| declared.contains(part));
        match declared {
            "ANY" => Self::Any,
            "" => Self::Blob,
            _ if has(&["INT"]) => Self::Integer,
            _ if has(&["CHAR", "CLOB", "TEXT"]) => Self::Text,
            _ if has(&["BLOB"]) => Self::Blob,
            _ if has(&["REAL", "FLOA", "DOUB"]) => Self::Real,
            _ => Self::Numeric,
        }
    }
}

/// What a column keeps of a value; none where only SQLite can say.
fn kept(value: Sql, affinity: Affinity) -> Option<Sql> {
    use Affinity::{Any, Blob, Integer, Numeric, Real, Text};
    Some(match (value, affinity) {
        (Sql::Integer(n), Text) => Sql::Text(n.to_string()),
        (Sql::Integer(n), Real) => Sql::Real(n as f64),
        (Sql::Real(_), Text) => return None,
        // It is kept as a whole number, which has one zero.
        (Sql::Real(0.0), Real) => Sql::Real(0.0),
        (Sql::Real(n), Integer | Numeric) => match whole_number(n) {
            Some(whole) => Sql::Integer(whole),
            None => Sql::Real(n),
        },
        (Sql::Real(n), Any) if n.fract() == 0.0 => return None,
        // A text that is a number becomes one.
        (Sql::Text(text), Integer | Real | Numeric | Any) if text.trim().parse::<f64>().is_ok() => {
            return None;
        }
        (value, Integer | Text | Blob | Real | Numeric | Any) => value,
    })
}

/// The whole number that a number is, as far as every one has a number of its own.
fn whole_number(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() < EXACT).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::sqlite::schema::columns;

    const KINDS: [&str; 12] = [
        "INTEGER",
        "TEXT",
        "VARCHAR(3)",
        "BLOB",
        "",
        "REAL",
        "DOUBLE",
        "NUMERIC",
        "DECIMAL(10,2)",
        "BOOLEAN",
        "DATETIME",
        "JSON",
    ];

    const WRITTEN: [&str; 17] = [
        "null",
        "5",
        "5.0",
        "5.25",
        "-0.0",
        "1e20",
        "9007199254740993",
        "true",
        r#""""#,
        r#""abc ""#,
        r#""5""#,
        r#"" 5.0 ""#,
        r#""2026-01-02T03:04:05Z""#,
        r#""YWJj""#,
        r#"{"a": 1}"#,
        "[1, 2]",
        r#""inf""#,
    ];

    /// Every value in a column of every kind, in tables of both sorts: what is told is what SQLite
    /// shows, and most of it is told.
    #[test]
    fn what_is_told_is_what_sqlite_shows() {
        let db = Connection::open_in_memory().unwrap();
        let mut told = 0;
        for (kind, strict) in KINDS.iter().map(|kind| (*kind, "")).chain([
            ("INT", " STRICT"),
            ("TEXT", " STRICT"),
            ("REAL", " STRICT"),
            ("ANY", " STRICT"),
            ("ANY", ""),
        ]) {
            db.execute_batch(&format!(
                "DROP TABLE IF EXISTS t; CREATE TABLE t (v {kind}){strict}"
            ))
            .unwrap();
            let column = columns(&db, "t").unwrap().pop().unwrap();
            for written in WRITTEN {
                let Some(shown) = column.as_read(written) else {
                    continue;
                };
                let value = sql(written, &column).unwrap();
                if db.execute("INSERT INTO t VALUES (?1)", [value]).is_err() {
                    continue;
                }
                let mut out = Vec::new();
                db.query_row("SELECT v FROM t ORDER BY rowid DESC LIMIT 1", [], |row| {
                    push_value(&mut out, row.get_ref(0)?, &column).unwrap();
                    Ok(())
                })
                .unwrap();
                assert_eq!(
                    shown,
                    String::from_utf8(out).unwrap(),
                    "{kind}{strict} {written}"
                );
                told += 1;
            }
        }
        assert!(told > 150, "{told} are told");
    }
}
