//! The binary `larder`; the crate's library is all of it.

use std::process::ExitCode;

fn main() -> ExitCode {
    larder_cli::run()
}
