//! Stub.
#![allow(missing_docs, clippy::unused_async)]
pub struct Postgres;
impl Postgres {
    pub async fn start() -> Self { Self }
    pub fn url(&self) -> String { String::new() }
    pub fn kill(&mut self) {}
    pub async fn start_again(&mut self) {}
}
