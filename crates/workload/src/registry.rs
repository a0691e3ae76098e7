use std::fmt;

use base::Seed;
use history::Function;
use plan::Table;
use plan::reference::{Field, Section, field};

use crate::{Generator, cas_register, register};

/// Every workload, in the order of lists. Help, docs, `assize list` and plans read this list.
pub static WORKLOADS: &[&Workload] = &[&register::REGISTER, &cas_register::CAS_REGISTER];

/// A workload that a plan can name: what people should know about it, and how it is made from a plan.
pub struct Workload {
    /// The name in `workload.kind`.
    pub name: &'static str,
    /// The object whose operations it asks; a system must serve it.
    pub object: &'static str,
    /// What it is, in one sentence.
    pub about: &'static str,
    /// Which anomaly it may reveal.
    pub reveals: &'static str,
    /// What it asks for; a client must be able to do it.
    pub functions: &'static [Function],
    /// Its settings beside `kind`.
    pub options: &'static [Field],
    /// Reads its settings. `None` when something is wrong; the table has been told.
    pub build: fn(&Table<'_>, Seed) -> Option<Box<dyn Generator>>,
}

impl fmt::Debug for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Workload({})", self.name)
    }
}

impl Workload {
    /// The workload that a `[workload]` section names, and its operations. What is wrong is told to the section.
    pub fn from_plan(section: &Table<'_>, seed: Seed) -> Option<(&'static Workload, Box<dyn Generator>)> {
        Workload::from_plan_with(WORKLOADS, section, seed)
    }

    /// As [`Workload::from_plan`], with a registry of one's own.
    pub fn from_plan_with(
        registry: &[&'static Workload],
        section: &Table<'_>,
        seed: Seed,
    ) -> Option<(&'static Workload, Box<dyn Generator>)> {
        let names: Vec<(&str, &'static Workload)> = registry.iter().map(|&it| (it.name, it)).collect();
        let default = names.first()?.0;
        let name: String = section.or("kind", default.to_owned());
        let workload = match names.iter().find(|(known, _)| *known == name) {
            Some(&(_, workload)) => workload,
            None => section.choice("kind", &names)?,
        };
        (workload.build)(section, seed.derive("workload")).map(|generator| (workload, generator))
    }

    /// What the `[workload]` section takes when it names this workload.
    pub fn section(&self) -> Section {
        Section { path: "workload", when: Some(("kind", self.name)), about: self.about, fields: self.options }
    }
}

/// The workload of this name.
pub fn find(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().copied().find(|workload| workload.name == name)
}

/// What the plan says of workloads: for the reference pages. Options that one workload alone has follow under its name.
pub fn sections() -> Vec<Section> {
    let about = "What is asked.";
    let mut sections = vec![Section { path: "workload", when: None, about, fields: &[KIND] }];
    sections.extend(WORKLOADS.iter().map(|workload| workload.section()));
    sections.push(MIX);
    sections
}

const MIX: Section = Section {
    path: "workload.mix",
    when: None,
    about: "Shares of the functions, together 100 %. When it is given, what it does not name has no share.",
    fields: &[
        field("read", "a share", "\"50%\"", "Reads."),
        field("write", "a share", "the rest, or \"25%\" beside `cas`", "Writes."),
        field("cas", "a share", "\"25%\"", "Compare-and-sets, where the workload has them."),
    ],
};

/// The setting that every workload has.
pub const KIND: Field = field("kind", "the name of a workload", "\"register\"", "What is asked.");
