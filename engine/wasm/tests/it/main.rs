//! The host with real guests: policies that behave, and policies that do all they can against it.

mod decide;
mod guest;
mod hostile;
mod loading;
mod reload;
