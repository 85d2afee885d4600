//! larder-policy-llm.
