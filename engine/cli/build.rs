//! Lists the sources that the program carries: the SDK, and the policy that the demo lets people
//! change; and the fields of the configuration.

#[path = "build/reference.rs"]
mod reference;

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The constants, each with the folder of the checkout whose files it has.
const CARRIED: [(&str, &str); 2] = [("SDK", "sdk"), ("STANDARD", "policies/standard")];

fn main() -> Result<(), Box<dyn Error>> {
    let mut code = String::new();
    for (name, folder) in CARRIED {
        let folder = Path::new("../..").join(folder);
        println!("cargo:rerun-if-changed={}", folder.display());
        let mut files = Vec::new();
        collect(&folder, &mut files)?;
        files.sort();
        writeln!(code, "pub(crate) const {name}: &Files = &[")?;
        for file in files {
            let inside = file.strip_prefix(&folder)?;
            let source = Path::new("/").join(&file);
            writeln!(
                code,
                "({inside:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {source:?}))),"
            )?;
        }
        writeln!(code, "];")?;
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("sources.rs"), code)?;
    let config = Path::new("src/config");
    println!("cargo:rerun-if-changed={}", config.display());
    println!("cargo:rerun-if-changed=build");
    fs::write(out.join("reference.rs"), reference::of(config)?)?;
    Ok(())
}

/// The files below `folder`, without what tools leave behind.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        if name == "target" || name == "Cargo.lock" || name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
