//! The claims on a key as scripts keep them, to be looked at without a script.

use larder_core::Timestamp;

use super::reply;
use crate::store::Token;

/// The claims on one key at one moment.
#[derive(Debug, PartialEq)]
pub(crate) struct Claims {
    /// The last ban that they know of.
    pub(crate) bans: u64,
    /// Stands for "nothing happened since"; none where something did.
    shown: Option<Token>,
    /// The tokens that may fill.
    may_fill: Vec<Token>,
}

impl Claims {
    /// The claims that have not run out at `now`; none if all have, or if the text is none.
    pub(crate) fn parse(text: &str, now: Timestamp) -> Option<Self> {
        let mut parts = text.splitn(4, ' ');
        let (kind, shown) = (parts.next()?, reply::token(parts.next()?)?);
        let (bans, list) = (parts.next()?.parse().ok()?, parts.next()?);
        let (mut may_fill, mut live, mut past) = (Vec::new(), 0, 0);
        for one in list.split_terminator(';') {
            let mut parts = one.split(',');
            let (token, until) = (reply::token(parts.next()?)?, parts.next()?);
            let number: u64 = parts.next()?.parse().ok()?;
            if now >= Timestamp(until.parse().ok()?) {
                past += 1;
                continue;
            }
            live += 1;
            if kind == "L" || number > 0 {
                may_fill.push(token);
            }
        }
        (live > 0).then_some(Self {
            bans,
            shown: (past == 0).then_some(shown),
            may_fill,
        })
    }

    /// Whether nothing has happened to the key since `token` was handed out.
    pub(crate) fn holds(&self, token: Token) -> bool {
        self.shown == Some(token) || self.may_fill.contains(&token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_until_something_happened() {
        for (text, now, token, holds) in [
            ("L 0a 7 0a,100,2;", 99, 10, true),
            ("L 0a 7 0a,100,2;", 100, 10, false),
            ("L 0a 7 0a,100,2;", 99, 11, false),
            ("W 0b 7 0a,100,1;", 99, 10, true),
            ("W 0b 7 0a,100,1;", 99, 11, true),
            ("W 0b 7 0a,100,0;", 99, 10, false),
            ("W 0b 7 0a,100,0;0c,50,0;", 49, 11, true),
            ("W 0b 7 0a,100,0;0c,50,0;", 50, 11, false),
            ("nonsense", 0, 11, false),
            ("", 0, 0, false),
        ] {
            let claims = Claims::parse(text, Timestamp(now));
            let answer = claims.is_some_and(|claims| claims.holds(Token(token)));
            assert_eq!(answer, holds, "{text} at {now}");
        }
    }
}
