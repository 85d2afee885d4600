use std::fs;
use std::path::Path;

use super::*;
use crate::assemble;
use crate::config::{Config, Overrides};

#[test]
fn every_table_that_is_read_has_a_head() {
    // The whole file; its fields are the heads.
    const FILE: &str = "file::File";
    for table in TABLES.iter().filter(|table| table.name != FILE) {
        let heads = HEADS.iter().filter(|(_, name)| *name == table.name);
        assert_eq!(heads.count(), 1, "{}", table.name);
        assert!(!table.about.is_empty(), "{}", table.name);
    }
    assert_eq!(tables().count(), HEADS.len());
}

#[test]
fn every_field_has_a_sentence_and_a_type_that_one_knows() {
    for (head, table) in tables() {
        for field in fields(table) {
            let at = format!("{head} {}", field.name);
            assert!(
                field.sentence.ends_with(['.', ':']),
                "{at}: `{}`",
                field.sentence
            );
            let kind = kind(field.kind);
            assert!(
                !kind.contains(char::is_uppercase) && !kind.is_empty(),
                "{at}: {kind}"
            );
        }
    }
    assert_eq!(kind("Isolation"), "`\"reuse\"`, `\"fresh\"`");
    assert_eq!(kind("Vec<Plane>"), "list of `\"data\"`, `\"admin\"`");
}

/// The least around a table, and whether it is the last of what is there.
fn around(head: &str) -> (&'static str, &'static str) {
    const WEB: &str = "[origin.o]\ntype = 'http'\nbase_url = 'http://h'\n";
    const SQLITE: &str = "[origin.o]\ntype = 'sqlite'\npath = 'p'\ntable = 't'\nkey = 'k'\n";
    const POSTGRES: &str =
        "[origin.o]\ntype = 'postgres'\nurl = 'postgres://h'\ntable = 't'\nkey = 'k'\n";
    const POLICY: &str = "[[policy]]\nname = 'p'\n";
    const DECISION: &str = "[[policy]]\nname = 'p'\non_failure = 'default_decision'\n\
        [policy.default_decision]\nstrategy = 'read_through'\nttl = '1s'\n";
    match head {
        "[store], type = \"memory\"" => ("[store]\ntype = 'memory'\n", ""),
        "[store], type = \"redis\" or \"tiered\"" => {
            ("[store]\ntype = 'redis'\nurl = 'redis://h'\n", "")
        }
        "[[policy]]" => (POLICY, ""),
        "[policy.default_decision]" => (DECISION, ""),
        "[policy.default_decision.invalidates]" => {
            (DECISION, "[policy.default_decision.invalidates]\n")
        }
        "[[route]]" => (
            "[[policy]]\nname = 'p'\n[[route]]\nresource = 'r'\npolicy = 'p'\n",
            "",
        ),
        "[origin.NAME]" | "[origin.NAME], type = \"http\"" => (WEB, ""),
        "[origin.NAME], type = \"sqlite\"" => (SQLITE, ""),
        "[origin.NAME], type = \"postgres\"" => (POSTGRES, ""),
        "[origin.NAME.limits]" => (WEB, "[origin.o.limits]\n"),
        "[origin.NAME.limits.breaker]" => (WEB, "[origin.o.limits.breaker]\n"),
        "[origin.NAME.outbox]" => (SQLITE, "[origin.o.outbox]\n"),
        "[write_behind]" => ("[write_behind]\n", ""),
        "[policies.limits]" => (POLICY, "[policies.limits]\n"),
        "[server]" => ("[server]\n", ""),
        "[policies]" => ("[policies]\n", ""),
        "[guard]" => ("[guard]\n", ""),
        "[log]" => ("[log]\n", ""),
        other => panic!("what is around {other}?"),
    }
}

/// All that comes of a configuration, with the defaults that are elsewhere.
fn made_of(text: &str, folder: &Path) -> String {
    let config = Config::parse(text, folder, &Overrides::default());
    let config = config.unwrap_or_else(|error| panic!("{error:#}\n{text}"));
    let settings = assemble::settings(&config, None);
    let behind = config.write_behind.as_ref();
    let behind = behind.map(|behind| (&behind.level, &behind.tuning));
    let level = config.log.level.as_deref().unwrap_or("info");
    format!(
        "{settings:?} {behind:?} {level} {:?}",
        (
            &config.store,
            &config.host,
            &config.routes,
            &config.origins,
            &config.on_failure,
            (&config.guard, config.retire),
        )
    )
}

#[test]
fn a_default_that_is_told_is_the_one_that_holds() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    fs::write(folder.path().join("policies/p.wasm"), "").unwrap();
    let mut told = 0;
    for (head, table) in tables() {
        for field in fields(table) {
            let Some(default) = field.default else {
                continue;
            };
            let (before, own) = around(head);
            let without = made_of(&format!("{before}{own}"), folder.path());
            // A field that is around already would be there twice.
            let same = format!("{} =", field.name);
            let others = before.lines();
            let others = others.filter(|line| !own.is_empty() || !line.starts_with(&same));
            let others: String = others.map(|line| format!("{line}\n")).collect();
            let with = format!("{others}{own}{} = {default}\n", field.name);
            assert_eq!(
                made_of(&with, folder.path()),
                without,
                "{head} {}",
                field.name
            );
            told += 1;
        }
    }
    assert!(told > 60, "only {told} defaults are told");
}

/// `LARDER_UPDATE=1 cargo test -p larder-cli reference` writes the page anew.
#[test]
fn the_page_of_the_documentation_is_made_from_the_types() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    if std::env::var_os("LARDER_UPDATE").is_some() {
        fs::write(&page, markdown()).unwrap();
    }
    let written = fs::read_to_string(&page).unwrap_or_default();
    assert_eq!(
        written,
        markdown(),
        "fields have changed; LARDER_UPDATE=1 cargo test -p larder-cli reference writes docs/configuration.md"
    );
}
