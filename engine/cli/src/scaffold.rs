//! Makes policy crates that stand on their own: a new one, or a copy of one that ships.

mod copy;
mod detach;
mod lock;
mod name;
mod sdk;
mod tree;

pub(crate) use copy::copy_standard;
pub(crate) use sdk::Sdk;

use std::fs;
use std::path::Path;

use crate::exit::Failure;
use tree::write;

const MANIFEST: &str = include_str!("../templates/policy/manifest.toml");
const LIBRARY: &str = include_str!("../templates/policy/lib.rs");
const README: &str = include_str!("../templates/policy/readme.md");
const VERSION: &str = "0.1.0";

/// A new policy crate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct New<'a> {
    /// Its folder, which must not exist or be empty.
    pub(crate) path: &'a Path,
    /// The name of the crate; without it the folder's.
    pub(crate) name: Option<&'a str>,
    /// Where it takes the SDK from.
    pub(crate) sdk: Sdk<'a>,
}

impl New<'_> {
    /// Makes the crate and answers its name.
    ///
    /// # Errors
    /// Says what is in the way.
    pub(crate) fn run(self) -> Result<String, Failure> {
        let name = name::of_crate(self.path, self.name).map_err(Failure::usage)?;
        check_free(self.path).map_err(Failure::usage)?;
        let dependency = self.sdk.dependency()?;
        let fill = |template: &str| {
            template
                .replace("{{name}}", &name)
                .replace("{{module}}", &name.replace('-', "_"))
                .replace("{{version}}", VERSION)
                .replace("{{sdk}}", &dependency.to_string())
        };
        write(self.path, "Cargo.toml", &fill(MANIFEST))?;
        write(self.path, "src/lib.rs", &fill(LIBRARY))?;
        let readme = fill(README).replace("{{about_sdk}}", &self.sdk.about());
        write(self.path, "README.md", &readme)?;
        self.sdk.accompany(self.path)?;
        if self.sdk.has_known_versions() {
            let lock = lock::of(&name, VERSION, &["larder-sdk"]);
            write(self.path, "Cargo.lock", &lock)?;
        }
        tree::write_surroundings(self.path)?;
        Ok(name)
    }
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

#[cfg(test)]
mod tests;
