//! larder-origin.
