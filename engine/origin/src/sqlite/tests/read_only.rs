//! Files that are left as they are, and files that may only be read.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use super::*;

/// Names the folder to the test that runs as another user.
const FOLDER: &str = "LARDER_TEST_READ_ONLY";

/// The kernel lets root write anything, so this runs as nobody does.
const NOBODY: u32 = 65_534;

fn mode(path: &Path) -> String {
    let db = Connection::open(path).unwrap();
    let mode = db.pragma_query_value(None, "journal_mode", |row| row.get(0));
    mode.unwrap()
}

#[tokio::test]
async fn a_file_stays_in_its_mode_unless_the_configuration_asks_for_wal() {
    let shop = Shop::new();
    assert_eq!(mode(&shop.path), "delete");
    let origin = shop.origin("items");
    write(&origin, "a", &json!({"name": "x"})).await.unwrap();
    assert!(text(&origin, "a").await.is_some());
    assert_eq!(mode(&shop.path), "delete");
    let mut config = shop.config("items");
    config.wal = true;
    let origin = SqliteOrigin::open(config).unwrap();
    assert!(text(&origin, "a").await.is_some());
    assert_eq!(mode(&shop.path), "wal");
    write(&shop.origin("items"), "b", &json!({"name": "y"}))
        .await
        .unwrap();
    assert_eq!(mode(&shop.path), "wal", "nor is it taken out of it");
}

fn set(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_and_a_folder_that_may_only_be_read_are_served() {
    for wal in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.db");
        let db = Connection::open(&path).unwrap();
        if wal {
            db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
                .unwrap();
        }
        db.execute_batch(SHOP).unwrap();
        drop(db);
        let program = dir.path().join("tests");
        std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        set(&program, 0o755);
        set(&path, 0o444);
        set(dir.path(), 0o555);
        let mut test = Command::new(&program);
        test.args([
            "--exact",
            "sqlite::tests::read_only::is_served",
            "--ignored",
        ])
        .env(FOLDER, dir.path());
        if std::fs::metadata(dir.path())
            .is_ok_and(|folder| std::os::unix::fs::MetadataExt::uid(&folder) == 0)
        {
            test.uid(NOBODY);
        }
        let ended = test.output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        set(dir.path(), 0o755);
        assert!(
            ended.status.success() && said.contains("1 passed"),
            "WAL {wal}: {said}"
        );
    }
}

#[tokio::test]
#[ignore = "runs as another user, started by the test above"]
async fn is_served() {
    let folder = std::env::var_os(FOLDER).expect("the test above names it");
    let path = Path::new(&folder).join("shop.db");
    let origin = SqliteOrigin::open(SqliteConfig::new(&path, "products", "id")).unwrap();
    assert!(text(&origin, "42").await.unwrap().contains("Tea"));
    assert_eq!(text(&origin, "43").await, None);
    for error in [
        write(&origin, "42", &json!({"name": "x"}))
            .await
            .unwrap_err(),
        origin.delete(wanted("42")).await.unwrap_err(),
    ] {
        assert_eq!(error.as_str(), "rejected");
        assert!(error.to_string().contains("may only be read"), "{error}");
    }
    let answers = origin.apply(&[queued("42", None, 1)]).await;
    let error = answers.into_iter().next().unwrap().unwrap_err();
    assert!(!error.is_permanent(), "what is queued waits: {error}");
    assert_eq!(origin.trouble(), None);
}
