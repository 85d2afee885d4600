//! A process that ends with the one that started it.

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::guard;

/// Set by `tests/run --without-servers`.
const WITHOUT: &str = "LARDER_WITHOUT_SERVERS";
/// The programs that have to be installed for it to be otherwise.
const SERVERS: [&str; 2] = ["redis-server", "postgres"];

/// A process that is killed when dropped, and when the process that started it ends in any way.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Whether the guard of this process knows it.
    guarded: bool,
}

impl Process {
    /// Starts a program that is asked nothing and heard by nobody, unless by its error output.
    ///
    /// # Panics
    /// If the program is not installed, or the run is to do without servers.
    pub fn start(command: &mut Command) -> Self {
        let program = Path::new(command.get_program());
        let is_server = SERVERS.iter().any(|server| program.ends_with(server));
        assert!(
            !is_server || env::var_os(WITHOUT).is_none(),
            "this test needs {}, and {WITHOUT} is set: name its module in `needs_servers` of \
             tests/run, so that a run without servers leaves it out",
            program.display()
        );
        // A group of its own: what is sent to that of a test must not reach what others share.
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.process_group(0).spawn();
        let child = child.unwrap_or_else(|error| {
            panic!(
                "{} cannot be started: {error}",
                command.get_program().display()
            )
        });
        guard::end(child.id());
        let guarded = true;
        Self { child, guarded }
    }

    /// Whether it has ended by itself or was killed.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it and its children, as by `kill -9`, and waits until they are gone.
    #[expect(
        clippy::disallowed_methods,
        reason = "a drop kills too, and cannot await"
    )]
    pub fn kill(&mut self) {
        if !self.guarded {
            return;
        }
        let family = self.kill_children();
        self.child.kill().expect("it can be killed");
        self.forget();
        self.child.wait().expect("it ends");
        // A server refuses the folder of one whose children live.
        let begun = Instant::now();
        while family.iter().any(|pid| lives(*pid)) {
            let waited = begun.elapsed();
            assert!(waited < Duration::from_secs(10), "its children do not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn kill_children(&mut self) -> Vec<u32> {
        if self.has_ended() || children(self.id()).is_empty() {
            return Vec::new();
        }
        // Stopped first, so that it has no more of them than are found.
        signal("-STOP", &[self.id()]);
        let family = children(self.id());
        signal("-KILL", &family);
        family
    }

    /// Stops it and its children: its connections stay open, but silent.
    pub fn stop(&self) {
        self.signal_all("-STOP");
    }

    /// Ends [`Process::stop`].
    pub fn go_on(&self) {
        self.signal_all("-CONT");
    }

    fn signal_all(&self, name: &str) {
        let mut family = children(self.id());
        family.insert(0, self.id());
        signal(name, &family);
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn forget(&mut self) {
        if std::mem::take(&mut self.guarded) {
            guard::forget(self.id());
        }
    }

    /// Lets it outlive this value, though not this process.
    pub(crate) fn leave(self) {
        std::mem::forget(self);
    }

    /// Lets it outlive this process.
    pub(crate) fn hand_over(mut self) {
        self.forget();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn children(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let list = fs::read_to_string(path).unwrap_or_default();
    list.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// Whether a process runs that has this id.
pub(crate) fn lives(pid: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !state.is_empty() && !state.contains(") Z ")
}

fn signal(name: &str, pids: &[u32]) {
    let pids = pids.iter().map(ToString::to_string);
    // One of them may have ended in the meantime.
    let _ = Command::new("kill")
        .arg(name)
        .args(pids)
        .stderr(Stdio::null())
        .status();
}
