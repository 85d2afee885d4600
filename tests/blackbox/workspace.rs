//! The checkout, cargo in it, and what cargo makes of it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut above = package.ancestors();
    let root = above.find(|dir| dir.join("Cargo.lock").is_file());
    root.unwrap().to_path_buf()
}

/// Where this program was built: `target/debug` or `target/release`.
fn built() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let dir = program.parent().unwrap();
    let tests = dir.file_name().is_some_and(|name| name == "deps");
    if tests { dir.parent().unwrap() } else { dir }.to_path_buf()
}

/// A folder that outlives a run, for what takes long to build.
pub(crate) fn kept(name: &str) -> PathBuf {
    let path = built().parent().unwrap().join("tmp").join(name);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Cargo, free of what the cargo that runs this test has set.
pub(crate) fn cargo(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(dir);
    for (name, _) in std::env::vars_os() {
        let inherited = name.to_string_lossy();
        if inherited.starts_with("CARGO_PKG_") || inherited == "CARGO_MANIFEST_DIR" {
            command.env_remove(&name);
        }
    }
    command
}

/// The program `larder`, built once for each run, beside the tests and in their profile.
/// `LARDER_PROGRAM` names one that is there already.
pub(crate) fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(program) = std::env::var_os("LARDER_PROGRAM") {
            return program.into();
        }
        let dir = built();
        let mut build = cargo(&root());
        // Named by its package alone it would be built with fewer features, and everything again.
        build.args(["build", "--quiet", "--bin=larder", "--target-dir"]);
        build.arg(dir.parent().unwrap());
        if dir.ends_with("release") {
            build.arg("--release");
        }
        output(&mut build);
        dir.join("larder")
    })
}

/// Runs `command` and answers what it printed.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}
