//! The folder of a server, and the data that every server begins with.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use larder_servers::Once;
use tempfile::TempDir;

use super::program::{command, give, must};

/// Where the data is in a folder.
pub(super) const DATA: &str = "data";

/// A folder with a copy of the data of a server that has a database `larder`.
pub(super) async fn with_data() -> TempDir {
    static FIRST: Once = Once::new("postgres-data");
    let first = FIRST.get(async || {
        let folder = initialised().keep();
        (folder.display().to_string(), Vec::new())
    });
    let (from, folder) = (Path::new(&first.await).join(DATA), empty());
    let mut copy = command("cp");
    copy.arg("-a").arg(from).arg(folder.path().join(DATA));
    must(&copy.output().expect("files can be copied"));
    folder
}

fn empty() -> TempDir {
    let folder = TempDir::new_in(larder_servers::folder()).expect("a temporary folder");
    give(folder.path());
    folder
}

/// A folder with the data of a server that was never started.
fn initialised() -> TempDir {
    let folder = empty();
    let data = folder.path().join(DATA);
    let mut initdb = command("initdb");
    initdb.args(["--no-sync", "--auth=trust", "--username=larder"]);
    initdb.args(["--encoding=UTF8", "--locale=C.UTF-8", "-D"]);
    must(&initdb.arg(&data).output().expect("initdb is installed"));

    let mut single = command("postgres");
    single
        .args(["--single", "-F", "-D"])
        .arg(&data)
        .arg("postgres");
    single.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut single = single
        .stderr(Stdio::piped())
        .spawn()
        .expect("it is installed");
    let mut statements = single.stdin.take().expect("it is piped");
    statements
        .write_all(b"CREATE DATABASE larder\n")
        .expect("it is read");
    drop(statements);
    must(&single.wait_with_output().expect("it ends"));
    folder
}
