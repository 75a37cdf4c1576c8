//! napi-rs bindings over `lance-engine`.
