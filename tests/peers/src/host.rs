//! The policy `standard` on Larder.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use larder::Request;
use larder::core::{Clock as _, Decision, Policies, Timestamp};
use larder::wasm::{Host, HostConfig, Isolation, Limits, PolicyConfig};
use tempfile::TempDir;

use crate::question::Subject;
use crate::settings;

/// The name under which the policy runs.
pub const POLICY: &str = "standard";

/// The module named by `LARDER_BENCH_POLICY`, or else built from the sources.
///
/// # Errors
/// The file cannot be read, or the build fails.
pub fn module() -> Result<Vec<u8>> {
    let path = match env::var_os("LARDER_BENCH_POLICY") {
        Some(path) => PathBuf::from(path),
        None => build()?,
    };
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn build() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // A folder of its own: the outer cargo may still hold the lock of the usual one.
    let target = root.join("target/peers");
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or(target, |dir| PathBuf::from(dir).join("peers"));
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let status = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--quiet",
            "--package",
            "larder-policy-standard",
        ])
        .args(["--target", "wasm32-unknown-unknown", "--target-dir"])
        .arg(&target)
        .current_dir(&root)
        .status()
        .context("cargo could not be started to build the policy")?;
    ensure!(
        status.success(),
        "the policy did not build; `rustup target add wasm32-unknown-unknown` if its target is \
         missing, or name a module in LARDER_BENCH_POLICY"
    );
    Ok(target.join("wasm32-unknown-unknown/release/standard.wasm"))
}

/// Starts a host with the policy. The folder has to outlive it.
///
/// # Errors
/// The policy does not load.
pub fn start(module: &[u8], isolation: Isolation) -> Result<(Arc<Host>, TempDir)> {
    let dir = tempfile::tempdir()?;
    fs::write(dir.path().join(format!("{POLICY}.wasm")), module)?;
    let policy = PolicyConfig {
        settings: settings::larder(),
        isolation,
        // A machine that does something else for a while is not what is measured here.
        limits: Limits {
            deadline_ms: 1_000,
            ..Limits::default()
        },
        ..PolicyConfig::new(POLICY)
    };
    let config = HostConfig {
        watch: false,
        policies: vec![policy],
        ..HostConfig::new(dir.path())
    };
    let host = Host::start(config)?;
    let loaded = host.current(POLICY).is_some();
    ensure!(loaded, "the policy does not load: {:?}", host.status());
    Ok((host, dir))
}

/// Larder as a subject: the policy is looked up and asked, as the engine does for each request.
pub struct Larder {
    host: Arc<Host>,
    _dir: TempDir,
    name: &'static str,
    now: Timestamp,
}

impl Larder {
    /// Starts it.
    ///
    /// # Errors
    /// The policy does not load.
    pub fn start(module: &[u8], isolation: Isolation) -> Result<Self> {
        let (host, dir) = start(module, isolation)?;
        Ok(Self {
            host,
            _dir: dir,
            name: match isolation {
                Isolation::Reuse => "larder, warm instance",
                Isolation::Fresh => "larder, fresh instance",
            },
            now: larder::SystemClock.now(),
        })
    }

    fn ask(&self, request: &Request) -> Result<Decision> {
        let policy = self.host.current(POLICY).context("the policy is gone")?;
        Ok(policy.decide(request, self.now)?)
    }
}

impl Subject for Larder {
    fn name(&self) -> &'static str {
        self.name
    }

    fn decide(&mut self, request: &Request) -> Result<Decision> {
        self.ask(request)
    }

    fn run(&mut self, request: &Request, times: u32) -> Result<()> {
        for _ in 0..times {
            black_box(self.ask(black_box(request))?);
        }
        Ok(())
    }
}
