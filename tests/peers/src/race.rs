//! An invalidation while a load is under way: the experiment, Larder, and caches as libraries.

pub mod experiment;
pub mod larder;
pub mod libraries;
