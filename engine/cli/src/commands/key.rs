//! `larder key`: a fresh key for values that are stored encrypted.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use larder::SystemClock;
use larder::core::{Clock as _, Timestamp};
use larder::vault::{check_id, fresh_key};

use crate::exit::{Failure, Outcome};
use crate::output::print;

/// Arguments of `larder key`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What is printed is a whole key ring, the file that larder.toml names:

  [vault]
  file = \"keys.toml\"       # or env = \"LARDER_KEYS\", a variable with the same text

A server looks at the file every ten seconds and takes a changed one into use without a restart; a
broken one changes nothing and is in the log. A variable is read once.

To replace a key, one step on every node before the next begins:
  1. add the new line to [keys]
  2. name the new key in `active`
  3. when the longest time that an entry may be served has passed, remove the old line
What a node has no key for is a miss there, and is loaded anew.

Example:
  (umask 077; larder key > keys.toml)")]
pub(crate) struct Args {
    /// Names the key, next to what is stored [default: the date]
    #[arg(long)]
    id: Option<String>,
}

/// Makes a key and prints it.
pub(crate) fn run(args: Args) -> Outcome {
    let id = args.id.unwrap_or_else(|| date(SystemClock.now()));
    check_id(&id).map_err(|error| Failure::usage(format!("--id: {error}")))?;
    let key = fresh_key().context("the system has no random numbers for a key")?;
    print(&ring(&id, &key))
}

/// Writes a fresh key ring that only its owner may read. A file that is there is left alone.
pub(super) fn write_ring(file: &Path) -> anyhow::Result<()> {
    let key = fresh_key().context("the system has no random numbers for a key")?;
    let ring = ring(&date(SystemClock.now()), &key);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options
        .open(file)
        .and_then(|mut open| open.write_all(ring.as_bytes()));
    written.with_context(|| format!("{} cannot be written", file.display()))
}

fn ring(id: &str, key: &str) -> String {
    format!(
        "# Only the server should be able to read this file: chmod 600.\n\
         active = \"{id}\"\n\n[keys]\n\"{id}\" = \"{key}\"\n"
    )
}

/// The day in UTC, as in 2026-11-24. Counts from 1 March of the year 0, so that a leap day is the
/// last of its year (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn date(now: Timestamp) -> String {
    const DAY_MS: u64 = 86_400_000;
    let days = now.0 / DAY_MS + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        const DAY: u64 = 86_400_000;
        for (days, expected) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (20_781, "2026-11-24"),
            (20_818, "2026-12-31"),
            (20_819, "2027-01-01"),
        ] {
            assert_eq!(date(Timestamp(days * DAY)), expected);
            assert_eq!(date(Timestamp(days * DAY + DAY - 1)), expected);
        }
    }

    #[test]
    fn what_is_printed_is_a_key_ring() {
        let text = ring("2026-11-24", &fresh_key().unwrap());
        let read = larder::KeyRing::parse(&text).unwrap();
        assert_eq!(&**read.active(), "2026-11-24");
    }
}
