//! larder-store.
