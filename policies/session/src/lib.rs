//! larder-policy-session.
