//! Histograms, windows, statistics, recovery
