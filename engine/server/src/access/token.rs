//! Tokens: 32 random bytes as base64url, of which the server keeps a hash.
//!
//! The hash is one SHA-256 and no slow one: nobody guesses 32 random bytes, however fast the
//! guesses are checked. It would not do for passwords, which is why tokens are made by Larder.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::scope::Scope;

const TOKEN_BYTES: usize = 32;

/// A token as the server knows it.
#[derive(Clone, Debug)]
pub struct Token {
    /// Names it in logs and metrics.
    pub name: String,
    /// The hash of its text.
    pub hash: TokenHash,
    /// What it may do.
    pub scope: Scope,
}

/// The SHA-256 of a token's text, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

/// The text is no hash. The text itself is not repeated: it may be a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHash {
    /// It is not 64 hexadecimal digits.
    #[error("is not the 64 hexadecimal digits of a SHA-256; `larder token` prints them")]
    NoHash,
    /// It is the hash of nothing, as a pipe makes it from a variable that is not set.
    #[error("is the hash of an empty text and not of a token; `larder token` prints a right one")]
    OfNothing,
}

impl TokenHash {
    /// The hash of a token's text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for TokenHash {
    type Err = BadHash;

    fn from_str(text: &str) -> Result<Self, BadHash> {
        let digits = text.as_bytes();
        let mut hash = [0; 32];
        if digits.len() != 2 * hash.len() {
            return Err(BadHash::NoHash);
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(BadHash::NoHash);
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            // Two digits of four bits each fit a byte.
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        let hash = Self(hash);
        if hash == Self::of("") {
            return Err(BadHash::OfNothing);
        }
        Ok(hash)
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A token that was just made. It cannot be had again from its hash.
pub struct NewToken {
    /// What the caller sends.
    pub text: String,
    /// What the server keeps.
    pub hash: TokenHash,
}

impl NewToken {
    /// A new token.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes)?;
        let text = URL_SAFE_NO_PAD.encode(bytes);
        let hash = TokenHash::of(&text);
        Ok(Self { text, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SHA-256 of `abc`, from FIPS 180-2.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_hash_is_64_hexadecimal_digits() {
        assert_eq!(ABC.parse(), Ok(TokenHash::of("abc")));
        assert_eq!(ABC.to_uppercase().parse(), Ok(TokenHash::of("abc")));
        assert_eq!(TokenHash::of("abc").to_string(), ABC);
        let long = format!("{ABC}0");
        let wide = "ü".repeat(32);
        for wrong in ["", "abc", &ABC[1..], &long, &ABC.replace('b', "g"), &wide] {
            assert_eq!(wrong.parse::<TokenHash>(), Err(BadHash::NoHash), "{wrong}");
        }
        let nothing = TokenHash::of("").to_string();
        assert_eq!(nothing.parse::<TokenHash>(), Err(BadHash::OfNothing));
    }

    #[test]
    fn new_tokens_are_32_bytes_and_never_the_same() {
        let (one, other) = (NewToken::random().unwrap(), NewToken::random().unwrap());
        let bytes = URL_SAFE_NO_PAD.decode(&one.text).unwrap();
        assert_eq!(bytes.len(), TOKEN_BYTES);
        assert_ne!(one.text, other.text);
        assert_eq!(one.hash, TokenHash::of(&one.text));
    }
}
