//! larder-wasm.
