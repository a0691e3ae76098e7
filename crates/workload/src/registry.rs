use crate::{cas_register, register};

/// A workload that a plan can name.
pub struct Workload {
    /// The name in `workload.kind`.
    pub name: &'static str,
    /// The object whose operations it asks.
    pub object: &'static str,
    /// One sentence for lists and help.
    pub about: &'static str,
    /// The settings that it reads from the section, beside `kind`.
    pub options: &'static [Choice],
}

/// A setting of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The key in the plan.
    pub name: &'static str,
    /// What it sets, with its default.
    pub about: &'static str,
}

/// Every workload, in the order of lists.
pub const WORKLOADS: &[Workload] = &[register::WORKLOAD, cas_register::WORKLOAD];

/// The workload of this name.
pub fn find(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|workload| workload.name == name)
}
