use proptest::prelude::*;

use super::*;

fn config() -> BreakerConfig {
    BreakerConfig {
        failure_percent: 50,
        minimum_calls: 4,
        window_ms: 1_000,
        open_ms: 500,
        jitter_percent: 20,
    }
}

/// Calls that end at once: `+` answered, `-` failed, `?` unknown, each one answered whether it
/// passed.
fn run(breaker: &mut Breaker, now_ms: u64, calls: &str) -> Vec<bool> {
    let one = |call| {
        let verdict = match call {
            '+' => Verdict::Answered,
            '-' => Verdict::Failed,
            _ => Verdict::Unknown,
        };
        match breaker.admit(now_ms) {
            Ok(ticket) => {
                breaker.settle(ticket, verdict, now_ms, 0.5);
                true
            }
            Err(_) => false,
        }
    };
    calls.chars().map(one).collect()
}

#[test]
fn opens_and_closes_by_the_table() {
    type Steps = &'static [(u64, &'static str, State)];
    let table: &[(&str, Steps)] = &[
        (
            "too few calls say nothing",
            &[(0, "---", State::Closed), (0, "-", State::Open)],
        ),
        (
            "a share below the limit",
            &[(0, "+++--", State::Closed), (0, "-", State::Open)],
        ),
        ("an answer never opens", &[(0, "---+", State::Closed)]),
        (
            "what was given up does not count",
            &[(0, "---????", State::Closed)],
        ),
        (
            "calls leave the window",
            &[(0, "---", State::Closed), (1_000, "---", State::Closed)],
        ),
        (
            "and stay for its length",
            &[(0, "---", State::Closed), (999, "-", State::Open)],
        ),
        (
            "jitter prolongs",
            &[
                (0, "----", State::Open),
                (549, "+", State::Open),
                (550, "+", State::Closed),
            ],
        ),
        (
            "a failed probe opens again",
            &[
                (0, "----", State::Open),
                (550, "-", State::Open),
                (1_099, "+", State::Open),
                (1_100, "+", State::Closed),
            ],
        ),
        (
            "a probe that was given up is repeated",
            &[
                (0, "----", State::Open),
                (550, "?", State::HalfOpen),
                (550, "+", State::Closed),
            ],
        ),
        (
            "what was before is forgotten",
            &[
                (0, "----", State::Open),
                (550, "+---", State::Closed),
                (550, "-", State::Open),
            ],
        ),
    ];
    for (name, steps) in table {
        let mut breaker = Breaker::new(config());
        for (now_ms, calls, expected) in *steps {
            run(&mut breaker, *now_ms, calls);
            assert_eq!(breaker.state(), *expected, "{name}: at {now_ms}");
        }
    }
}

#[test]
fn says_how_long_to_wait() {
    let mut breaker = Breaker::new(config());
    run(&mut breaker, 0, "----");
    assert_eq!(breaker.admit(150), Err(400));
    let probe = breaker.admit(550).expect("passes");
    assert_eq!(breaker.admit(551), Err(500), "one probe at a time");
    breaker.settle(probe, Verdict::Answered, 552, 0.0);
    assert_eq!(breaker.refusal(552), None);
}

#[test]
fn calls_from_before_it_opened_say_nothing_of_now() {
    let mut breaker = Breaker::new(config());
    let early = breaker.admit(0).expect("passes");
    run(&mut breaker, 0, "----");
    breaker.settle(early, Verdict::Answered, 10, 0.0);
    assert_eq!(breaker.state(), State::Open);
    let probe = breaker.admit(550).expect("passes");
    breaker.settle(early, Verdict::Answered, 560, 0.0);
    assert_eq!(breaker.admit(560), Err(500), "the probe is still under way");
    breaker.settle(probe, Verdict::Failed, 570, 0.0);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn zero_percent_turns_it_off() {
    let off = BreakerConfig {
        failure_percent: 0,
        ..config()
    };
    let mut breaker = Breaker::new(off);
    assert!(
        run(&mut breaker, 0, &"-".repeat(100))
            .iter()
            .all(|passed| *passed)
    );
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn settings_that_mean_nothing_are_refused() {
    assert_eq!(BreakerConfig::default().check(), Ok(()));
    for wrong in [
        BreakerConfig {
            failure_percent: 101,
            ..config()
        },
        BreakerConfig {
            open_ms: 0,
            ..config()
        },
        BreakerConfig {
            window_ms: 0,
            ..config()
        },
    ] {
        assert!(wrong.check().is_err(), "{wrong:?}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(u64),
    Call,
    /// Ends one of the calls under way.
    End(usize, Verdict),
}

fn step() -> impl Strategy<Value = Step> {
    let verdict = prop_oneof![
        Just(Verdict::Answered),
        Just(Verdict::Failed),
        Just(Verdict::Failed),
        Just(Verdict::Unknown),
    ];
    prop_oneof![
        (0..400_u64).prop_map(Step::Pass),
        Just(Step::Call),
        Just(Step::Call),
        (any::<usize>(), verdict).prop_map(|(at, verdict)| Step::End(at, verdict)),
    ]
}

proptest! {
    /// Whatever happens: while it is open nothing passes before its time, in half open there is
    /// one call at a time, and a refusal comes with a time that is neither zero nor longer than
    /// the breaker can be open.
    #[test]
    fn an_open_breaker_protects_the_origin(
        steps in prop::collection::vec(step(), 1..400),
        random in 0.0..1.0_f64,
    ) {
        let mut breaker = Breaker::new(config());
        let (mut now, mut opened, mut under_way) = (0, None, Vec::<(Ticket, State)>::new());
        for step in steps {
            match step {
                Step::Pass(ms) => now += ms,
                Step::Call => match breaker.admit(now) {
                    Ok(ticket) => {
                        let state = breaker.state();
                        prop_assert!(opened.is_none_or(|at| now >= at + 500));
                        let probes = under_way.iter().filter(|(one, _)| *one == ticket);
                        prop_assert!(state == State::Closed || probes.count() == 0);
                        under_way.push((ticket, state));
                    }
                    Err(wait) => {
                        prop_assert!((1..=600).contains(&wait));
                        prop_assert!(breaker.state() != State::Closed);
                    }
                },
                Step::End(at, verdict) if !under_way.is_empty() => {
                    let (ticket, _) = under_way.swap_remove(at % under_way.len());
                    let before = breaker.state();
                    breaker.settle(ticket, verdict, now, random);
                    match breaker.state() {
                        State::Open if before != State::Open => opened = Some(now),
                        State::Closed => opened = None,
                        _ => {}
                    }
                }
                Step::End(..) => {}
            }
        }
    }

    /// An origin that answers is never left alone, and one that fails always is in the end.
    #[test]
    fn it_follows_the_origin(gaps in prop::collection::vec(0..200_u64, 4..100), fails: bool) {
        let mut breaker = Breaker::new(BreakerConfig { window_ms: 100_000, ..config() });
        let mut now = 0;
        let calls = if fails { "-" } else { "+" };
        let mut refused = false;
        for gap in gaps {
            now += gap;
            refused |= !run(&mut breaker, now, calls)[0];
        }
        prop_assert_eq!(breaker.state() != State::Closed, fails);
        prop_assert!(fails || !refused);
    }
}
