use larder_model::{model::Larder, properties, scope::Scope, state::Way};
use stateright::{Checker, Model};
use std::time::Instant;
#[test]
fn measure() {
    let base = Scope::SMALL;
    let want = std::env::var("S").unwrap_or_default();
    for s in [
        Scope {
            name: "key1",
            ..base
        },
        Scope {
            name: "tag1",
            ways: &[Way::Tag],
            ..base
        },
        Scope {
            name: "mix1",
            ways: &[Way::Key, Way::Tag],
            ..base
        },
        Scope {
            name: "mixcut1",
            ways: &[Way::Key, Way::Tag],
            cuts: true,
            ..base
        },
        Scope {
            name: "through1",
            ways: &[Way::Through, Way::ThroughTag],
            ..base
        },
        Scope {
            name: "all1",
            ways: &[Way::Key, Way::Tag, Way::Through, Way::ThroughTag],
            ..base
        },
        Scope {
            name: "key2",
            nodes: 2,
            ..base
        },
        Scope {
            name: "tag2",
            nodes: 2,
            ways: &[Way::Tag],
            ..base
        },
        Scope {
            name: "key3w",
            writes: 3,
            ..base
        },
        Scope {
            name: "tag3w",
            writes: 3,
            ways: &[Way::Tag],
            ..base
        },
    ] {
        if !want.is_empty() && !want.split(',').any(|w| w == s.name) {
            continue;
        }
        let t = Instant::now();
        let c = Larder {
            scope: s,
            mutant: None,
        }
        .checker()
        .threads(2)
        .timeout(std::time::Duration::from_secs(90))
        .spawn_bfs()
        .join();
        println!(
            "{:10} {:>10} unique {:>11} states depth {:>3} {:.1}s",
            s.name,
            c.unique_state_count(),
            c.state_count(),
            c.max_depth(),
            t.elapsed().as_secs_f64()
        );
        for p in properties::ALWAYS {
            if let Some(d) = c.discovery(p) {
                println!("VIOLATION {p}: {:?}", d.into_actions());
            }
        }
        for p in c.model().properties() {
            if c.discovery(p.name).is_none() && !properties::ALWAYS.contains(&p.name) {
                println!("never: {}", p.name);
            }
        }
    }
}
