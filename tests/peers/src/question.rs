//! What the subjects are asked.

use anyhow::{Context as _, Result, ensure};
use larder::Request;
use larder::core::Decision;

/// A way to decide.
pub trait Subject {
    /// How it is called in the table.
    fn name(&self) -> &'static str;

    /// Decides, and converts the answer; not timed.
    ///
    /// # Errors
    /// The subject failed, or answered what is no decision.
    fn decide(&mut self, request: &Request) -> Result<Decision>;

    /// Decides `times` times, and leaves each answer in the subject's own form.
    ///
    /// # Errors
    /// The subject failed.
    fn run(&mut self, request: &Request, times: u32) -> Result<()>;
}

/// The request that is timed: a read of `product/42` with an attribute.
#[must_use]
pub fn timed() -> Request {
    Request::read("product", "42").with("query.field", "price")
}

/// Checks that all subjects decide alike, about the timed request and about others that take
/// every branch of the policy.
///
/// # Errors
/// Names the subject that decides otherwise, and shows both decisions.
pub fn check(subjects: &mut [Box<dyn Subject>]) -> Result<()> {
    for request in [
        timed(),
        Request::read("product", "42"),
        Request::read("product", "42").with("query.field", "name"),
        timed().with("query.field", "name"),
        Request::read("a:b", "50%:c").with("query.field", "x:y"),
        Request::write("product", "42").with("query.field", "stock"),
        Request::delete("product", "42"),
    ] {
        let mut expected: Option<Decision> = None;
        for subject in &mut *subjects {
            let name = subject.name();
            let decision = subject
                .decide(&request)
                .with_context(|| format!("{name} failed about {request:?}"))?;
            let expected = expected.get_or_insert_with(|| decision.clone());
            ensure!(
                *expected == decision,
                "{name} decides otherwise about {request:?}:\n{decision:#?}\nexpected:\n{expected:#?}"
            );
        }
    }
    Ok(())
}
