//! `larder.toml`.

use std::path::Path;
use std::sync::LazyLock;

use larder_cli::check_config;
use tempfile::TempDir;

/// Where the paths of the configurations lead. Without it everything is refused for the want of
/// a folder of policies.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    std::fs::create_dir(folder.path().join("policies")).expect("the folder is empty");
    folder
});

/// A text is taken or refused, with reasons, and always alike; what is taken is taken as well when
/// the environment sets one value of it to something sound.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let told = told(text, FOLDER.path(), &[]);
    assert_eq!(told, self::told(text, FOLDER.path(), &[]));
    match told {
        Ok(warnings) => {
            assert!(!warnings.iter().any(String::is_empty));
            // Loopback, and a port that nobody else has: sound with any plane and any token.
            let sound = [("LARDER__SERVER__LISTEN", "127.0.0.1:0")];
            assert_eq!(self::told(text, FOLDER.path(), &sound), Ok(warnings));
        }
        Err(why) => assert!(!why.trim().is_empty()),
    }
}

fn told(text: &str, folder: &Path, variables: &[(&str, &str)]) -> Result<Vec<String>, String> {
    check_config(text, folder, variables).map_err(|error| format!("{error:#}"))
}
