//! One file per kind of fault.

pub(crate) mod delay;
pub(crate) mod kill;
pub(crate) mod loss;
pub(crate) mod partition;
pub(crate) mod pause;
