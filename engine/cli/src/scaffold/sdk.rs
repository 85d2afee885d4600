//! Where a policy crate takes the SDK from.

use std::path::Path;

use anyhow::Result;
use toml::{Table, Value};

use super::detach::detach;
use super::tree::write;
use crate::embedded::{LICENSES, SDK, WORKSPACE};
use crate::exit::Failure;

/// The folder for the copy of the SDK. It is laid out as in the checkout, since the SDK finds the
/// contract beside its own folder.
const FOLDER: &str = "sdk";
const PACKAGE: &str = "sdk/rust";
const HEADER: &str = "# The SDK of Larder, as the program `larder` carries it.\n\n";

/// Where a policy crate takes the SDK from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sdk<'a> {
    /// A copy of what the program carries, in the crate.
    Carried,
    /// A folder.
    Path(&'a Path),
    /// The registry that cargo is set up with, in a version of this requirement.
    Version(&'a str),
}

impl Sdk<'_> {
    /// The dependency on it, as a manifest says that.
    ///
    /// # Errors
    /// There is no SDK in the folder, or its path cannot stand in a manifest.
    pub(super) fn dependency(self) -> Result<Value, Failure> {
        match self {
            Self::Carried => Ok(path(PACKAGE)),
            Self::Version(version) => Ok(Value::String(version.to_owned())),
            Self::Path(folder) => match folder.canonicalize() {
                Ok(found) if found.join("Cargo.toml").is_file() => {
                    found.to_str().map(path).ok_or_else(|| unwritable(folder))
                }
                _ => Err(Failure::usage(format!(
                    "there is no SDK in {}; give the folder `sdk/rust` of a checkout",
                    folder.display()
                ))),
            },
        }
    }

    /// Writes what of it belongs into the crate at `folder`.
    pub(super) fn accompany(self, folder: &Path) -> Result<()> {
        if !matches!(self, Self::Carried) {
            return Ok(());
        }
        let folder = folder.join(FOLDER);
        for (name, text) in LICENSES {
            write(&folder, name, text)?;
        }
        for (name, text) in SDK {
            if *name == "rust/Cargo.toml" {
                let manifest = toml::to_string_pretty(&detach(text, WORKSPACE)?)?;
                write(&folder, name, &format!("{HEADER}{manifest}"))?;
            } else {
                write(&folder, name, text)?;
            }
        }
        Ok(())
    }

    /// Whether it needs the versions that the program carries.
    pub(super) fn has_known_versions(self) -> bool {
        !matches!(self, Self::Version(_))
    }

    /// What the crate's readme says of it.
    pub(super) fn about(self) -> String {
        match self {
            Self::Carried => format!(
                "`sdk/` is the SDK of larder {}, copied so that the crate builds wherever it lies: \
                 commit it with\nthe rest. A newer `larder new` brings a newer one to put in its \
                 place.",
                env!("CARGO_PKG_VERSION")
            ),
            Self::Path(_) => "The SDK is taken from the folder that `Cargo.toml` names.".to_owned(),
            Self::Version(_) => {
                "The SDK is taken from the registry that cargo is set up with.".to_owned()
            }
        }
    }
}

fn path(path: &str) -> Value {
    Value::Table(Table::from_iter([(
        "path".to_owned(),
        Value::String(path.to_owned()),
    )]))
}

fn unwritable(folder: &Path) -> Failure {
    Failure::usage(format!(
        "the path {} is not UTF-8 and cannot stand in a Cargo.toml; move the SDK, or leave `--sdk` \
         away to get a copy in the crate",
        folder.display()
    ))
}
