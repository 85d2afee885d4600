//! Where the sources are that this binary was built from: policies are built against the SDK there.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The root of the checkout at the time of the build.
const BUILT_FROM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A checkout of this project.
#[derive(Clone, Debug)]
pub(crate) struct Checkout {
    root: PathBuf,
}

impl Checkout {
    /// The checkout that this binary was built from.
    ///
    /// # Errors
    /// It has been moved or removed since.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(BUILT_FROM);
        match root.canonicalize() {
            Ok(root) if root.join("sdk/rust/Cargo.toml").is_file() => Ok(Self { root }),
            _ => bail!(
                "this larder was built from {}, and the SDK is no longer there; build larder again \
                 in the checkout as it is now, or name the SDK where the command takes `--sdk`",
                tidy(root).display()
            ),
        }
    }

    /// The SDK for Rust.
    pub(crate) fn sdk(&self) -> PathBuf {
        self.root.join("sdk/rust")
    }

    /// The sources of a policy that ships.
    pub(crate) fn policy(&self, name: &str) -> PathBuf {
        self.root.join("policies").join(name)
    }

    /// A file at the top level, such as `Cargo.lock`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

/// `a/b/../..` as `.`'s parent would be shown, without asking the file system.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                tidy.pop();
            }
            part => tidy.push(part),
        }
    }
    tidy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_of_these_tests_is_found() {
        let checkout = Checkout::find().unwrap();
        assert!(checkout.sdk().join("Cargo.toml").is_file());
        assert!(checkout.policy("standard").is_dir());
        assert!(checkout.file("Cargo.lock").is_file());
    }

    #[test]
    fn messages_show_the_path_without_detours() {
        assert_eq!(tidy(Path::new("/a/engine/cli/../..")), Path::new("/a"));
    }
}
