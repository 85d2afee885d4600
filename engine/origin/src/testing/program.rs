//! The programs of PostgreSQL, and the user that they run as.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program, as the user that the server agrees to run as.
pub(super) fn command(program: &str) -> Command {
    as_its_user(binary(program))
}

/// The program in this folder or else in the path, as the same user.
pub(super) fn command_at(folder: &Path, program: &str) -> Command {
    let there = folder.join(program);
    as_its_user(if there.exists() {
        there
    } else {
        program.into()
    })
}

fn as_its_user(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some((user, group)) = account() {
        command.uid(user).gid(group);
    }
    command
}

/// Gives a folder to the user of [`command`].
pub(super) fn give(folder: &Path) {
    if let Some((user, group)) = account() {
        chown(folder, Some(user), Some(group)).expect("the folder can be given away");
    }
}

/// Fails with what a program said, if it failed.
pub(super) fn must(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

fn binary(program: &str) -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin").join(program)))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| Path::new(program).to_owned())
}

/// User and group `postgres` where this runs as root, as which the server does not run.
fn account() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").ok()?.uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let mut parts = line.expect("a user `postgres`").split(':').skip(2);
    let mut number = || parts.next()?.parse().ok();
    Some((number()?, number()?))
}
