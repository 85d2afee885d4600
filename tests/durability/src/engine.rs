//! `larder serve` as a process that can be killed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use larder_store::testing::free_port;
use tempfile::TempDir;
use tokio::process::{Child, Command as AsyncCommand};
use tokio::time::{Instant, sleep};

use crate::ask::Ask;
use crate::guests::shipped;
use crate::workspace::{output, program};

/// How long a start may take, together with those that are refused because something that the
/// engine needs is down at that moment.
const START: Duration = Duration::from_secs(60);

/// What `larder.toml` says beyond what is always the same.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The whole table `[store]`.
    pub store: String,
    /// The address of PostgreSQL, as it goes into the file.
    pub postgres: String,
    /// More lines of `[origin.db]`.
    pub origin: String,
    /// The lines of `[write_behind]`.
    pub write_behind: String,
    /// The largest file that the engine may write, in blocks of 512 bytes.
    pub file_blocks: Option<u64>,
}

/// One engine, its folder and its ports. It is killed when dropped.
#[derive(Debug)]
pub struct Engine {
    dir: TempDir,
    ports: [u16; 2],
    file_blocks: Option<u64>,
    child: Option<Child>,
}

impl Engine {
    /// Prepares an engine; [`Engine::start`] starts it.
    ///
    /// # Errors
    /// Where its folder cannot be written.
    pub fn new(settings: &Settings) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let ports = [free_port(), free_port()];
        std::fs::create_dir(dir.path().join("policies"))?;
        let module = dir.path().join("policies/standard.wasm");
        std::fs::write(module, shipped("standard"))?;
        std::fs::write(dir.path().join("larder.toml"), toml(settings, ports))?;
        Ok(Self {
            dir,
            ports,
            file_blocks: settings.file_blocks,
            child: None,
        })
    }

    /// A client of it.
    ///
    /// # Errors
    /// As [`Ask::new`].
    pub fn ask(&self) -> Result<Ask> {
        Ask::new(self.ports[0], self.ports[1])
    }

    /// Its folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts it and waits until it says where it serves.
    ///
    /// # Errors
    /// Where it does not within a minute, however often it is started.
    pub async fn start(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            match self.try_start().await {
                Ok(()) => return Ok(()),
                Err(error) if begun.elapsed() > START => return Err(error),
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn try_start(&mut self) -> Result<()> {
        let log = self.dir.path().join("log");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)?;
        let mut command = AsyncCommand::from(self.command());
        command
            .current_dir(self.dir.path())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        let mut child = command.spawn().context("larder serve")?;
        let ask = self.ask()?;
        let begun = Instant::now();
        while begun.elapsed() < START {
            if let Some(status) = child.try_wait()? {
                bail!("larder serve ended with {status}: {}", self.last_words());
            }
            if ask.is_ready().await {
                self.child = Some(child);
                return Ok(());
            }
            sleep(Duration::from_millis(10)).await;
        }
        bail!("larder serve does not answer: {}", self.last_words())
    }

    fn command(&self) -> Command {
        let Some(blocks) = self.file_blocks else {
            let mut command = Command::new(program());
            command.args(["serve", "--config", "larder.toml"]);
            return command;
        };
        // Without the trap the signal would end the engine, which no full disk does.
        let script =
            format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" serve --config larder.toml");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(program());
        command
    }

    /// The end of what it has written to its log.
    #[must_use]
    pub fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// Where the system refuses.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Ends it as an operator would, and waits until it has.
    ///
    /// # Errors
    /// Where it does not end within 20 seconds, or not well.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let pid = child.id().context("it has ended")?.to_string();
        output(Command::new("kill").args(["-TERM", &pid]));
        let ended = tokio::time::timeout(Duration::from_secs(20), child.wait()).await;
        let status = ended.context("it does not end")??;
        if !status.success() {
            bail!("larder serve ended with {status}: {}", self.last_words());
        }
        Ok(())
    }

    /// The command line with these arguments, against this engine's admin plane, and what it
    /// printed.
    ///
    /// # Errors
    /// Where it cannot be run, or ends with another code than 0.
    pub fn larder(&self, args: &[&str]) -> Result<String> {
        let admin = format!("http://127.0.0.1:{}", self.ports[1]);
        let done = Command::new(program())
            .current_dir(self.dir.path())
            .args(args)
            .args(["--admin", &admin])
            .output()?;
        let error = String::from_utf8_lossy(&done.stderr);
        if !done.status.success() {
            bail!("larder {args:?}: {}: {error}", done.status);
        }
        Ok(String::from_utf8(done.stdout)?)
    }
}

fn toml(settings: &Settings, [data, admin]: [u16; 2]) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:{data}\"\nadmin = \"127.0.0.1:{admin}\"\n\
         {}\n\
         [[policy]]\nname = \"things\"\nmodule = \"standard\"\n\
         [policy.settings]\nstrategy = \"write_behind\"\nwrite_invalidates = \"row\"\n\
         [policy.limits]\ndeadline = \"5s\"\n\
         [[route]]\nresource = \"thing\"\npolicy = \"things\"\norigin = \"db\"\n\
         [origin.db]\ntype = \"postgres\"\nurl = {:?}\ntable = \"things\"\nkey = \"id\"\n{}\n\
         [write_behind]\n{}\n",
        settings.store, settings.postgres, settings.origin, settings.write_behind,
    )
}
