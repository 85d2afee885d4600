//! What a host is started with.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::limits::{Isolation, Limits};

/// What a [`crate::Host`] is started with.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// The folder of the policy files, `<module>.wasm`.
    pub dir: PathBuf,
    /// The policies that run under a name of their own or with settings. Modules in the folder
    /// that none of these names are served under their file's stem with empty settings.
    pub policies: Vec<PolicyConfig>,
    /// Limits of modules that no [`PolicyConfig`] names.
    pub defaults: Limits,
    /// How often the folder is looked through even if no file event came, as network file systems
    /// send none. Default: 30 s.
    pub poll: Duration,
    /// How long after a file event the folder is looked through. Default: 100 ms.
    pub debounce: Duration,
    /// Digests (sha256, hexadecimal) of the files that may be loaded; empty allows any. Some
    /// toolchains (Python, JavaScript) give other bytes each time from the same source: keep the file
    /// that was listed instead of building it again.
    pub allow: Vec<String>,
    /// Whether file events are listened to. Default: true.
    pub watch: bool,
    /// Where the latest three builds of each policy that served are kept, and what an operator
    /// chose among them, so that both survive the process. No other process may use it. Default:
    /// none, which keeps them in memory.
    pub state: Option<PathBuf>,
}

impl HostConfig {
    /// The defaults over the folder `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            policies: Vec::new(),
            defaults: Limits::default(),
            poll: Duration::from_secs(30),
            debounce: Duration::from_millis(100),
            allow: Vec::new(),
            watch: true,
            state: None,
        }
    }
}

/// One policy under a name.
#[derive(Clone, Debug)]
pub struct PolicyConfig {
    /// The name under which it runs.
    pub name: String,
    /// The stem of its file; several policies may name the same.
    pub module: String,
    /// A JSON object, handed to the policy's `configure`.
    pub settings: Value,
    /// Whether decisions may share an instance.
    pub isolation: Isolation,
    /// What it may use.
    pub limits: Limits,
}

impl PolicyConfig {
    /// `module` under its own name, without settings.
    pub fn new(module: impl Into<String>) -> Self {
        let module = module.into();
        Self {
            name: module.clone(),
            module,
            settings: Value::Object(serde_json::Map::new()),
            isolation: Isolation::default(),
            limits: Limits::default(),
        }
    }
}
