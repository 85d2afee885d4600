//! x

pub mod action;
mod canon;
pub mod model;
pub mod mutant;
mod node;
pub mod promise;
pub mod properties;
pub mod scope;
pub mod state;
mod store;
pub mod write;
