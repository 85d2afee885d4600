//! The address of a server, and what it says of TLS. The driver reads it; the one thing that it
//! does not know is `sslmode=verify-full`.

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;

/// How a connection is encrypted and the server known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SslMode {
    /// Never encrypted.
    Disable,
    /// Encrypted where the server can, to whoever it may be.
    Prefer,
    /// Encrypted, to a server that has proved its name.
    Require,
    /// As [`SslMode::Require`].
    VerifyFull,
}

impl SslMode {
    /// As it is written in an address.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyFull => "verify-full",
        }
    }

    fn of(text: &str) -> Option<Self> {
        let all = [Self::Disable, Self::Prefer, Self::Require, Self::VerifyFull];
        all.into_iter().find(|mode| mode.as_str() == text)
    }

    /// The word for it that the driver has.
    const fn known(self) -> &'static str {
        match self {
            Self::VerifyFull => "require",
            mode => mode.as_str(),
        }
    }

    /// Whether the certificate of the server is checked.
    pub(super) const fn checks(self) -> bool {
        matches!(self, Self::Require | Self::VerifyFull)
    }
}

/// Reads `postgres://…?sslmode=…`, or `host=… sslmode=…`. None where it is neither.
pub(super) fn read(text: &str) -> Option<(Config, SslMode)> {
    let (known, mode) = match query(text) {
        Some(at) => in_query(text.get(..at)?, text.get(at..)?)?,
        None if is_url(text) => (text.to_owned(), None),
        None => in_words(text)?,
    };
    let config = known.parse().ok()?;
    Some((config, mode.unwrap_or(SslMode::Prefer)))
}

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

fn is_url(text: &str) -> bool {
    SCHEMES.iter().any(|scheme| text.starts_with(scheme))
}

/// Where the parameters of a URL begin. What comes before the first `@` is user and password,
/// whatever it looks like.
fn query(text: &str) -> Option<usize> {
    let scheme = SCHEMES.iter().find(|scheme| text.starts_with(**scheme))?;
    let from = text.find('@').map_or(scheme.len(), |at| at + 1);
    Some(from + text.get(from..)?.find('?')? + 1)
}

/// The parameters of a URL, each `name=value` with `%` escapes; the last of a name counts.
fn in_query(before: &str, query: &str) -> Option<(String, Option<SslMode>)> {
    let mut mode = None;
    let mut known = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if percent_decode_str(name).decode_utf8().ok()? != "sslmode" {
            known.push(pair.to_owned());
            continue;
        }
        let value = percent_decode_str(value).decode_utf8().ok()?;
        let given = SslMode::of(&value)?;
        known.push(format!("sslmode={}", given.known()));
        mode = Some(given);
    }
    Some((format!("{before}{}", known.join("&")), mode))
}

/// The words `name=value`, where the value may be in quotes and `\` keeps what follows it.
fn in_words(text: &str) -> Option<(String, Option<SslMode>)> {
    let mut mode = None;
    let mut known = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_end();
        // Where the driver stops reading.
        if name.is_empty() {
            break;
        }
        let (mut value, after) = value(after.trim_start())?;
        if name == "sslmode" {
            let given = SslMode::of(&value)?;
            given.known().clone_into(&mut value);
            mode = Some(given);
        }
        let value = value.replace('\\', r"\\").replace('\'', r"\'");
        known.push(format!("{name}='{value}'"));
        rest = after.trim_start();
    }
    Some((known.join(" "), mode))
}

/// The value at the beginning, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let quoted = text.strip_prefix('\'');
    let text = quoted.unwrap_or(text);
    let mut value = String::new();
    let mut all = text.char_indices();
    while let Some((at, c)) = all.next() {
        match c {
            '\\' => value.extend(all.next().map(|(_, kept)| kept)),
            '\'' if quoted.is_some() => return Some((value, text.get(at + 1..)?)),
            c if quoted.is_none() && c.is_whitespace() => {
                return Some((value, text.get(at..)?)).filter(|(value, _)| !value.is_empty());
            }
            c => value.push(c),
        }
    }
    (quoted.is_none() && !value.is_empty()).then_some((value, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(text: &str) -> Option<&'static str> {
        read(text).map(|(_, mode)| mode.as_str())
    }

    #[test]
    fn the_mode_is_what_the_parameters_say() {
        for (text, expected) in [
            ("postgres://u@h/d", Some("prefer")),
            ("postgres://u@h/d?sslmode=disable", Some("disable")),
            ("postgresql://h?sslmode=require", Some("require")),
            ("postgres://h/d?sslmode=verify-full", Some("verify-full")),
            (
                "postgres://h/d?ssl%6Dode=verify%2Dfull",
                Some("verify-full"),
            ),
            (
                "postgres://h/d?user=u&sslmode=verify-full&port=1",
                Some("verify-full"),
            ),
            (
                "postgres://h/d?sslmode=verify-full&sslmode=disable",
                Some("disable"),
            ),
            ("host=h sslmode=verify-full", Some("verify-full")),
            (" sslmode = 'verify-full'  host=h ", Some("verify-full")),
            ("host=h", Some("prefer")),
            ("host=h sslmode=allow", None),
            ("postgres://h/d?sslmode=verify-ca", None),
            ("postgres://h/d?sslmode", None),
            ("host=h sslmode=", None),
            ("host='h", None),
            ("h", None),
        ] {
            assert_eq!(mode(text), expected, "{text}");
        }
    }

    #[test]
    fn a_password_that_looks_like_a_mode_is_a_password() {
        for text in [
            "postgres://u:sslmode=verify-full@h/d?sslmode=disable",
            "postgres://u:a?sslmode=verify-full&b=@h/d?sslmode=disable",
            "postgres://u:a%3Fsslmode=require@h/d?sslmode=disable",
            "postgres://h/sslmode=require?sslmode=disable",
            "postgres://h/d?application_name=sslmode=require&sslmode=disable",
            "host=h password='x sslmode=verify-full' sslmode=disable",
            r"host=h password=\'sslmode\=verify-full sslmode=disable",
        ] {
            assert_eq!(mode(text), Some("disable"), "{text}");
        }
        let (config, _) = read("postgres://u:sslmode=verify-full@h/d").unwrap();
        assert_eq!(config.get_password(), Some(&b"sslmode=verify-full"[..]));
        let (config, _) = read(r"password='it\'s \\ sslmode=verify-full' host=h").unwrap();
        assert_eq!(
            config.get_password(),
            Some(&br"it's \ sslmode=verify-full"[..])
        );
    }

    /// Whatever the driver reads by itself is read as it reads it, and nothing else is.
    #[test]
    fn it_is_read_as_the_driver_reads_it() {
        const PIECES: [&str; 24] = [
            "postgres://",
            "u",
            ":",
            "p",
            "@",
            "h",
            "/",
            "d",
            "?",
            "sslmode",
            "=",
            "require",
            "&",
            "disable",
            "port",
            "5",
            "'",
            " ",
            "\\",
            "host",
            "user",
            "%3D",
            "password",
            ",",
        ];
        let (mut rng, mut read_by_both) = (fastrand::Rng::with_seed(7), 0);
        for round in 0..200_000 {
            let start = if round % 2 == 0 {
                "postgres://"
            } else {
                "host=h "
            };
            let length = rng.usize(0..12);
            let text = (0..length).fold(String::from(start), |text, _| {
                text + PIECES[rng.usize(0..PIECES.len())]
            });
            let driver = text.parse::<Config>().ok();
            let own = read(&text);
            assert_eq!(
                own.as_ref().map(|(config, _)| config),
                driver.as_ref(),
                "{text}"
            );
            read_by_both += usize::from(own.is_some());
        }
        assert!(read_by_both > 10_000, "only {read_by_both} are addresses");
    }
}
