//! The plan file: TOML with spans, defaults, overrides and diagnostics
