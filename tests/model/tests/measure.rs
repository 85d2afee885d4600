use larder_model::{model::Larder, properties, scope::Scope, state::Way};
use stateright::{Checker, Model};
use std::time::Instant;
#[test]
fn measure() {
    let base = Scope::SMALL;
    let want = std::env::var("S").unwrap_or_default();
    const KT: &[Way] = &[Way::Key, Way::Tag];
    const TH: &[Way] = &[Way::Through, Way::ThroughTag];
    const ALL: &[Way] = &[Way::Key, Way::Tag, Way::Through, Way::ThroughTag];
    for s in [
        Scope {
            name: "key2n1l",
            nodes: 2,
            loads: 1,
            ..base
        },
        Scope {
            name: "tag2n1l",
            nodes: 2,
            loads: 1,
            ways: &[Way::Tag],
            ..base
        },
        Scope {
            name: "tagexact1l",
            loads: 1,
            exact: true,
            ways: &[Way::Tag],
            ..base
        },
        Scope {
            name: "mix",
            ways: KT,
            ..base
        },
        Scope {
            name: "mix1l",
            loads: 1,
            ways: KT,
            ..base
        },
        Scope {
            name: "mixcut1l",
            loads: 1,
            ways: KT,
            cuts: true,
            ..base
        },
        Scope {
            name: "keycut",
            cuts: true,
            ..base
        },
        Scope {
            name: "through1l",
            loads: 1,
            ways: TH,
            ..base
        },
        Scope {
            name: "through",
            ways: TH,
            ..base
        },
        Scope {
            name: "all1l",
            loads: 1,
            ways: ALL,
            ..base
        },
        Scope {
            name: "key3w1l",
            loads: 1,
            writes: 3,
            ..base
        },
        Scope {
            name: "key3w",
            writes: 3,
            ..base
        },
        Scope {
            name: "thr3w1l",
            loads: 1,
            writes: 3,
            ways: &[Way::Through],
            ..base
        },
        Scope {
            name: "key3l",
            loads: 3,
            ..base
        },
        Scope {
            name: "key2r1l",
            loads: 1,
            reads: 2,
            ..base
        },
        Scope {
            name: "mix2r1l",
            loads: 1,
            reads: 2,
            ways: KT,
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
        .timeout(std::time::Duration::from_secs(40))
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
