//! Lock files: a build takes the versions that the SDK was tested with, and needs no network where
//! they are there already.

use crate::embedded::LOCK;

const MARK: &str = "[[package]]\n";

/// The lock file of the crate `name`, whose dependencies are among those of the SDK.
pub(super) fn of(name: &str, version: &str, dependencies: &[impl AsRef<str>]) -> String {
    let dependencies: String = dependencies
        .iter()
        .map(|name| format!(" \"{}\",\n", name.as_ref()))
        .collect();
    let own =
        format!("name = \"{name}\"\nversion = \"{version}\"\ndependencies = [\n{dependencies}]");
    let mut parts = LOCK.split(MARK);
    let head = parts.next().unwrap_or_default();
    let mut packages: Vec<&str> = parts.map(str::trim_end).chain([own.as_str()]).collect();
    // Cargo keeps them in the order of their names, and would write the file anew.
    packages.sort_by_key(|package| package.lines().next());
    let packages: Vec<_> = packages
        .iter()
        .map(|package| format!("{MARK}{package}\n"))
        .collect();
    format!("{head}{}", packages.join("\n"))
}

/// Whether a package of this name is there beside the crate itself.
pub(super) fn has(name: &str) -> bool {
    LOCK.contains(&format!("{MARK}name = \"{name}\"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crate_takes_its_place_among_the_others() {
        for name in ["a", "my-policy", "zz"] {
            let text = of(name, "1.2.3", &["larder-sdk", "serde"]);
            let lock: toml::Table = toml::from_str(&text).unwrap();
            let packages = lock["package"].as_array().unwrap();
            let own = packages
                .iter()
                .find(|package| package["name"].as_str() == Some(name))
                .unwrap();
            assert_eq!(own["version"].as_str(), Some("1.2.3"));
            assert_eq!(own["dependencies"].as_array().unwrap().len(), 2);
            assert!(packages.is_sorted_by_key(|package| package["name"].as_str()));
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{text}");
            assert_eq!(text.lines().count(), LOCK.lines().count() + 8);
        }
    }

    #[test]
    fn the_packages_that_a_crate_is_built_with_are_known() {
        assert!(has("larder-sdk") && has("serde"));
        assert!(!has("my-policy") && !has("serd"));
    }
}
