//! What the READMEs of the policies that ship say: every sentence and every row of a table is tried
//! by a test, which this checks too.

mod api;
mod llm;
mod session;
mod standard;

use std::collections::BTreeSet;

/// Checks that each claim of a README is under a test of `sources`, and that no test stands for a
/// claim that is gone. A claim is known by how it begins.
#[track_caller]
fn every_claim_is_tried(readme: &str, sources: &[&str], tried: &[(&str, &str)]) {
    let mut used = BTreeSet::new();
    for claim in claims(readme) {
        let found = tried.iter().find(|(begins, _)| claim.starts_with(begins));
        let (begins, test) = found.unwrap_or_else(|| panic!("no test tries: {claim}"));
        let function = format!("fn {test}(");
        let exists = sources.iter().any(|source| source.contains(&function));
        assert!(exists, "there is no test `{test}` for: {claim}");
        used.insert(begins);
    }
    for (begins, _) in tried {
        assert!(used.contains(begins), "no claim begins with: {begins}");
    }
}

/// The sentences and the rows of tables, headings left out.
fn claims(readme: &str) -> Vec<String> {
    let mut claims = Vec::new();
    let mut prose = String::new();
    let mut table = 0;
    for line in readme.lines().map(str::trim).chain([""]) {
        if line.starts_with('|') {
            table += 1;
            // The first two rows say what the columns are.
            if table > 2 {
                claims.push(line.to_owned());
            }
            continue;
        }
        table = 0;
        if line.is_empty() || line.starts_with('#') || line.starts_with("- ") {
            claims.append(&mut sentences(&prose));
            prose.clear();
        }
        if !line.starts_with('#') {
            prose.push_str(line.trim_start_matches("- "));
            prose.push(' ');
        }
    }
    claims
}

fn sentences(prose: &str) -> Vec<String> {
    let ended = prose.trim().replace(". ", ".\n");
    let sentences = ended.lines().map(|sentence| sentence.trim().to_owned());
    sentences.filter(|sentence| !sentence.is_empty()).collect()
}

#[test]
fn claims_are_sentences_and_rows() {
    let readme = "# a\n\nOne is\nhere. Two.\n\n| s | d |\n|---|---|\n| `x` | 1 |\n\n- Three.\n";
    assert_eq!(
        claims(readme),
        ["One is here.", "Two.", "| `x` | 1 |", "Three."]
    );
}
