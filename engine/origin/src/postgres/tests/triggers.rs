//! What a write answers is what a read brings after the commit.

use super::*;

const ORDERS: &str = "
    CREATE TABLE orders (id text PRIMARY KEY, price numeric, qty int DEFAULT 1, total numeric,
        half numeric GENERATED ALWAYS AS (price / 2) STORED,
        number bigint GENERATED ALWAYS AS IDENTITY, stamp text, log int DEFAULT 0);
    CREATE FUNCTION total() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN UPDATE orders SET total = price * qty WHERE id = NEW.id; RETURN NULL; END $$;
    CREATE TRIGGER total AFTER INSERT OR UPDATE OF price, qty ON orders
        FOR EACH ROW EXECUTE FUNCTION total();
    CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN NEW.stamp := 'stamped ' || NEW.price; RETURN NEW; END $$;
    CREATE TRIGGER stamp BEFORE INSERT OR UPDATE OF price ON orders
        FOR EACH ROW EXECUTE FUNCTION stamp();
    CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN UPDATE orders SET log = log + 1 WHERE id = NEW.id; RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE OF price ON orders
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();
    CREATE TABLE moved (id text PRIMARY KEY, n int);
    CREATE RULE away AS ON UPDATE TO moved WHERE NEW.n = 7
        DO ALSO UPDATE moved SET n = 8 WHERE id = NEW.id AND n = 7;";

async fn orders() -> (Shop, PostgresOrigin) {
    let shop = Shop::new().await;
    shop.0.ask(ORDERS).await.unwrap();
    let origin = open(shop.config("orders")).await;
    (shop, origin)
}

#[tokio::test]
async fn an_answer_shows_what_triggers_and_generated_columns_made_until_the_commit() {
    let (_shop, origin) = orders().await;
    for body in [r#"{"price":3,"qty":2}"#, r#"{"price":5}"#, r#"{"qty":4}"#] {
        let written = write(&origin, "a", body).await.unwrap();
        let loaded = origin.load(wanted("a")).await.unwrap().value;
        assert_eq!(written.value, loaded, "{body}");
    }
    let row = text(&origin, "a").await.unwrap();
    for part in [
        r#""total":20"#,
        r#""half":2.5"#,
        r#""stamp":"stamped 5""#,
        r#""log":2"#,
    ] {
        assert!(row.contains(part), "{part} in {row}");
    }
}

#[tokio::test]
async fn a_row_is_written_as_it_was_read() {
    let (_shop, origin) = orders().await;
    write(&origin, "a", r#"{"price":3}"#).await.unwrap();
    let row = text(&origin, "a").await.unwrap();
    let written = write(&origin, "a", &row).await.unwrap();
    assert_eq!(written.value, origin.load(wanted("a")).await.unwrap().value);
    write(&origin, "b", &row.replace("\"a\"", "\"b\""))
        .await
        .unwrap();
}

#[tokio::test]
async fn answers_of_a_batch_show_what_the_commit_left() {
    let (_shop, origin) = orders().await;
    let values: Vec<Value> = (0..20)
        .map(|n| Value::json(format!(r#"{{"price":{n},"qty":2}}"#)))
        .collect();
    let ids: Vec<String> = (0..20).map(|n| format!("o{n}")).collect();
    let changes: Vec<_> = ids
        .iter()
        .zip(&values)
        .map(|(id, value)| queued(id, Some(value), 1))
        .collect();
    for (id, answer) in ids.iter().zip(origin.apply(&changes).await) {
        let loaded = origin.load(wanted(id)).await.unwrap().value;
        assert!(loaded.is_some());
        assert_eq!(answer.unwrap().value, loaded, "{id}");
    }
}

#[tokio::test]
async fn a_trigger_or_rule_that_is_made_later_is_heeded_at_once() {
    let (shop, origin) = orders().await;
    write(&origin, "a", r#"{"price":3}"#).await.unwrap();
    shop.0
        .ask("CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$
              BEGIN UPDATE orders SET qty = 99 WHERE id = NEW.id; RETURN NULL; END $$;
              CREATE TRIGGER zz AFTER UPDATE OF price ON orders FOR EACH ROW EXECUTE FUNCTION more()")
        .await
        .unwrap();
    let written = write(&origin, "a", r#"{"price":4}"#).await.unwrap();
    assert_eq!(written.value, origin.load(wanted("a")).await.unwrap().value);
    assert!(text(&origin, "a").await.unwrap().contains("\"qty\":99"));
}
