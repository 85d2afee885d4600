//! larder-sdk.
