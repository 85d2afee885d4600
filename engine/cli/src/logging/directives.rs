//! What is logged, from the words of `log.level`.
//!
//! A level by itself means what Larder says. The libraries under it say what only their own authors
//! can use, and at `debug` they say it for every request, so they stay at `warn` until named.

use anyhow::{Result, anyhow};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// What is logged where nothing is configured.
const DEFAULT: &str = "info";

/// What all of Larder's own targets begin with.
const OWN: &str = "larder";

/// What Larder's own targets are, or are below.
const PARTS: [&str; 7] = [
    OWN,
    "larder_cli",
    "larder_core",
    "larder_origin",
    "larder_server",
    "larder_store",
    "larder_wasm",
];

/// The filter of `log.level`.
///
/// # Errors
/// Says which word is neither a level nor a directive.
pub(super) fn filter(level: Option<&str>) -> Result<EnvFilter> {
    let level = level.unwrap_or(DEFAULT);
    let spelled = spelled(level)?;
    EnvFilter::try_new(&spelled).map_err(|_| wrong(level, level))
}

/// The setting with everything said: the libraries' level, Larder's own, then what is named.
fn spelled(level: &str) -> Result<String> {
    let mut own = None;
    let mut named = Vec::new();
    for word in level
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        match word.parse::<LevelFilter>() {
            Ok(level) => own = Some(level),
            // A lone word would be taken for a target, all of which is logged: a misspelt level
            // would silence everything else.
            Err(_) if is_misspelt(word) => return Err(no_target(word)),
            Err(_) if word.contains(['=', '[']) => named.push(word),
            Err(_) => return Err(wrong(level, word)),
        }
    }
    let own = own.unwrap_or(LevelFilter::INFO);
    let libraries = own.min(LevelFilter::WARN);
    // It warns of each folder that was replaced, which is watched anew.
    let watching = own.min(LevelFilter::ERROR);
    let mut all = vec![
        libraries.to_string(),
        format!("notify={watching}"),
        format!("{OWN}={own}"),
    ];
    all.extend(named.into_iter().map(str::to_owned));
    Ok(all.join(","))
}

/// Whether a directive names a part of Larder that there is not: nobody would hear of it.
fn is_misspelt(word: &str) -> bool {
    let target = word.split(['=', '[']).next().unwrap_or_default();
    let root = target.split("::").next().unwrap_or_default();
    word.contains(['=', '[']) && root.starts_with(OWN) && !PARTS.contains(&root)
}

fn no_target(word: &str) -> anyhow::Error {
    anyhow!(
        "`log.level`: `{}` names no part of Larder; there is {}",
        word.escape_debug(),
        PARTS.join(", ")
    )
}

fn wrong(level: &str, word: &str) -> anyhow::Error {
    anyhow!(
        "`log.level`: `{}` is no level{}; write \"info\", \"debug\", or \"info,larder_store=debug\"",
        word.escape_debug(),
        if word == level {
            String::new()
        } else {
            format!(", in \"{}\"", level.escape_debug())
        }
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

    use super::*;

    /// The targets and levels of what passes.
    #[derive(Clone, Default)]
    struct Passed(Arc<Mutex<Vec<String>>>);

    impl<S: tracing::Subscriber> Layer<S> for Passed {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            let meta = event.metadata();
            self.0
                .lock()
                .push(format!("{} {}", meta.target(), meta.level()));
        }
    }

    #[test]
    fn a_part_of_larder_that_there_is_not_is_refused() {
        for word in [
            "larder_stor=debug",
            "info,larder_store::redis=debug,larder-store=trace",
        ] {
            let why = filter(Some(word)).unwrap_err().to_string();
            assert!(
                why.contains("names no part of Larder; there is larder,"),
                "{why}"
            );
        }
        for word in [
            "larder=debug",
            "larder_store::redis=debug",
            "larder_wasm[x]=trace",
            "larderette_=off",
        ] {
            assert_eq!(
                filter(Some(word)).is_ok(),
                !word.starts_with("larderette"),
                "{word}"
            );
        }
    }

    /// What passes of a line of each level by Larder and by a library.
    fn passed(level: Option<&str>) -> Vec<String> {
        let seen = Passed::default();
        let all = tracing_subscriber::registry()
            .with(filter(level).expect("is a level"))
            .with(seen.clone());
        tracing::subscriber::with_default(all, || {
            tracing::trace!(target: "larder_store::redis", "x");
            tracing::debug!(target: "larder", "x");
            tracing::info!(target: "larder_server", "x");
            tracing::warn!(target: "larder_wasm", "x");
            tracing::debug!(target: "hyper::proto", "x");
            tracing::info!(target: "wasmtime", "x");
            tracing::warn!(target: "redis", "x");
            tracing::warn!(target: "notify::inotify", "x");
            tracing::error!(target: "rustls", "x");
        });
        std::mem::take(&mut seen.0.lock())
    }

    #[test]
    fn a_level_means_larder_and_libraries_stay_at_warn_unless_named() {
        let (own, theirs) = (
            [
                "larder_store::redis TRACE",
                "larder DEBUG",
                "larder_server INFO",
                "larder_wasm WARN",
            ],
            ["redis WARN", "rustls ERROR"],
        );
        for (level, from, libraries) in [
            (None, 2, &theirs[..]),
            (Some("info"), 2, &theirs),
            (Some("debug"), 1, &theirs),
            (Some("TRACE"), 0, &theirs),
            (Some("warn"), 3, &theirs),
            (Some("error"), 4, &theirs[1..]),
            (Some("off"), 4, &[]),
            (Some("info, larder=debug"), 1, &theirs),
            (
                Some("debug,hyper=debug"),
                1,
                &["hyper::proto DEBUG", "redis WARN", "rustls ERROR"],
            ),
            (
                Some("hyper=debug"),
                2,
                &["hyper::proto DEBUG", "redis WARN", "rustls ERROR"],
            ),
            (Some("trace,redis=off"), 0, &["rustls ERROR"]),
        ] {
            let expected: Vec<_> = own[from..].iter().chain(libraries).copied().collect();
            assert_eq!(passed(level), expected, "{level:?}");
        }
        assert_eq!(passed(Some("warn,larder_store=trace"))[0], own[0]);
    }

    #[test]
    fn what_is_no_level_is_named() {
        for (level, words) in [
            ("verbose", "`verbose` is no level; write"),
            ("info,hypr", "`hypr` is no level, in \"info,hypr\""),
            ("hyper=loud", "is no level"),
        ] {
            let error = filter(Some(level)).expect_err(level).to_string();
            assert!(error.contains(words), "{level}: {error}");
        }
    }
}
