//! The token that commands send.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use hyper::header::HeaderValue;

use crate::exit::Failure;

/// The option of commands that talk to a server.
#[derive(Debug, clap::Args)]
pub(crate) struct TokenArg {
    /// A token of the server, where it needs one; the variable keeps it out of the list of
    /// processes
    // A token may begin with a hyphen.
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "LARDER_TOKEN",
        hide_env_values = true,
        allow_hyphen_values = true
    )]
    token: Option<Secret>,
}

/// A text that is not shown.
#[derive(Clone)]
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret")
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.trim().to_owned()))
    }
}

impl TokenArg {
    /// The value of the `Authorization` header; none where no token was given.
    ///
    /// # Errors
    /// The text cannot be a token.
    pub(crate) fn header(&self) -> Result<Option<HeaderValue>, Failure> {
        let text = self.token.as_ref().map_or("", |secret| &secret.0);
        if text.is_empty() {
            return Ok(None);
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {text}")).map_err(|_| {
            Failure::usage("the token holds characters that no token has; `larder token` makes one")
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arg(text: &str) -> TokenArg {
        let token = Some(text.parse().unwrap());
        TokenArg { token }
    }

    #[test]
    fn a_token_is_sent_and_never_shown() {
        let value = arg("abc\n").header().unwrap().unwrap();
        assert_eq!(value, "Bearer abc");
        for shown in [format!("{:?}", arg("abc")), format!("{value:?}")] {
            assert!(!shown.contains("abc"), "{shown}");
        }
        assert_eq!(arg("").header().unwrap(), None);
        let wrong = arg("a\nb").header().unwrap_err();
        assert!(!wrong.error.to_string().contains("a\nb"));
    }
}
