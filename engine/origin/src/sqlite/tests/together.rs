use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::sqlite::edit::Edit;

const LIMITS: Limits = Limits {
    timeout_ms: 1000,
    max_bytes: 1 << 20,
};

fn edit(id: &str, body: Option<&str>) -> Edit {
    Edit {
        id: id.into(),
        body: body.map(|body| body.to_owned().into()),
        sequence: Some(1),
        fields: Vec::new(),
    }
}

fn look(shop: &Shop, table: &str) -> Look {
    Look::new(&Arc::new(shop.config(table)), &Arc::default())
}

/// What became of each, in few words, and how many commits that took.
fn apply(shop: &Shop, table: &str, edits: &[Edit]) -> (String, usize) {
    let mut db = Connection::open(&shop.path).unwrap();
    let commits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&commits);
    db.commit_hook(Some(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        false
    }))
    .unwrap();
    let mut look = look(shop, table);
    let answers = batch::apply((&mut db, 0), &mut look, edits, (LIMITS, &|| true));
    let words: Vec<&str> = answers
        .iter()
        .map(|answer| answer.as_ref().map_or_else(OriginError::as_str, |_| "ok"))
        .collect();
    (words.join(" "), commits.load(Ordering::Relaxed))
}

#[test]
fn a_batch_is_committed_once_whatever_is_refused_in_it() {
    let shop = Shop::new();
    let edits = [
        edit("a", Some(r#"{"n":1}"#)),
        edit("b", Some(r#"{"n":999}"#)),
        edit("c", Some("nonsense")),
        edit("d", None),
        edit("e", Some(r#"{"n":2}"#)),
    ];
    let (answers, commits) = apply(&shop, "items", &edits);
    assert_eq!(answers, "ok rejected rejected ok ok");
    assert_eq!(commits, 1);
    assert_eq!(
        shop.ask("SELECT group_concat(id) FROM items"),
        Some("a,e".into())
    );
}

#[test]
fn a_trigger_that_rolls_everything_back_costs_only_its_own_row() {
    let shop = Shop::new();
    shop.run(
        "CREATE TRIGGER no AFTER INSERT ON items WHEN new.n = 7
         BEGIN SELECT raise(ROLLBACK, 'no sevens'); END",
    );
    let edits: Vec<Edit> = (5..10)
        .map(|n| edit(&format!("i{n}"), Some(&format!(r#"{{"n":{n}}}"#))))
        .collect();
    let (answers, _) = apply(&shop, "items", &edits);
    assert_eq!(answers, "ok ok rejected ok ok");
    assert_eq!(
        shop.ask("SELECT group_concat(id) FROM (SELECT id FROM items ORDER BY id)"),
        Some("i5,i6,i8,i9".into())
    );
    let (answers, _) = apply(&shop, "items", &edits[2..3]);
    assert_eq!(answers, "rejected");
}

#[test]
fn what_only_the_commit_refuses_costs_only_its_own_row() {
    let shop = Shop::new();
    shop.run(
        "CREATE TABLE lines (id TEXT PRIMARY KEY, product INTEGER
             REFERENCES products (id) DEFERRABLE INITIALLY DEFERRED)",
    );
    let edits: Vec<Edit> = [42, 7, 1, 42, 42]
        .iter()
        .enumerate()
        .map(|(n, product)| {
            edit(
                &format!("l{n}"),
                Some(&format!(r#"{{"product":{product}}}"#)),
            )
        })
        .collect();
    let (answers, _) = apply(&shop, "lines", &edits);
    assert_eq!(answers, "ok ok rejected ok ok");
    assert_eq!(shop.ask("SELECT count(*) FROM lines"), Some("4".into()));
}

#[test]
fn nothing_is_committed_that_came_too_late() {
    let shop = Shop::new();
    let mut db = Connection::open(&shop.path).unwrap();
    let mut look = look(&shop, "items");
    let edits = [edit("a", Some("{}")), edit("b", Some("{}"))];
    let asked = AtomicUsize::new(0);
    // In time for both edits, but not for the commit.
    let may_commit = || asked.fetch_add(1, Ordering::Relaxed) < 2;
    let answers = batch::apply((&mut db, 0), &mut look, &edits, (LIMITS, &may_commit));
    let late = OriginError::Timeout { limit_ms: 1000 };
    assert_eq!(answers, [Err(late.clone()), Err(late)]);
    assert_eq!(shop.ask("SELECT count(*) FROM items"), Some("0".into()));
}

#[tokio::test]
async fn views_are_written_through_their_triggers() {
    let shop = Shop::new();
    shop.run(
        "CREATE VIEW names AS SELECT id, name FROM items;
         CREATE TRIGGER put INSTEAD OF INSERT ON names
             BEGIN INSERT INTO items (id, name) VALUES (new.id, new.name); END;
         CREATE TRIGGER over INSTEAD OF UPDATE ON names
             BEGIN UPDATE items SET name = new.name WHERE id = old.id; END;
         CREATE TRIGGER off INSTEAD OF DELETE ON names
             BEGIN DELETE FROM items WHERE id = old.id; END;",
    );
    let origin = shop.origin("names");
    for (name, existed) in [("one", false), ("two", true)] {
        let written = write(&origin, "a", &json!({"name": name})).await.unwrap();
        assert_eq!(written.existed, Some(existed));
        assert!(text(&origin, "a").await.unwrap().contains(name));
    }
    let deleted = origin.delete(wanted("a")).await.unwrap();
    assert_eq!(deleted.existed, Some(true));
    assert_eq!(text(&origin, "a").await, None);
}
