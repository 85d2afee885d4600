//! The run of tests that this process belongs to.

use std::env;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::{Process, guard};

/// Names the folder through which the processes of a run share servers.
const FOLDER: &str = "LARDER_TEST_SERVERS";
/// Names the run, to tests that nextest starts.
const NEXTEST: &str = "NEXTEST_RUN_ID";

/// The run, and what its processes know of each other.
pub(crate) struct Run {
    folder: PathBuf,
    /// The process that the run ends with; none if that is this one.
    pid: Option<u32>,
}

static RUN: LazyLock<Run> = LazyLock::new(Run::find);

/// The folder of the run, which is removed when the run has ended.
#[must_use]
pub fn folder() -> &'static Path {
    &RUN.folder
}

impl Run {
    pub(crate) fn this() -> &'static Self {
        &RUN
    }

    fn find() -> Self {
        if let Some(folder) = env::var_os(FOLDER) {
            let folder = PathBuf::from(folder);
            let pid = fs::read_to_string(folder.join("pid")).ok();
            let pid = pid.and_then(|pid| pid.trim().parse().ok());
            let pid = pid.unwrap_or_else(|| panic!("{FOLDER} names a folder without a file `pid`"));
            return Self {
                folder,
                pid: Some(pid),
            };
        }
        match env::var(NEXTEST) {
            Ok(id) => Self::of_nextest(&id),
            Err(_) => Self::of_one(),
        }
    }

    /// Nextest is the parent of every test, and tells none of them that the run is over.
    fn of_nextest(id: &str) -> Self {
        let folder = env::temp_dir().join(format!("larder-{id}"));
        let (made, pid) = (made(), parent_id());
        fs::write(made.path().join("pid"), pid.to_string()).expect("it can be written");
        // Fails where another process of the run was faster.
        if fs::rename(made.path(), &folder).is_ok() {
            let _moved = made.keep();
            guard::end_with_run(&folder, pid, &[]);
        }
        let pid = Some(pid);
        Self { folder, pid }
    }

    fn of_one() -> Self {
        let folder = made().keep();
        guard::remove(&folder);
        Self { folder, pid: None }
    }

    /// What `start` answered in the first process of the run that asked for it by this name. The
    /// processes that it started end with the run.
    pub(crate) async fn once(
        &self,
        name: &str,
        start: impl AsyncFnOnce() -> (String, Vec<Process>),
    ) -> String {
        let Some(pid) = self.pid else {
            let (known, processes) = start().await;
            processes.into_iter().for_each(Process::leave);
            return known;
        };
        let told = self.folder.join(name);
        let turn = File::create(told.with_extension("lock")).expect("it can be made");
        turn.lock().expect("it can be locked");
        if let Ok(known) = fs::read_to_string(&told) {
            return known;
        }
        let (known, processes) = start().await;
        let pids: Vec<u32> = processes.iter().map(Process::id).collect();
        guard::end_with_run(&self.folder, pid, &pids);
        processes.into_iter().for_each(Process::hand_over);
        fs::write(&told, &known).expect("it can be written");
        known
    }
}

/// A new folder, which servers that run as another user can pass through.
fn made() -> TempDir {
    let folder = TempDir::with_prefix("larder-").expect("a temporary folder");
    let passable = Permissions::from_mode(0o711);
    fs::set_permissions(folder.path(), passable).expect("it is ours");
    folder
}
