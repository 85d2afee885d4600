//! `larder new`: a policy crate to change.

use std::path::PathBuf;

use crate::exit::Outcome;
use crate::output::print;
use crate::scaffold::{New, Sdk};
use crate::shell;

/// Arguments of `larder new`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The crate gets a copy of the SDK in its folder sdk/, so that it can be moved, committed and built
anywhere. With --sdk-version the SDK comes from the registry that cargo is set up with, instead.

Example:
  larder new my-policy
  larder new ../somewhere/else/pricing --name pricing-policy
  larder new my-policy --sdk ../larder/sdk/rust
  larder new my-policy --sdk-version 0.1")]
pub(crate) struct Args {
    /// The folder to make; it must not be there yet, or be empty
    path: PathBuf,
    /// The name of the crate [default: the folder's]
    #[arg(long)]
    name: Option<String>,
    /// Depend on the SDK in this folder, `sdk/rust` of a checkout, instead of a copy
    #[arg(long, value_name = "PATH", conflicts_with = "sdk_version")]
    sdk: Option<PathBuf>,
    /// Depend on a version of the SDK from the registry that cargo is set up with
    #[arg(long, value_name = "VERSION", value_parser = requirement)]
    sdk_version: Option<String>,
}

impl Args {
    fn sdk(&self) -> Sdk<'_> {
        match (&self.sdk, &self.sdk_version) {
            (Some(path), _) => Sdk::Path(path),
            (None, Some(version)) => Sdk::Version(version),
            (None, None) => Sdk::Carried,
        }
    }
}

/// Makes the crate and says how to go on.
pub(crate) fn run(args: &Args) -> Outcome {
    let new = New {
        path: &args.path,
        name: args.name.as_deref(),
        sdk: args.sdk(),
    };
    let name = new.run()?;
    let path = shell::quoted(&args.path);
    let larder = shell::this_program();
    let module = name.replace('-', "_");
    print(&format!(
        "made the policy {name} in {shown}\n\n\
         next:\n  \
         (cd {path} && cargo test)\n  \
         {larder} build {path} --out policies\n  \
         {larder} decide --module policies/{module}.wasm --resource product --id 42\n\n\
         The ttl to change is in {shown}/src/lib.rs\n",
        shown = args.path.display(),
    ))
}

/// Sees to it that what is no version ends here, and not in the first build.
fn requirement(text: &str) -> Result<String, String> {
    let may = |c: char| c.is_ascii_alphanumeric() || ".,+-*<>=^~ ".contains(c);
    let has_number = text.contains(|c: char| c.is_ascii_digit() || c == '*');
    if !has_number || !text.chars().all(may) {
        return Err("write a version as a Cargo.toml does, for example `0.1`".into());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_manifests() {
        for text in ["0.1", "=0.1.0", ">=0.1, <0.3", "*", "0.2.0-rc.1"] {
            requirement(text).unwrap();
        }
        for text in ["", "latest", "\"0.1\"", "../sdk/rust"] {
            requirement(text).unwrap_err();
        }
    }
}
