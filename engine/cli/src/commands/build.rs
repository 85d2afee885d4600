//! `larder build`: a policy crate to a `.wasm` file.

use std::path::PathBuf;

use crate::build::{Built, Job};
use crate::exit::Outcome;
use crate::output::{note, print, progress};

/// Arguments of `larder build`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Needs Rust: runs `cargo rustc --release --target wasm32-unknown-unknown` in the crate's folder,
adding the target by rustup if it is missing. The module names no folders of this machine, and is
the same wherever it is built from the same sources. It is checked as a server would check it, and
replaces the file of its name in one step, so that a server that watches the folder takes it over
whole.

Example:
  larder build my-policy --out policies        writes policies/my_policy.wasm")]
pub(crate) struct Args {
    /// The folder of the crate
    path: PathBuf,
    /// The folder for the module, made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The name of the module, without .wasm [default: the name of the crate's library]
    #[arg(long, value_parser = module_name)]
    name: Option<String>,
}

/// Builds and says what was written.
pub(crate) fn run(args: &Args) -> Outcome {
    progress(&format!("building {}", args.path.display()));
    let job = Job {
        path: &args.path,
        out: &args.out,
        name: args.name.as_deref(),
    };
    let built = job.run()?;
    if let Some(text) = &built.note {
        note(&format!("note: {text}"));
    }
    print(&format!("{}\n", summary(&built)))
}

/// One line on what was built.
fn summary(built: &Built) -> String {
    let mut line = format!(
        "built {} ({} KiB, {:.1} s)",
        built.file.display(),
        built.bytes.div_ceil(1024),
        built.took.as_secs_f64()
    );
    if let Some(identity) = &built.identity {
        let revision: String = identity
            .revision
            .chars()
            .take("sha256:".len() + 12)
            .collect();
        line.push_str(&format!(": version {}, {revision}", identity.version));
    }
    line
}

fn module_name(text: &str) -> Result<String, String> {
    let may = |c: char| c.is_alphanumeric() || "-_".contains(c);
    if text.is_empty() || !text.chars().all(may) {
        return Err(
            "a module's name has letters, digits, `-` and `_`, and no folder or .wasm".into(),
        );
    }
    Ok(text.to_owned())
}
