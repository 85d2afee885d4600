//! Leases, writes and what ends them.

use futures_util::future::join;
use larder_core::dependency::Mode;
use larder_core::{Dependency, Entry, Key, Timestamp, Version};

use super::claims::Claims;
use super::envelope::{decode, encode};
use super::read::keep_ms;
use super::reply::{self, exact, typed};
use super::store::Inner;
use crate::store::{Expected, Filled, Found, LeaseRequest, Leased, StoreError, Token};

/// How often a lease is asked for while entries that cannot be served come up.
const ATTEMPTS: usize = 4;

impl Inner {
    /// Asks for a lease. The script names an entry that is there; it is read and judged as any
    /// other, because versions and bans are elsewhere. What cannot be served is passed over.
    pub(super) async fn lease(&self, wish: LeaseRequest<'_>) -> Result<Leased, StoreError> {
        let token = Token::fresh();
        let mut skip = String::new();
        for _ in 0..ATTEMPTS {
            let (kind, what) = self.ask_lease(&wish, token, &skip).await?;
            match kind.as_str() {
                "granted" => return Ok(Leased::Granted(token_of(&what)?)),
                "held" => {
                    let by = token_of(&what)?;
                    return Ok(Leased::Held { by });
                }
                _ => skip = what,
            }
            let found = self.get(wish.key, Expected::NOTHING, wish.now).await?;
            let other = |found: &Found| wish.seen != Some(found.entry.windows.created);
            if let Some(found) = found.filter(other) {
                return Ok(Leased::Stored(found));
            }
        }
        // A holder that never was: the caller loads, and nobody joins.
        Ok(Leased::Held { by: Token::fresh() })
    }

    /// The number of the bans comes from what this node knew before: a load that begins after
    /// this came after all of them. Knowing too few only makes the entry end early.
    async fn ask_lease(
        &self,
        wish: &LeaseRequest<'_>,
        token: Token,
        skip: &str,
    ) -> Result<(String, String), StoreError> {
        let names = &self.names;
        let bans = self.known.get();
        let seen = wish.seen.map(|at| format!("{:020}", at.0));
        let args = [
            &*exact(wish.now.0),
            &Token::fresh().to_string(),
            &token.to_string(),
            &exact(wish.now.plus(wish.ttl_ms).0),
            if wish.share { "1" } else { "0" },
            seen.as_deref().unwrap_or_default(),
            skip,
            &bans.number.to_string(),
            &bans.last(wish.key.logical()).to_string(),
        ];
        let keys = (names.claims(wish.key), names.entry(wish.key));
        let keys = [&*keys.0, &*keys.1];
        typed(self.script(&self.scripts.lease, &keys, &args).await?)
    }

    /// One round trip, without a script: nothing changes.
    pub(super) async fn holds(
        &self,
        key: &Key,
        token: Token,
        under: &[(Dependency, Version)],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut claims = redis::cmd("GET");
        claims.arg(self.names.claims(key));
        let of = under.iter().map(|(of, _)| of.clone()).collect();
        let (claims, Some(present)) = self.with_present(&claims, of).await? else {
            return Ok(false);
        };
        let claims: Option<String> = typed(claims)?;
        let claims = claims.and_then(|text| Claims::parse(&text, now));
        Ok(claims.is_some_and(|claims| {
            let banned = present.bans().last(key.logical()) > claims.bans;
            !banned && claims.holds(token) && present.has(under)
        }))
    }

    /// Stores the entry in one step with the check of its token. Its versions are elsewhere and
    /// are read behind: had one changed before this began, that shows, and a change in between
    /// is one that every read finds.
    pub(super) async fn fill(
        &self,
        key: &Key,
        token: Token,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Filled, StoreError> {
        let id = Token::fresh();
        let limit = usize::try_from(self.max_entry_bytes).unwrap_or(usize::MAX);
        let fits = entry.value.as_ref().is_none_or(|v| v.bytes.len() <= limit);
        let envelope = fits.then(|| encode(&entry, id.0, now));
        let envelope = envelope.and_then(Result::ok);
        let Some(envelope) = envelope.filter(|bytes| bytes.len() <= limit) else {
            let (may, _) = self.put(key, token, (&[], 0), now).await?;
            return Ok(if may {
                Filled::TooLarge
            } else {
                Filled::Voided
            });
        };
        let keep_ms = keep_ms(&entry.windows, entry.time_to_idle_ms, now);
        let of = entry.dependencies.iter().map(|(of, _)| of.clone());
        let put = self.put(key, token, (&envelope, keep_ms), now);
        let (put, present) = join(put, self.present(of.collect())).await;
        let (stored, bans) = put?;
        if !stored {
            return Ok(Filled::Voided);
        }
        // What could not be compared counts as changed.
        let current = present.is_ok_and(|present| {
            let banned = present.bans().last(key.logical()) > bans;
            !banned && present.has(&entry.dependencies)
        });
        if current {
            return Ok(Filled::Stored);
        }
        let name = self.names.entry(key);
        let args = [&*id.to_string()];
        self.script(&self.scripts.drop, &[&name], &args).await?;
        Ok(Filled::Voided)
    }

    /// Stores an envelope if `token` may, and ends its claim; answers whether it might, and the
    /// last ban that its load came after.
    async fn put(
        &self,
        key: &Key,
        token: Token,
        (envelope, keep_ms): (&[u8], u64),
        now: Timestamp,
    ) -> Result<(bool, u64), StoreError> {
        let (claims, entry) = (self.names.claims(key), self.names.entry(key));
        let ban = self.known.get().last(key.logical());
        let args = [
            exact(now.0),
            Token::fresh().to_string(),
            token.to_string(),
            ban.to_string(),
            exact(keep_ms),
        ];
        let [now, fresh, token, ban, keep] = args.each_ref().map(String::as_bytes);
        let args = [now, fresh, token, ban, envelope, keep];
        let keys = [&*claims, &*entry];
        let put = self.link.script(&self.scripts.fill, &keys, &args).await?;
        let (may, bans): (u8, u64) = typed(put)?;
        Ok((may == 1, bans))
    }

    pub(super) async fn extend(
        &self,
        key: &Key,
        token: Token,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let claims = self.names.claims(key);
        let args = [
            &*exact(now.0),
            &Token::fresh().to_string(),
            &token.to_string(),
            &exact(now.plus(ttl_ms).0),
            &self.known.get().last(key.logical()).to_string(),
        ];
        let extended = self.script(&self.scripts.extend, &[&claims], &args).await?;
        Ok(typed::<u8>(extended)? == 1)
    }

    pub(super) async fn release(&self, key: &Key, token: Token) -> Result<(), StoreError> {
        let claims = self.names.claims(key);
        let args = [&*Token::fresh().to_string(), &token.to_string()];
        self.script(&self.scripts.release, &[&claims], &args)
            .await
            .map(drop)
    }

    pub(super) async fn begin_write(
        &self,
        key: &Key,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<Token, StoreError> {
        let token = Token::fresh();
        let (claims, entry) = (self.names.claims(key), self.names.entry(key));
        let args = [
            &*exact(now.0),
            &Token::fresh().to_string(),
            &token.to_string(),
            &exact(now.plus(ttl_ms).0),
            &self.known.get().number.to_string(),
        ];
        let keys = [&*claims, &*entry];
        self.script(&self.scripts.begin_write, &keys, &args).await?;
        Ok(token)
    }

    pub(super) async fn invalidate(
        &self,
        key: &Key,
        mode: Mode,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (claims, entry) = (self.names.claims(key), self.names.entry(key));
        let args = [&*exact(now.0), &Token::fresh().to_string(), mode.as_str()];
        let keys = [&*claims, &*entry];
        let ask = || self.script(&self.scripts.invalidate, &keys, &args);
        let head = match ask().await {
            Err(StoreError::Refused(_)) if self.displaced(key).await => ask().await?,
            head => head?,
        };
        let head = reply::bytes(head)?.unwrap_or_default();
        // What is damaged could not have been served.
        let stored = decode(&head).ok();
        let Some(stored) = stored.filter(|stored| stored.entry.belongs_to(key)) else {
            return Ok(false);
        };
        let of = stored.entry.dependencies.iter().map(|(of, _)| of.clone());
        let present = self.present(of.collect()).await?;
        Ok(present.windows(&stored, now).is_some())
    }
}

fn token_of(text: &str) -> Result<Token, StoreError> {
    reply::token(text)
        .ok_or_else(|| StoreError::Unavailable(format!("it answered `{text}` in place of a token")))
}
