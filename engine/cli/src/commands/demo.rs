//! `larder demo`: a running cache over a sample shop, from nothing but a checkout.

mod lines;

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::build::summary;
use super::serve::serve;
use crate::build::Job;
use crate::checkout::Checkout;
use crate::config::{Config, Log, LogFormat, Overrides};
use crate::exit::{Code, Failure, Outcome};
use crate::output::{is_watched, progress};
use crate::{sample, scaffold};

/// The policy whose source the demo copies, so that changing it leaves the checkout as it is.
const CHANGED: &str = "standard";
const SHIPPED: [&str; 3] = ["session", "api", "llm"];
const CONFIG: &str = include_str!("../../templates/demo.toml");

/// Arguments of `larder demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Makes larder.toml, shop.db, policies/ and standard/ (the source of a policy, to be changed) in its
folder and leaves them there; what is already there is kept. The first run compiles the policies,
which takes a minute or two.

Example:
  larder demo
  larder demo --dir /tmp/try-larder --listen 127.0.0.1:9000 --admin 127.0.0.1:9001")]
pub(crate) struct Args {
    /// The folder for all that the demo makes
    #[arg(long, default_value = "larder-demo")]
    dir: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7117")]
    listen: SocketAddr,
    /// Where the admin plane listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7118")]
    admin: SocketAddr,
}

/// Prepares the folder, builds the policies and serves.
pub(crate) fn run(args: &Args) -> Outcome {
    let checkout = Checkout::find()?;
    // Before minutes of compiling, not after.
    check_port("--listen", args.listen)?;
    check_port("--admin", args.admin)?;
    prepare(&args.dir, &checkout)?;
    build_policies(&args.dir, &checkout)?;

    let file = args.dir.join("larder.toml");
    let config = Config::load(&file, &Overrides::default());
    let mut config = config.map_err(|error| Failure::new(Code::Usage, error))?;
    config.server.listen = args.listen;
    config.server.admin = Some(args.admin);
    if config.log == Log::default() {
        config.log.format = is_watched().then_some(LogFormat::Text);
        // What is to be tried stands on the screen and should stay there.
        config.log.level = Some("warn,larder_wasm=info".to_owned());
    }
    let dir = absolute(&args.dir)?;
    serve(config, HINT, |data, _| lines::to_try(data, &dir))
}

const HINT: &str = "for example `larder demo --listen 127.0.0.1:7217 --admin 127.0.0.1:7218`";

fn check_port(option: &str, address: SocketAddr) -> Result<()> {
    match TcpListener::bind(address) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
            "{address} is in use, by another larder perhaps; stop that, or choose another port \
             with `{option}`, {HINT}"
        ),
        Err(error) => {
            bail!("{address} cannot be listened on ({error}); choose another with `{option}`")
        }
        Ok(_) => Ok(()),
    }
}

/// Makes what is missing in the demo's folder.
fn prepare(dir: &Path, checkout: &Checkout) -> Result<()> {
    let policies = dir.join("policies");
    fs::create_dir_all(&policies)
        .with_context(|| format!("the folder {} cannot be made", policies.display()))?;
    let config = dir.join("larder.toml");
    if !config.exists() {
        fs::write(&config, CONFIG)
            .with_context(|| format!("{} cannot be written", config.display()))?;
        progress(&format!("made  {}", config.display()));
    }
    let shop = dir.join("shop.db");
    if !shop.exists() {
        sample::create(&shop)?;
        progress(&format!(
            "made  {} with {} products",
            shop.display(),
            sample::PRODUCTS
        ));
    }
    let source = dir.join(CHANGED);
    if !source.exists() {
        scaffold::copy_shipped(checkout, CHANGED, &source)?;
        progress(&format!("made  {}, a policy to change", source.display()));
    }
    Ok(())
}

/// Builds all policies with one target folder, that of the copy: what they share is compiled
/// once, and building the copy again takes a moment.
fn build_policies(dir: &Path, checkout: &Checkout) -> Result<(), Failure> {
    let copy = dir.join(CHANGED);
    let target = absolute(&copy)?.join("target");
    if !target.exists() {
        progress("building the policies; the first time this takes a minute or two");
    }
    let out = dir.join("policies");
    let sources = SHIPPED.map(|name| (name, checkout.policy(name)));
    for (name, path) in [(CHANGED, copy)].into_iter().chain(sources) {
        let job = Job {
            path: &path,
            out: &out,
            name: Some(name),
            target_dir: Some(&target),
        };
        let built = job.run().map_err(|failure| {
            let context = format!("the policy {name} cannot be built");
            Failure::new(failure.code, failure.error.context(context))
        })?;
        progress(&summary(&built));
    }
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf> {
    path.canonicalize()
        .with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demos_configuration_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("demo");
        prepare(&dir, &Checkout::find().unwrap()).unwrap();
        for name in SHIPPED.into_iter().chain([CHANGED]) {
            fs::write(dir.join("policies").join(format!("{name}.wasm")), "").unwrap();
        }
        let config = Config::load(&dir.join("larder.toml"), &Overrides::default()).unwrap();
        assert_eq!(config.warnings, [""; 0]);
        assert!(dir.join("shop.db").is_file() && dir.join("standard/src/lib.rs").is_file());
    }

    #[test]
    fn what_is_there_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let checkout = Checkout::find().unwrap();
        prepare(folder.path(), &checkout).unwrap();
        let source = folder.path().join("standard/src/lib.rs");
        fs::write(&source, "changed").unwrap();
        prepare(folder.path(), &checkout).unwrap();
        assert_eq!(fs::read_to_string(&source).unwrap(), "changed");
    }

    #[test]
    fn a_port_in_use_is_named_with_a_way_out() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = check_port("--listen", address).unwrap_err().to_string();
        for expected in [
            address.to_string().as_str(),
            "is in use",
            "`--listen`",
            "larder demo --listen",
        ] {
            assert!(error.contains(expected), "{error}");
        }
        drop(taken);
        check_port("--listen", address).unwrap();
    }
}
