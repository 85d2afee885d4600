//! Makes policy crates that stand on their own: a new one, or a shipped one taken out of the
//! checkout.

mod detach;
mod name;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::checkout::Checkout;
use crate::exit::Failure;

const MANIFEST: &str = include_str!("../templates/policy/manifest.toml");
const LIBRARY: &str = include_str!("../templates/policy/lib.rs");
const README: &str = include_str!("../templates/policy/readme.md");
const GITIGNORE: &str = "/target\n";

/// A new policy crate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct New<'a> {
    /// Its folder, which must not exist or be empty.
    pub(crate) path: &'a Path,
    /// The name of the crate; without it the folder's.
    pub(crate) name: Option<&'a str>,
    /// The SDK; without it the one of the checkout.
    pub(crate) sdk: Option<&'a Path>,
}

impl New<'_> {
    /// Makes the crate and answers its name.
    ///
    /// # Errors
    /// Says what is in the way.
    pub(crate) fn run(self) -> Result<String, Failure> {
        let name = name::of_crate(self.path, self.name).map_err(Failure::usage)?;
        check_free(self.path).map_err(Failure::usage)?;
        let sdk = self.sdk()?;
        let toolchain = sdk.join("../..");
        let manifest = MANIFEST
            .replace("{{name}}", &name)
            .replace("{{sdk}}", &quoted(&sdk));
        write(self.path, "Cargo.toml", &manifest)?;
        let library = LIBRARY.replace("{{name}}", &name);
        write(self.path, "src/lib.rs", &library)?;
        let readme = README
            .replace("{{name}}", &name)
            .replace("{{module}}", &name.replace('-', "_"));
        write(self.path, "README.md", &readme)?;
        add_surroundings(self.path, &toolchain)?;
        Ok(name)
    }

    fn sdk(&self) -> Result<PathBuf, Failure> {
        let Some(sdk) = self.sdk else {
            return Ok(Checkout::find()?.sdk());
        };
        match sdk.canonicalize() {
            Ok(sdk) if sdk.join("Cargo.toml").is_file() => Ok(sdk),
            _ => Err(Failure::usage(format!(
                "there is no SDK in {}; give the folder `sdk/rust` of a checkout",
                sdk.display()
            ))),
        }
    }
}

/// Copies the shipped policy `name` to `path`, as a crate of that name outside any workspace.
pub(crate) fn copy_shipped(checkout: &Checkout, name: &str, path: &Path) -> Result<()> {
    let source = checkout.policy(name);
    let read = |file: &Path| {
        fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
    };
    let workspace = read(&checkout.file("Cargo.toml"))?;
    let member = read(&source.join("Cargo.toml"))?;
    let manifest = detach::detach(&member, &workspace, name, checkout)
        .with_context(|| format!("the manifest of {} cannot be rewritten", source.display()))?;
    copy_tree(&source, path)?;
    write(path, "Cargo.toml", &manifest)?;
    add_surroundings(path, &checkout.file(""))
}

/// The lock file makes builds take the versions that the checkout was tested with, and lets them
/// work without a network; the toolchain file the same for the compiler.
fn add_surroundings(path: &Path, checkout: &Path) -> Result<()> {
    write(path, ".gitignore", GITIGNORE)?;
    for file in ["Cargo.lock", "rust-toolchain.toml"] {
        // An SDK from elsewhere need not have them.
        if let Ok(text) = fs::read_to_string(checkout.join(file)) {
            write(path, file, &text)?;
        }
    }
    Ok(())
}

fn check_free(path: &Path) -> Result<(), String> {
    let shown = path.display();
    match fs::read_dir(path).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!(
            "{shown} is there and not empty; nothing was changed. Name a folder that is not there yet"
        )),
        Err(_) if path.exists() => Err(format!("{shown} is there and is no folder")),
        Err(_) => Ok(()),
    }
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let failed = || format!("{} cannot be copied to {}", from.display(), to.display());
    fs::create_dir_all(to).with_context(failed)?;
    for entry in fs::read_dir(from).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            if entry.file_name() != "target" {
                copy_tree(&source, &target)?;
            }
        } else {
            fs::copy(&source, &target).with_context(failed)?;
        }
    }
    Ok(())
}

fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let file = folder.join(name);
    let parent = file.parent().unwrap_or(folder);
    let written = fs::create_dir_all(parent).and_then(|()| fs::write(&file, text));
    written.with_context(|| format!("{} cannot be written", file.display()))
}

/// A path as a TOML string.
fn quoted(path: &Path) -> String {
    toml::Value::String(path.display().to_string()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_crate_has_all_it_needs_and_a_ttl_in_plain_sight() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my-policy");
        let new = New {
            path: &path,
            name: None,
            sdk: None,
        };
        assert_eq!(new.run().unwrap(), "my-policy");
        let read = |name: &str| fs::read_to_string(path.join(name)).unwrap();
        for file in [
            ".gitignore",
            "Cargo.lock",
            "README.md",
            "rust-toolchain.toml",
        ] {
            assert!(!read(file).is_empty(), "{file}");
        }
        assert!(read("src/lib.rs").contains("const TTL: Duration = minutes(10);"));
        let manifest: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
        assert_eq!(manifest["package"]["name"].as_str(), Some("my-policy"));
        assert!(manifest["workspace"].as_table().unwrap().is_empty());
        let sdk = manifest["dependencies"]["larder-sdk"]["path"]
            .as_str()
            .unwrap();
        assert!(Path::new(sdk).is_absolute() && Path::new(sdk).join("Cargo.toml").is_file());
        for file in ["Cargo.toml", "src/lib.rs", "README.md"] {
            assert!(!read(file).contains("{{"), "{file}");
        }
    }

    #[test]
    fn release_builds_are_those_of_the_checkout() {
        // With one profile the demo compiles the dependencies of all policies once.
        let root = fs::read_to_string(Checkout::find().unwrap().file("Cargo.toml")).unwrap();
        let root: toml::Table = toml::from_str(&root).unwrap();
        let own = MANIFEST.replace("{{name}}", "x").replace("{{sdk}}", "''");
        let own: toml::Table = toml::from_str(&own).unwrap();
        assert_eq!(own["profile"]["release"], root["profile"]["release"]);
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kept");
        fs::write(&file, "kept").unwrap();
        for (path, message) in [(folder.path(), "not empty"), (&file, "is no folder")] {
            let name = Some("x");
            let new = New {
                path,
                name,
                sdk: None,
            };
            let error = new.run().unwrap_err().error.to_string();
            assert!(error.contains(message), "{error}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_sdk_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (path, sdk) = (folder.path().join("p"), folder.path().join("nowhere"));
        let new = New {
            path: &path,
            name: None,
            sdk: Some(&sdk),
        };
        let error = new.run().unwrap_err().error.to_string();
        assert!(
            error.contains("there is no SDK in") && error.contains("sdk/rust"),
            "{error}"
        );
        assert!(!path.exists());
    }

    #[test]
    fn a_shipped_policy_stands_on_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("standard");
        let checkout = Checkout::find().unwrap();
        copy_shipped(&checkout, "standard", &path).unwrap();
        let text = fs::read_to_string(path.join("Cargo.toml")).unwrap();
        let manifest: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(manifest["package"]["name"].as_str(), Some("standard"));
        assert!(!text.contains("workspace = true"), "{text}");
        let source = fs::read_to_string(path.join("src/lib.rs")).unwrap();
        assert!(
            source.contains("hours(1)"),
            "the line that the demo changes"
        );
    }
}
