//! Drives the built binary as a user would: arguments in; exit code, output and files out.
//!
//! Tests that run a whole system do so one at a time ([`bench::alone`]), whatever the number of test threads: they need the
//! processors for themselves.

mod bench;
mod cleanup;
mod commands;
mod compare;
mod evidence;
mod exhaust;
mod green;
mod hunt;
mod limits;
mod online;
mod own;
mod plans;
mod simulated;
