//! What a tiered store promises beside the contract.
