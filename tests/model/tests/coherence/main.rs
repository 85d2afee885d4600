//! Checks the coherence protocol in full, and that every rule left out is noticed.

mod scopes;

use std::collections::BTreeSet;
use std::time::Instant;

use larder_model::model::Larder;
use larder_model::mutant::Mutant;
use larder_model::scope::Scope;
use stateright::{Checker, Expectation, HasDiscoveries, Model};

/// The checker runs on every core there is, so the tests take turns. Whether another test failed
/// is no matter, hence the result that is kept as it is.
static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn explore_in_full(scopes: &[Scope]) {
    let _turn = TURN.lock();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (mut total, began) = (0, Instant::now());
    println!(
        "{:42} {:>10} {:>5} {:>7}",
        "scope", "states", "depth", "seconds"
    );
    for &scope in scopes {
        let began = Instant::now();
        let larder = Larder {
            scope,
            mutant: None,
        };
        let checked = larder.checker().threads(threads).spawn_bfs().join();
        println!(
            "{:42} {:>10} {:>5} {:>7.1}",
            scope.name,
            checked.unique_state_count(),
            checked.max_depth(),
            began.elapsed().as_secs_f64()
        );
        total += checked.unique_state_count();
        assert!(checked.is_done(), "{}: not explored in full", scope.name);
        for property in checked.model().properties() {
            let found = checked.discovery(property.name);
            match property.expectation {
                Expectation::Sometimes => {
                    assert!(found.is_some(), "{}: never {}", scope.name, property.name);
                }
                Expectation::Always | Expectation::Eventually => {
                    let how = found.map(stateright::Path::into_actions);
                    assert_eq!(how, None, "{}: broken: {}", scope.name, property.name);
                }
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{total} states in full, 0 violations, {seconds:.1} s");
}

#[test]
fn the_protocol_keeps_its_promises_in_every_state() {
    explore_in_full(&scopes::USUAL);
}

#[test]
#[ignore = "takes minutes and gigabytes"]
fn the_protocol_keeps_its_promises_in_larger_scopes() {
    explore_in_full(&scopes::DEEP);
}

#[test]
fn every_mutant_is_caught() {
    let _turn = TURN.lock();
    for &mutant in Mutant::ALL {
        let (promise, scope) = scopes::caught(mutant);
        let larder = Larder {
            scope,
            mutant: Some(mutant),
        };
        let until = HasDiscoveries::AnyOf(BTreeSet::from([promise]));
        let began = Instant::now();
        // One thread: the search is breadth first, and the way it finds one of the shortest.
        let checked = larder.checker().finish_when(until).spawn_bfs().join();
        let how = checked.discovery(promise);
        let how = how.map(stateright::Path::into_actions);
        println!(
            "{:44} breaks `{promise}` in {} steps, {} states, {:.2} s\n    {:?}",
            mutant.as_str(),
            how.as_ref().map_or(0, Vec::len),
            checked.unique_state_count(),
            began.elapsed().as_secs_f64(),
            how.as_deref().unwrap_or_default()
        );
        assert!(how.is_some(), "nobody noticed: {}", mutant.as_str());
    }
}
