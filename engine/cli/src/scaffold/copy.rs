//! A policy that ships becomes a crate of its own, free to be changed.

use std::path::Path;

use anyhow::{Context as _, Result};
use toml::{Table, Value};

use super::detach::detach;
use super::sdk::Sdk;
use super::{lock, tree};
use crate::embedded::{STANDARD, WORKSPACE};

const NAME: &str = "standard";
const HEADER: &str = "# A copy of a policy that ships with Larder, free to be changed.\n\n";

/// Makes a copy of the policy `standard` at `path`, a crate outside any workspace.
pub(crate) fn copy_standard(path: &Path) -> Result<()> {
    for (name, text) in STANDARD {
        if *name == "Cargo.toml" {
            let mut manifest = manifest(text).context("the manifest of `standard` is broken")?;
            let text = toml::to_string_pretty(&manifest)?;
            tree::write(path, name, &format!("{HEADER}{text}"))?;
            tree::write(path, "Cargo.lock", &locked(&mut manifest)?)?;
        } else {
            tree::write(path, name, text)?;
        }
    }
    Sdk::Carried.accompany(path)?;
    tree::write_surroundings(path)
}

/// The manifest `member` as that of the copy.
fn manifest(member: &str) -> Result<Table> {
    let mut manifest = detach(member, WORKSPACE)?;
    let sdk = Sdk::Carried.dependency().map_err(|failure| failure.error)?;
    table(&mut manifest, "package")?.insert("name".to_owned(), Value::String(NAME.to_owned()));
    table(&mut manifest, "dependencies")?.insert("larder-sdk".to_owned(), sdk);
    let workspace: Table = toml::from_str(WORKSPACE)?;
    if let Some(release) = workspace.get("profile").and_then(|all| all.get("release")) {
        let release = Table::from_iter([("release".to_owned(), release.clone())]);
        manifest.insert("profile".to_owned(), Value::Table(release));
    }
    manifest.insert("workspace".to_owned(), Value::Table(Table::new()));
    Ok(manifest)
}

fn locked(manifest: &mut Table) -> Result<String> {
    let version = table(manifest, "package")?.get("version");
    let version = version
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let dependencies: Vec<_> = table(manifest, "dependencies")?.keys().cloned().collect();
    Ok(lock::of(NAME, &version, &dependencies))
}

fn table<'a>(manifest: &'a mut Table, name: &str) -> Result<&'a mut Table> {
    let table = manifest.get_mut(name).and_then(Value::as_table_mut);
    table.with_context(|| format!("there is no [{name}]"))
}
