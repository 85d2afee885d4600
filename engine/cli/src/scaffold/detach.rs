//! Takes a crate out of its workspace: what it inherits is written into its own manifest.

use anyhow::{Context as _, Result};
use toml::{Table, Value};

/// The one dependency that is for the workspace's own sake.
const HACK: &str = "workspace-hack";

/// The manifest `member` with all that it takes from `workspace` filled in, and without what means
/// nothing outside of it.
pub(super) fn detach(member: &str, workspace: &str) -> Result<Table> {
    let mut member: Table = toml::from_str(member)?;
    let root: Table = toml::from_str(workspace)?;
    let shared = |table: &str| root.get("workspace")?.get(table)?.as_table();

    let package = member.get_mut("package").and_then(Value::as_table_mut);
    for (field, value) in package.context("there is no [package]")? {
        if inherits(value) {
            let inherited = shared("package").and_then(|package| package.get(field));
            *value = inherited
                .with_context(|| missing("package", field))?
                .clone();
        }
    }
    member.remove("lints");

    let from = shared("dependencies");
    for table in dependency_tables(&mut member) {
        table.remove(HACK);
        for (dependency, value) in table.iter_mut() {
            if inherits(value) {
                let inherited = from.and_then(|all| all.get(dependency));
                let inherited = inherited.with_context(|| missing("dependencies", dependency))?;
                *value = merged(inherited, value);
            }
        }
    }
    member.retain(|_, value| value.as_table().is_none_or(|table| !table.is_empty()));
    Ok(member)
}

fn missing(table: &str, field: &str) -> String {
    format!("the workspace has no `{field}` under [workspace.{table}]")
}

fn inherits(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

/// `[dependencies]` and its kin, those of single targets included.
fn dependency_tables(manifest: &mut Table) -> Vec<&mut Table> {
    const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let mut tables = Vec::new();
    for (name, value) in manifest.iter_mut() {
        let Value::Table(table) = value else {
            continue;
        };
        if KINDS.contains(&name.as_str()) {
            tables.push(table);
        } else if name == "target" {
            for (_, target) in table.iter_mut() {
                if let Value::Table(target) = target {
                    tables.extend(dependency_tables(target));
                }
            }
        }
    }
    tables
}

/// The workspace's dependency with what the member adds: features on top, the rest as it says.
fn merged(inherited: &Value, own: &Value) -> Value {
    let mut merged = match inherited {
        Value::Table(table) => table.clone(),
        version => Table::from_iter([("version".to_owned(), version.clone())]),
    };
    let own = own.as_table().into_iter().flatten();
    for (field, value) in own.filter(|(field, _)| *field != "workspace") {
        match (merged.get_mut(field), value) {
            (Some(Value::Array(known)), Value::Array(more)) => known.extend(more.iter().cloned()),
            _ => {
                merged.insert(field.clone(), value.clone());
            }
        }
    }
    Value::Table(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = r#"
        [workspace.package]
        version = "1.2.3"
        edition = "2024"
        [workspace.dependencies]
        serde = { version = "1", features = ["derive"] }
        sha2 = "0.11"
        larder-sdk = { path = "sdk/rust" }
    "#;

    #[test]
    fn what_was_inherited_is_filled_in() {
        let member = r#"
            [package]
            name = "larder-policy-x"
            version.workspace = true
            edition.workspace = true
            [lints]
            workspace = true
            [lib]
            name = "x"
            [dependencies]
            larder-sdk = { workspace = true }
            serde = { workspace = true, features = ["rc"], optional = true }
            near = { path = "../near" }
            [dev-dependencies]
            workspace-hack = { workspace = true }
            [target.'cfg(unix)'.dev-dependencies]
            sha2 = { workspace = true }
        "#;
        let expected: Table = toml::from_str(
            r#"
            package = { name = "larder-policy-x", version = "1.2.3", edition = "2024" }
            lib.name = "x"
            [dependencies]
            larder-sdk = { path = "sdk/rust" }
            serde = { version = "1", features = ["derive", "rc"], optional = true }
            near = { path = "../near" }
            [target.'cfg(unix)'.dev-dependencies]
            sha2 = { version = "0.11" }
            "#,
        )
        .unwrap();
        assert_eq!(detach(member, WORKSPACE).unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_filled_in_is_named() {
        let member = "[package]\nname = 'x'\n[dependencies]\nnone = { workspace = true }";
        let error = detach(member, WORKSPACE).unwrap_err().to_string();
        assert!(
            error.contains("no `none` under [workspace.dependencies]"),
            "{error}"
        );
    }
}
