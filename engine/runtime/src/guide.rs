//! What is promised, page by page. Every pattern and every invalidation is named as its test is:
//! `tests/engine/patterns.rs` runs each of them on memory, on Redis, on memory in front of Redis
//! and on both over a Cluster, and `tests/engine/races.rs` the races on the same stores.

#[doc = include_str!("../guide/patterns.md")]
pub mod patterns {}

#[doc = include_str!("../guide/invalidation.md")]
pub mod invalidation {}

#[doc = include_str!("../guide/stores.md")]
pub mod stores {}

#[cfg(test)]
mod tests {
    /// What readers copy is what the tests run.
    #[test]
    fn the_sql_of_the_guide_is_that_of_the_tests() {
        let guide = include_str!("../guide/invalidation.md");
        for sql in [
            include_str!("../../origin/src/postgres/outbox.sql"),
            include_str!("../../origin/src/postgres/trigger.sql"),
            include_str!("../../origin/src/postgres/notify.sql"),
            include_str!("../../origin/src/postgres/renew.sql"),
            include_str!("../../origin/src/sqlite/outbox.sql"),
            include_str!("../../origin/src/sqlite/trigger.sql"),
        ] {
            assert!(guide.contains(&format!("```sql\n{sql}```")), "{sql}");
        }
    }
}
