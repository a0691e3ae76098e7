//! Measurements: from what clients saw to figures that can be trusted. Pure.
//!
//! - [`Histogram`]: latencies in constant memory, three significant digits; operations never answered count as infinite.
//! - [`Latency`]: a measured time, or never.

mod histogram;

pub use histogram::{Histogram, Latency, SpectrumPoint};
