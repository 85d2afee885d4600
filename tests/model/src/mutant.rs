//! The ways to get the protocol wrong that the checker must notice.

macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident: $text:literal,)*) => {
        /// One rule of the protocol, left out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Mutant {
            $($(#[$doc])* $name,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What is wrong, for tables.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

mutants! {
    /// A load stores its value under the tag's version of its end.
    VersionsAfterLoad: "tag versions read after the load",
    /// An invalidation by key removes the entry and leaves the lease.
    InvalidateKeepsLease: "invalidation leaves the lease",
    /// A fill does not ask whether its lease still holds.
    FillWithoutToken: "fill does not compare its token",
    /// A load that ends deletes the lease, whoever holds it.
    EndWithoutToken: "lease deleted without comparing the token",
    /// An entry in the store is served under any version of its tag.
    StoreHitWithoutVersion: "store hit does not compare tag versions",
    /// A copy in the first level is served under any version of its tag.
    CopyHitWithoutVersion: "L1 hit does not compare tag versions",
    /// A read inserts into the first level whatever happened since it began.
    InsertUnchecked: "L1 insert without the generation check",
    /// A read notes the generations when the store has answered already.
    GenerationsNotedLate: "generations noted after the store's answer",
    /// A push removes the copy and bumps no generation.
    PushKeepsGenerations: "push does not bump generations",
    /// A node leaves the copy to the push when it invalidates.
    OwnWriteKeepsCopy: "own write does not clear the own L1",
    /// A node that invalidates removes the copy and bumps no generation.
    OwnWriteKeepsGenerations: "own write does not bump generations",
    /// A node that notices that its link was cut keeps its copies.
    CutKeepsCopies: "link cut does not flush L1",
    /// A node that notices that its link was cut empties its first level and begins no epoch.
    CutKeepsEpoch: "link cut does not begin a new epoch",
    /// A read that began without a link inserts when the link is back.
    InsertFromBeforeReconnect: "read begun while the link was down inserts",
    /// A write claims the key and leaves the lease of a load.
    WriteKeepsLease: "write does not void the lease",
    /// Writes that overlap may all fill.
    OverlappingWritesFill: "overlapping writes may fill",
    /// An invalidation during a write leaves it the right to fill.
    InvalidateKeepsWrites: "invalidation leaves a write its fill",
    /// A write whose fill was refused replies without an invalidation.
    RefusedWriteKeepsEntry: "refused write does not invalidate",
    /// A write stores under the version of its own bump, whoever bumped in between.
    OwnStepUnchecked: "write ignores a bump before its own",
}
