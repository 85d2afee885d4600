//! What a write answers is what a read would bring, whatever triggers make of it.

use super::*;

const ORDERS: &str = "
    CREATE TABLE orders (id TEXT PRIMARY KEY, price REAL, qty INTEGER DEFAULT 1, total REAL,
        half REAL AS (price / 2), twice REAL AS (price * 2) STORED, seen INTEGER DEFAULT 0);
    CREATE TRIGGER total_in AFTER INSERT ON orders
        BEGIN UPDATE orders SET total = price * qty WHERE id = NEW.id; END;
    CREATE TRIGGER total_up AFTER UPDATE OF price, qty ON orders
        BEGIN UPDATE orders SET total = price * qty WHERE id = NEW.id; END;
    CREATE TRIGGER seen AFTER UPDATE OF price ON orders
        BEGIN UPDATE orders SET seen = seen + 1 WHERE id <> NEW.id; END;
    CREATE VIEW totals AS SELECT id, total, (SELECT count(*) FROM orders) AS n FROM orders;
    CREATE TRIGGER set_total INSTEAD OF UPDATE ON totals
        BEGIN UPDATE orders SET price = NEW.total / qty WHERE id = OLD.id; END;";

#[tokio::test]
async fn an_answer_shows_what_triggers_and_generated_columns_made() {
    let shop = Shop::new();
    shop.run(ORDERS);
    let origin = shop.origin("orders");
    for body in [
        json!({"price": 3, "qty": 2}),
        json!({"price": 5}),
        json!({"qty": 4}),
    ] {
        let written = write(&origin, "a", &body).await.unwrap();
        let loaded = origin.load(wanted("a")).await.unwrap().value;
        assert_eq!(written.value, loaded, "{body}");
    }
    let row = text(&origin, "a").await.unwrap();
    assert!(
        row.contains(r#""total":20.0,"half":2.5,"twice":10.0"#),
        "{row}"
    );
}

#[tokio::test]
async fn a_row_is_written_as_it_was_read() {
    let shop = Shop::new();
    shop.run(ORDERS);
    let origin = shop.origin("orders");
    write(&origin, "a", &json!({"price": 3})).await.unwrap();
    let row = text(&origin, "a").await.unwrap();
    let written = origin.write(wanted("a"), &Value::json(row.clone())).await;
    assert_eq!(written.unwrap().value, Some(Value::json(row.clone())));
    let copy = row.replace("\"a\"", "\"b\"").replace("3.0", "4.0");
    let written = origin.write(wanted("b"), &Value::json(copy)).await.unwrap();
    let written = String::from_utf8(written.value.unwrap().bytes.to_vec()).unwrap();
    assert!(
        written.contains(r#""half":2.0,"twice":8.0"#),
        "computed anew: {written}"
    );
}

#[tokio::test]
async fn answers_of_a_batch_show_what_its_later_writes_made_of_the_rows() {
    let shop = Shop::new();
    shop.run(ORDERS);
    let origin = shop.origin("orders");
    let body = Value::json(r#"{"price":1,"qty":1}"#);
    let ids = ["a", "b", "c"];
    for sequence in 1..3 {
        let changes = ids.map(|id| queued(id, Some(&body), sequence));
        let answers = origin.apply(&changes).await;
        for (id, answer) in ids.iter().zip(answers) {
            let loaded = origin.load(wanted(id)).await.unwrap().value;
            assert_eq!(answer.unwrap().value, loaded, "{id} in round {sequence}");
        }
    }
}

#[tokio::test]
async fn a_view_answers_what_its_trigger_made_of_the_write() {
    let shop = Shop::new();
    shop.run(ORDERS);
    write(&shop.origin("orders"), "a", &json!({"price": 3, "qty": 3}))
        .await
        .unwrap();
    let origin = shop.origin("totals");
    let written = write(&origin, "a", &json!({"total": 10})).await.unwrap();
    assert_eq!(written.value, origin.load(wanted("a")).await.unwrap().value);
    let error = write(&origin, "new", &json!({"total": 1}))
        .await
        .unwrap_err();
    assert_eq!(
        error.as_str(),
        "rejected",
        "there is no trigger for inserts: {error}"
    );
}

#[tokio::test]
async fn a_write_that_a_trigger_swallows_or_moves_is_not_answered_with_another_value() {
    let shop = Shop::new();
    shop.run(
        "CREATE TRIGGER skip BEFORE INSERT ON items WHEN NEW.n = 7
             BEGIN SELECT raise(IGNORE); END;
         CREATE TRIGGER away AFTER INSERT ON items WHEN NEW.n = 8
             BEGIN DELETE FROM items WHERE id = NEW.id; END;",
    );
    let origin = shop.origin("items");
    for n in [7, 8] {
        let error = write(&origin, "a", &json!({"n": n})).await.unwrap_err();
        assert_eq!(error.as_str(), "rejected", "{error}");
        assert_eq!(text(&origin, "a").await, None);
    }
}
