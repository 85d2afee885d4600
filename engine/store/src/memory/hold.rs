//! Who may fill one key: the rules of leases and writes, without locks, clock or randomness.

use larder_core::Timestamp;

use crate::store::Token;

/// The claims on one key that have not ended. `fresh` arguments are tokens never used before.
#[derive(Debug)]
pub(crate) enum Hold {
    Load(Load),
    Writes(Writes),
}

/// A lease: loaders that share one token, of which the first may fill.
#[derive(Debug)]
pub(crate) struct Load {
    token: Token,
    until: Timestamp,
    loaders: u32,
}

/// Writes in progress; empty only when all have run out.
#[derive(Debug)]
pub(crate) struct Writes {
    all: Vec<Write>,
    /// Stands for "nothing happened to this key since". It is replaced whenever a write begins or
    /// ends or the key is invalidated, so that no read joins a load from before.
    witness: Token,
}

#[derive(Debug)]
struct Write {
    token: Token,
    until: Timestamp,
    may_fill: bool,
}

/// What giving up a token changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// The token did not hold: nothing.
    Nothing,
    /// A share of a lease, or one of several writes; the key is still held.
    Part,
    /// The last claim on the key.
    All,
}

impl Hold {
    pub(crate) fn load(token: Token, until: Timestamp) -> Self {
        Self::Load(Load {
            token,
            until,
            loaders: 1,
        })
    }

    pub(crate) fn write(token: Token, until: Timestamp, fresh: Token) -> Self {
        Self::Writes(Writes {
            all: vec![Write {
                token,
                until,
                may_fill: true,
            }],
            witness: fresh,
        })
    }

    /// Drops the claims that have run out; answers whether any is left. Must come before every
    /// question that depends on the time.
    pub(crate) fn settle(&mut self, now: Timestamp, fresh: Token) -> bool {
        match self {
            Self::Load(load) => now < load.until,
            Self::Writes(writes) => {
                let before = writes.all.len();
                writes.all.retain(|write| now < write.until);
                if writes.all.len() != before {
                    writes.witness = fresh;
                }
                !writes.all.is_empty()
            }
        }
    }

    /// Takes part in a lease; none where writes hold the key.
    pub(crate) fn join(&mut self, until: Timestamp) -> Option<Token> {
        let Self::Load(load) = self else { return None };
        load.loaders = load.loaders.saturating_add(1);
        load.until = load.until.max(until);
        Some(load.token)
    }

    /// Lets `token` last longer; answers whether it holds at all.
    pub(crate) fn extend(&mut self, token: Token, until: Timestamp) -> bool {
        let end = match self {
            Self::Load(load) => (load.token == token).then_some(&mut load.until),
            Self::Writes(writes) => {
                let own = writes.all.iter_mut().find(|write| write.token == token);
                own.map(|write| &mut write.until)
            }
        };
        end.map(|end| *end = until.max(*end)).is_some()
    }

    /// The token to show to those who are refused.
    pub(crate) fn by(&self) -> Token {
        match self {
            Self::Load(load) => load.token,
            Self::Writes(writes) => writes.witness,
        }
    }

    /// Whether `token` may fill the key.
    pub(crate) fn may_fill(&self, token: Token) -> bool {
        match self {
            Self::Load(load) => load.token == token,
            Self::Writes(writes) => writes.all.iter().any(|w| w.token == token && w.may_fill),
        }
    }

    /// Whether nothing has happened to the key since `token` was handed out.
    pub(crate) fn holds(&self, token: Token) -> bool {
        self.by() == token || self.may_fill(token)
    }

    /// One loader or writer stops.
    pub(crate) fn give_up(&mut self, token: Token, fresh: Token) -> GivenUp {
        match self {
            Self::Load(load) if load.token == token => {
                load.loaders -= 1;
                if load.loaders == 0 {
                    GivenUp::All
                } else {
                    GivenUp::Part
                }
            }
            Self::Load(_) => GivenUp::Nothing,
            Self::Writes(writes) => writes.end(token, fresh),
        }
    }

    /// Ends what `token` stands for, with all its loaders.
    pub(crate) fn end(&mut self, token: Token, fresh: Token) -> GivenUp {
        match self {
            Self::Load(load) if load.token == token => GivenUp::All,
            Self::Load(_) => GivenUp::Nothing,
            Self::Writes(writes) => writes.end(token, fresh),
        }
    }

    /// A write begins: leases are void, and of writes that overlap none may fill, because the
    /// order in which they reached the origin is unknown.
    pub(crate) fn begin_write(&mut self, token: Token, until: Timestamp, fresh: Token) {
        match self {
            Self::Load(_) => *self = Self::write(token, until, fresh),
            Self::Writes(writes) => {
                writes.void(fresh);
                writes.all.push(Write {
                    token,
                    until,
                    may_fill: false,
                });
            }
        }
    }

    /// The key was invalidated; answers whether a claim is left.
    pub(crate) fn invalidate(&mut self, fresh: Token) -> bool {
        match self {
            Self::Load(_) => false,
            Self::Writes(writes) => {
                writes.void(fresh);
                true
            }
        }
    }
}

impl Writes {
    fn void(&mut self, fresh: Token) {
        self.witness = fresh;
        for write in &mut self.all {
            write.may_fill = false;
        }
    }

    fn end(&mut self, token: Token, fresh: Token) -> GivenUp {
        let before = self.all.len();
        self.all.retain(|write| write.token != token);
        if self.all.len() == before {
            return GivenUp::Nothing;
        }
        self.witness = fresh;
        if self.all.is_empty() {
            GivenUp::All
        } else {
            GivenUp::Part
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: Timestamp = Timestamp(100);

    #[test]
    fn a_shared_lease_ends_with_its_last_loader_and_lasts_as_long_as_the_longest() {
        let mut hold = Hold::load(Token(1), END);
        assert_eq!(hold.join(Timestamp(150)), Some(Token(1)));
        assert!(hold.settle(Timestamp(149), Token(9)));
        assert_eq!(hold.give_up(Token(2), Token(9)), GivenUp::Nothing);
        assert_eq!(hold.give_up(Token(1), Token(9)), GivenUp::Part);
        assert!(hold.may_fill(Token(1)));
        assert_eq!(hold.give_up(Token(1), Token(9)), GivenUp::All);
    }

    #[test]
    fn the_first_fill_ends_a_shared_lease() {
        let mut hold = Hold::load(Token(1), END);
        hold.join(END);
        assert_eq!(hold.end(Token(1), Token(9)), GivenUp::All);
    }

    #[test]
    fn of_overlapping_writes_none_fills_not_even_the_last_to_end() {
        let mut hold = Hold::write(Token(1), END, Token(11));
        assert!(hold.may_fill(Token(1)));
        hold.begin_write(Token(2), END, Token(12));
        assert!(!hold.may_fill(Token(1)) && !hold.may_fill(Token(2)));
        assert_eq!(hold.end(Token(1), Token(13)), GivenUp::Part);
        assert!(!hold.may_fill(Token(2)));
        hold.begin_write(Token(3), END, Token(14));
        assert!(!hold.may_fill(Token(3)), "it overlaps the second");
    }

    /// Changes the claims, with a fresh token to use.
    type Event = fn(&mut Hold, Token);

    #[test]
    fn every_event_of_a_write_changes_the_witness() {
        let events: [(&str, Event); 4] = [
            ("begin", |hold, fresh| {
                hold.begin_write(Token(3), END, fresh);
            }),
            ("invalidate", |hold, fresh| assert!(hold.invalidate(fresh))),
            ("end", |hold, fresh| {
                hold.end(Token(2), fresh);
            }),
            ("expiry", |hold, fresh| {
                assert!(hold.settle(Timestamp(50), fresh));
            }),
        ];
        for (name, event) in events {
            let mut hold = Hold::write(Token(1), END, Token(11));
            hold.begin_write(Token(2), Timestamp(50), Token(12));
            assert!(hold.holds(Token(12)) && !hold.holds(Token(11)));
            event(&mut hold, Token(13));
            assert!(hold.holds(Token(13)) && !hold.holds(Token(12)), "{name}");
        }
    }

    #[test]
    fn an_invalidated_write_goes_on_without_its_fill() {
        let mut hold = Hold::write(Token(1), END, Token(11));
        assert!(hold.invalidate(Token(12)));
        assert!(!hold.may_fill(Token(1)) && hold.join(END).is_none());
        assert!(!Hold::load(Token(1), END).invalidate(Token(12)));
    }
}
