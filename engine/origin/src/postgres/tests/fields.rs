//! Single fields of a row.

use super::*;

fn named(names: &[&str]) -> Vec<(String, String)> {
    let named = names
        .iter()
        .map(|name| ("query.field".to_owned(), (*name).to_owned()));
    named.collect()
}

fn field<'a>(id: &'a str, attributes: &'a [(String, String)]) -> Wanted<'a> {
    Wanted {
        attributes,
        ..wanted(id)
    }
}

#[tokio::test]
async fn a_field_is_that_field_alone() {
    let shop = Shop::new().await;
    let origin = open(shop.config("products")).await;
    for (names, row) in [
        (&["price"][..], r#"{"price":3.50}"#),
        (&["sold", "id"][..], r#"{"id":42,"sold":true}"#),
        (&["price,sold"][..], r#"{"price":3.50,"sold":true}"#),
    ] {
        let attributes = named(names);
        let found = origin.load(field("42", &attributes)).await.unwrap();
        assert_eq!(found.value, Some(Value::json(row)));
        assert_eq!(
            origin.load(field("43", &attributes)).await.unwrap().value,
            None
        );
    }
    let attributes = named(&["colour"]);
    for id in ["42", "43", "x"] {
        let error = origin.load(field(id, &attributes)).await.unwrap_err();
        assert_eq!(error.as_str(), "rejected");
        assert!(
            error
                .to_string()
                .contains("`field` may name: id, name, price, sold"),
            "{error}"
        );
    }
    let mut config = shop.config("kept");
    config.column = Some("value".into());
    let attributes = named(&["n"]);
    let error = open(config)
        .await
        .load(field("a", &attributes))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("the value is one column"),
        "{error}"
    );
}

#[tokio::test]
async fn a_field_is_written_alone_and_answered_alone() {
    let shop = Shop::new().await;
    let origin = open(shop.config("products")).await;
    let attributes = named(&["price"]);
    let price = field("42", &attributes);
    let written = origin
        .write(price, &Value::json(r#"{"price":9.5}"#))
        .await
        .unwrap();
    assert_eq!(written.value, Some(Value::json(r#"{"price":9.5}"#)));
    let body = Value::json(r#"{"price":1,"name":"x"}"#);
    let error = origin.write(price, &body).await.unwrap_err();
    assert!(error.to_string().contains("writes `name`"), "{error}");
    assert_eq!(origin.delete(price).await.unwrap_err().as_str(), "rejected");
    let good = Value::json(r#"{"price":8}"#);
    let changes = [
        Change {
            wanted: price,
            ..queued("42", None, 1)
        },
        Change {
            wanted: price,
            ..queued("42", Some(&body), 1)
        },
        Change {
            wanted: price,
            ..queued("42", Some(&good), 1)
        },
    ];
    let words: Vec<_> = origin
        .apply(&changes)
        .await
        .iter()
        .map(|answer| answer.as_ref().map_or_else(OriginError::as_str, |_| "ok"))
        .collect();
    assert_eq!(words, ["rejected", "rejected", "ok"]);
    assert!(text(&origin, "42").await.unwrap().contains("\"price\":8"));
}
