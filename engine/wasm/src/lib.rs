//! Runs policies that are WebAssembly modules: finds them in a folder, checks and compiles them,
//! asks them under limits of time, memory and output, and replaces them while requests run. A
//! policy that loops, traps or swells costs its own call and nothing else. What a policy answers
//! is handed on as it is: judging it is left to [`larder_core::Guard`], and acting on it, counting
//! it and answering for a policy that failed to `larder`.
//!
//! | file | concept |
//! |---|---|
//! | `host` | the policies of a folder: [`Host`], with `config`, `status` and `error` |
//! | `owner` | the one thread that changes anything; `slot` is one name, `set` what readers see |
//! | `shelf` | what lasts: the builds that served, and what an operator chose |
//! | `load` | from bytes to a policy, by the stages of `stage` |
//! | `structure`, `imports`, `contract`, `manifest` | what those stages judge |
//! | `format`, `feature`, `shape` | what to do about a file that is no policy, and why it is none |
//! | `generation` | one build; `pool` and `instance` are its instances |
//! | `toolchain` | who made a file, and what its authors should know |
//! | `engine`, `allowance`, `meter`, `limits` | what bounds a call; `limit` is one of them by name |
//! | `failure`, `panic_text`, `text` | how a call failed, in words |
//! | `folder`, `watch` | the files and their events |

mod allowance;
mod clock;
mod config;
mod contract;
mod engine;
mod error;
mod failure;
mod feature;
mod folder;
mod format;
mod generation;
mod host;
mod imports;
mod instance;
mod limit;
mod limits;
mod load;
mod manifest;
mod meter;
mod owner;
mod panic_text;
mod pool;
mod set;
mod shape;
mod shelf;
mod slot;
mod stage;
mod status;
mod structure;
mod text;
mod toolchain;
mod watch;

pub use config::{HostConfig, PolicyConfig};
pub use error::HostError;
pub use host::Host;
pub use limit::{Excess, Limit};
pub use limits::{Isolation, Limits};
pub use load::{Inspection, inspect, inspect_allowed};
pub use stage::{LoadFailure, Stage, StageReport};
pub use status::{GenerationStatus, PolicyStatus, State};
