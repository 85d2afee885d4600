//! larder-policy-standard.
