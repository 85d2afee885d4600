//! Ends what a process started, however that process ends: shells that wait for its end.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::LazyLock;

use parking_lot::Mutex;

/// Kills processes with their children, and removes a folder, into which a child that is about to
/// end may still write.
const END: &str = r#"
end() {
    for pid in $1; do
        kill -KILL "$pid" $(cat "/proc/$pid/task/$pid/children")
    done
    for _ in 1 2 3 4 5; do
        rm -rf "$2" && return
        sleep 0.2
    done
}
"#;

/// Is told what to end, a line for each, until whoever tells it is gone.
const OWN: &str = r#"
trap '' INT TERM HUP
pids= folder=
while read -r what which; do
    case $what in
        end) pids="$pids $which" ;;
        remove) folder=$which ;;
        forget)
            kept=
            for pid in $pids; do
                [ "$pid" = "$which" ] || kept="$kept $pid"
            done
            pids=$kept
            ;;
    esac
done
end "$pids" "$folder"
"#;

/// Looks whether the run goes on: `$1` is its folder, `$2` its process, `$3` what to end.
const OF_RUN: &str = r#"
trap '' INT TERM HUP
while [ -e "$1/pid" ] && kill -0 "$2"; do
    sleep 0.3
done
end "$3" "$1"
"#;

/// The line to the guard of this process. The system closes it when the process ends.
#[expect(clippy::zombie_processes, reason = "it outlives this process")]
static LINE: LazyLock<Mutex<ChildStdin>> = LazyLock::new(|| {
    let mut shell = shell(OWN, &[], Stdio::piped());
    Mutex::new(shell.stdin.take().expect("it is piped"))
});

/// In a group of its own, so that what ends a group of processes does not end it before.
fn shell(script: &str, args: &[&str], stdin: Stdio) -> Child {
    Command::new("sh")
        .args(["-c", &format!("{END}{script}"), "guard"])
        .args(args)
        .stdin(stdin)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0)
        .spawn()
        .expect("there is a shell")
}

fn tell(what: &str, which: &str) {
    let told = LINE
        .lock()
        .write_all(format!("{what} {which}\n").as_bytes());
    told.expect("the guard listens");
}

/// Ends a process when this one has ended.
pub(crate) fn end(pid: u32) {
    tell("end", &pid.to_string());
}

/// Undoes [`end`].
pub(crate) fn forget(pid: u32) {
    tell("forget", &pid.to_string());
}

/// Removes the one folder of this process when it has ended.
pub(crate) fn remove(folder: &Path) {
    tell("remove", &folder.display().to_string());
}

/// Ends processes when the process of a run has ended, or the file that names it is gone; then
/// the folder of the run is removed too.
#[expect(clippy::zombie_processes, reason = "it outlives this process")]
pub(crate) fn end_with_run(folder: &Path, run: u32, pids: &[u32]) {
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    let (folder, run) = (folder.display().to_string(), run.to_string());
    shell(OF_RUN, &[&folder, &run, &pids.join(" ")], Stdio::null());
}
