//! Which settings and limits a module is judged with.

use std::path::{Path, PathBuf};

use larder::wasm::{HostConfig, Limits, PolicyConfig};
use serde_json::Value;

use super::check::{settings, stem};
use crate::config::{Config, Overrides, limits_over};
use crate::exit::{Code, Failure};

/// With which settings and limits the module is judged; the defaults where nothing is given.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Subject {
    /// The policy's settings, a JSON object, or @FILE that holds one [default: those of the
    /// configuration, or {}]
    #[arg(long, value_name = "JSON")]
    settings: Option<String>,
    /// Take settings and limits from this configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which [[policy]] of the configuration, where several have this module
    #[arg(long, value_name = "NAME", requires = "config")]
    policy: Option<String>,
    /// A limit as under [policy.limits], such as file=32MiB or functions=20000; may be given more
    /// than once
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    limits: Vec<String>,
}

impl Subject {
    /// The settings and the limits for the module in `file`.
    pub(crate) fn resolve(&self, file: &Path) -> Result<(Value, Limits), Failure> {
        let configured = match &self.config {
            None => PolicyConfig::new(stem(file)),
            Some(path) => {
                let config = Config::load(path, &Overrides::from_env())
                    .map_err(|error| Failure::new(Code::Usage, error))?;
                chosen(&config.host, &stem(file), self.policy.as_deref())?
            }
        };
        let given = match &self.settings {
            Some(text) => settings(text)?,
            None => configured.settings,
        };
        let limits = limits_over(&self.limits, &configured.limits).map_err(Failure::usage)?;
        Ok((given, limits))
    }
}

/// The policy of that name, or the one that has the module.
fn chosen(host: &HostConfig, module: &str, name: Option<&str>) -> Result<PolicyConfig, Failure> {
    let matches = |policy: &&PolicyConfig| match name {
        Some(name) => policy.name == name,
        None => policy.module == module,
    };
    let found: Vec<_> = host.policies.iter().filter(matches).collect();
    match (found.as_slice(), name) {
        ([policy], _) => Ok((*policy).clone()),
        ([], None) => Ok(PolicyConfig {
            limits: host.defaults.clone(),
            ..PolicyConfig::new(module)
        }),
        ([], Some(name)) => Err(Failure::usage(format!(
            "the configuration has no policy `{name}`; leave --policy out for the one with the \
             module `{module}`"
        ))),
        (several, _) => {
            let names: Vec<_> = several.iter().map(|policy| policy.name.as_str()).collect();
            Err(Failure::usage(format!(
                "several policies of the configuration have the module `{module}`; choose one by \
                 --policy: {}",
                names.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, module: &str, instances: usize) -> PolicyConfig {
        PolicyConfig {
            name: name.into(),
            limits: Limits {
                instances,
                ..Limits::default()
            },
            ..PolicyConfig::new(module)
        }
    }

    #[test]
    fn a_module_is_judged_as_the_policy_that_has_it() {
        let mut host = HostConfig::new("policies");
        host.defaults.instances = 9;
        host.policies = vec![
            policy("a", "one", 1),
            policy("b", "two", 2),
            policy("c", "two", 3),
        ];
        let instances = |module: &str, name: Option<&str>| {
            chosen(&host, module, name).map(|policy| policy.limits.instances)
        };
        assert_eq!(instances("one", None).unwrap(), 1);
        assert_eq!(instances("two", Some("c")).unwrap(), 3);
        assert_eq!(instances("other", None).unwrap(), 9);
        let error = instances("two", None).unwrap_err().error.to_string();
        assert!(error.ends_with("by --policy: b, c"), "{error}");
        assert!(instances("one", Some("z")).is_err());
    }

    #[test]
    fn limits_on_the_line_are_those_of_the_configuration() {
        let subject = |limits: &[&str]| Subject {
            limits: limits.iter().map(ToString::to_string).collect(),
            ..Subject::default()
        };
        let (_, limits) = subject(&["file=32MiB", "functions=20000", "memories = 3"])
            .resolve(Path::new("x.wasm"))
            .unwrap();
        assert_eq!(limits.file_bytes, 32 << 20);
        assert_eq!((limits.functions, limits.memories), (20_000, 3));
        for (bad, words) in [
            ("file_bytes=1MiB", "unknown field `file_bytes`"),
            ("file", "NAME=VALUE"),
            ("file=32MB", "is not a size"),
            ("functions=many", "functions"),
        ] {
            let error = subject(&[bad]).resolve(Path::new("x.wasm")).unwrap_err();
            let text = error.error.to_string();
            assert!(text.contains(words), "{text}");
        }
    }
}
