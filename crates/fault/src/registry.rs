use crate::fault::Action;
use crate::kinds::{delay, kill, loss, partition, pause};
use base::Rng;
use plan::Table;
use plan::reference::{self, Field};
use std::fmt;
use std::sync::Arc;

/// Every kind of fault. Help, docs, `assize list` and plans read this list.
pub static FAULTS: &[&Kind] = &[&kill::KILL, &pause::PAUSE, &partition::PARTITION, &delay::DELAY, &loss::LOSS];

/// A kind of fault: what people should know about it, and how it is made from a plan.
pub struct Kind {
    /// Its name in plans.
    pub name: &'static str,
    /// What it is, in one sentence.
    pub about: &'static str,
    /// What it does to the system.
    pub effect: &'static str,
    /// Which anomaly it may reveal.
    pub reveals: &'static str,
    /// What proves that it bit.
    pub evidence: &'static str,
    /// What a testbed must be able to do.
    pub needs: &'static [Need],
    /// Its settings beside `at`, `lasts`, `kind` and `target`.
    pub options: &'static [Field],
    /// Reads the options from an entry of the schedule. `None` when something is wrong; the table has been told.
    pub read: fn(&Table<'_>) -> Option<Arc<dyn Action>>,
    /// As `read`, for random schedules: options that are not set are drawn.
    pub draw: fn(&Table<'_>, &mut Rng) -> Option<Arc<dyn Action>>,
}

/// What a fault demands of a testbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// It can kill, start, stop and continue the processes of a node.
    ProcessControl,
    /// It can set a [`crate::LinkRule`] on each directed link between nodes.
    LinkRules,
    /// It runs with the rights of root.
    Root,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Need::ProcessControl => "control of the nodes' processes",
            Need::LinkRules => "rules on the links between nodes",
            Need::Root => "root",
        })
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kind({})", self.name)
    }
}

/// The page about faults, in Markdown: every kind, then the settings of the schedule.
pub fn page() -> String {
    let mut out = "# Faults\n\n<!-- Generated from the registry of faults; a test compares it. -->\n\n".to_owned();
    for Kind { name, about, effect, reveals, evidence, needs, options, .. } in FAULTS {
        let needs: Vec<String> = needs.iter().map(Need::to_string).collect();
        out.push_str(&format!("## {name}\n\n{}\n\n", reference::sentence(about)));
        out.push_str(&format!("- effect: {effect}\n- may reveal: {reveals}\n"));
        out.push_str(&format!("- evidence: {evidence}\n- needs: {}\n\n", needs.join(", ")));
        out.push_str(&reference::table(options));
    }
    out.push_str(&reference::markdown(&crate::schedule::SECTIONS));
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}
