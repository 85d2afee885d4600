//! The scripts, each of which is one step that nothing comes between.

use larder_core::Expiries;
use redis::Script;

use super::envelope::{
    BANS_AT, CREATED_AT, DIGITS, EXPIRED_AT, HEAD_AT, HEAD_DIGITS, ID_AT, ID_DIGITS, READ_AT,
};

/// All scripts, ready to be called by their digests.
///
/// The present is passed in. Nothing that must not be undone rests on it: a fill needs the very
/// token that its claim was made with, a claim that a hurried clock ended is gone for its owner
/// too, and a write ends with an invalidation where its fill was refused. Clocks that disagree
/// end claims too early or too late, which costs a load or a wait.
pub(crate) struct Scripts {
    pub(crate) lease: Script,
    pub(crate) fill: Script,
    pub(crate) begin_write: Script,
    pub(crate) invalidate: Script,
    pub(crate) release: Script,
    pub(crate) extend: Script,
    pub(crate) touch: Script,
    pub(crate) drop: Script,
    pub(crate) version: Script,
    pub(crate) bump: Script,
    pub(crate) ban_add: Script,
    pub(crate) ban_remove: Script,
    pub(crate) ban_claims: Script,
    pub(crate) ban_entry: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            lease: claims(include_str!("lua/lease.lua")),
            fill: claims(include_str!("lua/fill.lua")),
            begin_write: claims(include_str!("lua/begin_write.lua")),
            invalidate: claims(include_str!("lua/invalidate.lua")),
            release: claims(include_str!("lua/release.lua")),
            extend: claims(include_str!("lua/extend.lua")),
            touch: fields(include_str!("lua/touch.lua")),
            drop: fields(include_str!("lua/drop.lua")),
            version: Script::new(include_str!("lua/version.lua")),
            bump: expiries(include_str!("lua/bump.lua")),
            ban_add: Script::new(include_str!("lua/ban_add.lua")),
            ban_remove: Script::new(include_str!("lua/ban_remove.lua")),
            ban_claims: claims(include_str!("lua/ban_claims.lua")),
            ban_entry: fields(include_str!("lua/ban_entry.lua")),
        }
    }
}

/// A script that looks at claims, and perhaps at the entry.
fn claims(body: &str) -> Script {
    fields(&format!("{}\n{body}", include_str!("lua/claims.lua")))
}

/// A script that notes expiries.
fn expiries(body: &str) -> Script {
    let (most, second) = (Expiries::MOST, Expiries::SECOND);
    let constants = format!("local MOST = {most}\nlocal SECOND = {second}\n");
    let shared = include_str!("lua/expiries.lua");
    Script::new(&format!("{constants}{shared}{body}"))
}

/// A script that looks at the entry.
fn fields(body: &str) -> Script {
    let mut text = String::new();
    for (name, number) in [
        ("HEAD_AT", HEAD_AT),
        ("HEAD_DIGITS", HEAD_DIGITS),
        ("ID_AT", ID_AT),
        ("ID_DIGITS", ID_DIGITS),
        ("CREATED_AT", CREATED_AT),
        ("EXPIRED_AT", EXPIRED_AT),
        ("READ_AT", READ_AT),
        ("BANS_AT", BANS_AT),
        ("DIGITS", DIGITS),
    ] {
        text.push_str(&format!("local {name} = {number}\n"));
    }
    text.push_str(include_str!("lua/fields.lua"));
    text.push_str(body);
    Script::new(&text)
}
