//! The example, run as a reader would run it.

use std::process::Command;

#[test]
fn no_acknowledged_order_is_missing() {
    let run = Command::new(env!("CARGO_BIN_EXE_larder-example-orders"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    let why = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}{why}");
    assert!(said.contains(", 0 of them missing"), "{said}");
    assert!(!said.contains("; 0 orders acknowledged"), "{said}");
}
