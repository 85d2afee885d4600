//! `larder demo`: a running cache over a sample shop, from nothing but this program.

mod lines;

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::{key, serve::serve};
use crate::config::{Config, Log, LogFormat, Overrides};
use crate::embedded::MODULES;
use crate::exit::{Code, Failure, Outcome};
use crate::install::install;
use crate::output::{is_watched, note, progress};
use crate::{sample, scaffold};

/// The policy whose source the demo copies, to be changed.
const CHANGED: &str = "standard";
const CONFIG: &str = include_str!("../../templates/demo.toml");
const SLOW: &str = "this is a development build of larder, slower than it can be: `cargo install --path \
                    engine/cli` installs a fast one, `cargo build --release -p larder-cli` makes one";

/// Arguments of `larder demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Makes larder.toml, keys.toml, shop.db, policies/ and standard/ (the source of a policy, to be changed) in its
folder and leaves them there; what is there already is kept, a policy that was changed included.
The policies are built already: only changing one needs Rust.

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

/// Prepares the folder and serves.
pub(crate) fn run(args: &Args) -> Outcome {
    // Before a folder is made, not after.
    check_port("--listen", args.listen)?;
    check_port("--admin", args.admin)?;
    prepare(&args.dir)?;
    if cfg!(debug_assertions) {
        note(SLOW);
    }

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
    serve(config, None, HINT, |data, admin| {
        lines::to_try(data, admin.unwrap_or(data), &dir)
    })
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
fn prepare(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)
        .with_context(|| format!("the folder {} cannot be made", dir.display()))?;
    let missing = |name: &str| Some(dir.join(name)).filter(|file| !file.exists());
    for (name, bytes) in MODULES {
        if let Some(module) = missing(&format!("policies/{name}.wasm")) {
            install(&module, bytes)
                .with_context(|| format!("{} cannot be written", module.display()))?;
            progress(&format!("made  {}", module.display()));
        }
    }
    if let Some(config) = missing("larder.toml") {
        install(&config, CONFIG.as_bytes())
            .with_context(|| format!("{} cannot be written", config.display()))?;
        progress(&format!("made  {}", config.display()));
    }
    if let Some(keys) = missing("keys.toml") {
        key::write_ring(&keys)?;
        progress(&format!("made  {}", keys.display()));
    }
    if let Some(shop) = missing("shop.db") {
        sample::create(&shop)?;
        let (shop, products) = (shop.display(), sample::PRODUCTS);
        progress(&format!("made  {shop} with {products} products"));
    }
    if let Some(source) = missing(CHANGED) {
        scaffold::copy_standard(&source)?;
        progress(&format!("made  {}, a policy to change", source.display()));
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
        prepare(&dir).unwrap();
        let config = Config::load(&dir.join("larder.toml"), &Overrides::default()).unwrap();
        assert_eq!(config.warnings, [""; 0]);
        assert!(dir.join("shop.db").is_file() && dir.join("standard/src/lib.rs").is_file());
    }

    #[test]
    fn what_is_there_is_kept_and_what_is_not_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        prepare(dir).unwrap();
        let changed = ["standard/src/lib.rs", "policies/standard.wasm"].map(|name| dir.join(name));
        for file in &changed {
            fs::write(file, "changed").unwrap();
        }
        fs::remove_file(dir.join("policies/api.wasm")).unwrap();
        prepare(dir).unwrap();
        for file in &changed {
            assert_eq!(fs::read_to_string(file).unwrap(), "changed");
        }
        assert!(dir.join("policies/api.wasm").is_file());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        for dir in [file.join("demo"), file] {
            let error = prepare(&dir).unwrap_err().to_string();
            let expected = format!("the folder {} cannot be made", dir.display());
            assert_eq!(error, expected);
        }
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
