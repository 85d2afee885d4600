//! larder-policy-api.
