//! `larder new`: a policy crate to change.

use std::path::PathBuf;

use crate::exit::Outcome;
use crate::output::print;
use crate::scaffold::New;
use crate::shell;

/// Arguments of `larder new`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  larder new my-policy
  larder new ../somewhere/else/pricing --name pricing-policy")]
pub(crate) struct Args {
    /// The folder to make; it must not be there yet, or be empty
    path: PathBuf,
    /// The name of the crate [default: the folder's]
    #[arg(long)]
    name: Option<String>,
    /// The Rust SDK, `sdk/rust` of a checkout [default: of the checkout that larder was built from]
    #[arg(long)]
    sdk: Option<PathBuf>,
}

/// Makes the crate and says how to go on.
pub(crate) fn run(args: &Args) -> Outcome {
    let new = New {
        path: &args.path,
        name: args.name.as_deref(),
        sdk: args.sdk.as_deref(),
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
