//! The contract, kept by a service that takes any value.

use super::tests::of_values;

crate::origin_contract!(of_values());
