use super::*;

#[test]
fn what_is_missing_is_named_with_what_exists() {
    let shop = Shop::new();
    let error = shop.refused("product", "id");
    assert!(error.contains("no table `product` in "), "{error}");
    assert!(
        error.ends_with(
            "it has: items, kept, odd \"name, products, stirred, strict, twins, untyped"
        ),
        "{error}"
    );
    let error = shop.refused("items", "key");
    assert!(
        error.contains("no column `key` in table `items`"),
        "{error}"
    );
    assert!(error.ends_with("it has: id, name, n"), "{error}");
    let error = shop.refused("items\"; DROP TABLE items; --", "id");
    assert!(error.contains("no table"), "{error}");
}

#[test]
fn a_file_is_never_created_or_taken_for_a_database() {
    let shop = Shop::new();
    let missing = shop.path.with_file_name("missing.db");
    let error = SqliteOrigin::open(SqliteConfig::new(&missing, "t", "id")).err();
    assert_eq!(
        error,
        Some(OpenError::NoFile {
            path: missing.clone()
        })
    );
    assert!(!missing.exists());
    std::fs::write(
        &missing,
        "this is no database, only a long enough text".repeat(99),
    )
    .unwrap();
    let error = SqliteOrigin::open(SqliteConfig::new(&missing, "t", "id"))
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("missing.db cannot be used"),
        "{error}"
    );
    assert!(SqliteOrigin::open(SqliteConfig::new(":memory:", "t", "id")).is_err());
}

#[test]
fn settings_are_read_strictly() {
    let config: SqliteConfig =
        toml::from_str("path = 'a.db'\ntable = 't'\nkey = 'id'\ntimeout_ms = 50").unwrap();
    let mut expected = SqliteConfig::new("a.db", "t", "id");
    expected.timeout = Duration::from_millis(50);
    assert_eq!(expected.sequence, None);
    assert_eq!(config, expected);
    let unknown = "path = 'a.db'\ntable = 't'\nkey = 'id'\ncolumn = 'x'";
    let error = toml::from_str::<SqliteConfig>(unknown).unwrap_err();
    assert!(
        error.to_string().contains("unknown field `column`"),
        "{error}"
    );
}
