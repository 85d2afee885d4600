//! Which row of a batch is to blame, whatever the server says.

use super::*;

const OBJECTS: &str = "
    CREATE TABLE q (id text PRIMARY KEY, n int);
    CREATE TABLE known (n int PRIMARY KEY); INSERT INTO known SELECT generate_series(0, 99);
    ALTER TABLE q ADD FOREIGN KEY (n) REFERENCES known DEFERRABLE INITIALLY DEFERRED;
    CREATE FUNCTION object() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.n = 50 THEN RAISE EXCEPTION 'own' USING ERRCODE = 'SHOP1'; END IF;
        IF NEW.n = 51 THEN PERFORM no_such_function(); END IF;
        IF NEW.n = 52 THEN RAISE EXCEPTION 'internal' USING ERRCODE = 'XX000'; END IF;
        IF NEW.n = 53 THEN RAISE EXCEPTION 'state' USING ERRCODE = '55000'; END IF;
        IF NEW.n = 54 THEN RAISE no_data_found; END IF;
        IF NEW.n = 55 THEN ASSERT false; END IF;
        IF NEW.n = 56 THEN RAISE EXCEPTION 'right' USING ERRCODE = '42501'; END IF;
        IF NEW.n = 57 THEN RAISE EXCEPTION 'cancelled' USING ERRCODE = '57014'; END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER object BEFORE INSERT OR UPDATE ON q FOR EACH ROW EXECUTE FUNCTION object();
";

async fn hand_over(origin: &PostgresOrigin, numbers: &[u32]) -> Vec<Result<Written, OriginError>> {
    let ids: Vec<String> = numbers.iter().map(|n| format!("row-{n}")).collect();
    let body = |n: &u32| Value::json(format!("{{\"n\":{n}}}"));
    let values: Vec<Value> = numbers.iter().map(body).collect();
    let changes: Vec<_> = ids
        .iter()
        .zip(&values)
        .map(|(id, value)| queued(id, Some(value), 7))
        .collect();
    origin.apply(&changes).await
}

async fn shop() -> (Shop, PostgresOrigin) {
    let shop = Shop::new().await;
    shop.0.ask(OBJECTS).await.unwrap();
    let origin = PostgresOrigin::open(shop.config("q")).await.unwrap();
    (shop, origin)
}

#[tokio::test]
async fn one_row_is_to_blame_whatever_the_code_of_its_refusal_is() {
    let (_shop, origin) = shop().await;
    // 200 is refused when the statement is committed.
    for poison in [50, 51, 52, 53, 54, 55, 56, 200] {
        let numbers: Vec<u32> = (0..40).chain([poison]).collect();
        let answers = hand_over(&origin, &numbers).await;
        let refused = answers[40].as_ref().expect_err("it is refused");
        assert!(refused.is_permanent(), "{poison}: {refused:?}");
        for answer in &answers[..40] {
            assert!(answer.is_ok(), "beside {poison}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_row_whose_statement_is_cancelled_costs_the_others_nothing() {
    let (_shop, origin) = shop().await;
    let answers = hand_over(&origin, &[1, 2, 57, 3, 4, 5, 6, 7]).await;
    let late = answers[2].as_ref().expect_err("it is late");
    assert_eq!(
        late.as_str(),
        "failed",
        "{late}: it may have waited for somebody"
    );
    assert_eq!(
        answers.iter().filter(|answer| answer.is_ok()).count(),
        7,
        "{answers:?}"
    );
}

#[tokio::test]
async fn where_nobody_may_write_no_row_is_to_blame() {
    let (shop, origin) = shop().await;
    shop.0
        .ask("CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
              RAISE EXCEPTION 'no' USING ERRCODE = '42501'; END $$; \
              CREATE TRIGGER never BEFORE INSERT OR UPDATE ON q FOR EACH ROW EXECUTE FUNCTION never()")
        .await
        .unwrap();
    for answer in hand_over(&origin, &(0..40).collect::<Vec<_>>()).await {
        let failed = answer.expect_err("nothing is written");
        assert!(!failed.is_permanent(), "{failed}");
    }
}
