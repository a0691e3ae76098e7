//! Which fault happens when: a pure function of the plan, the seed, the length of the load phase and the nodes.

use crate::change::Change;
use crate::fault::Fault;
use crate::registry::{FAULTS, Kind, Need};
use crate::selector::{Cluster, Selector};
use base::units::show_duration;
use base::{Rng, Seed};
use plan::reference::{Section, field};
use plan::{DurationRange, Table};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// One fault at its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Injection {
    /// Counts from 1 in the order of time.
    pub id: u32,
    /// When it begins, from the start of the load phase.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What goes wrong.
    pub fault: Fault,
    /// Decides what the fault leaves to chance.
    pub seed: Seed,
}

impl Injection {
    /// When it ends, from the start of the load phase.
    pub fn end(&self) -> Duration {
        self.at.saturating_add(self.lasts)
    }

    /// The changes it makes to the system as it is now; the same for the same cluster, always.
    pub fn resolve(&self, cluster: &Cluster) -> Vec<Change> {
        self.fault.resolve(cluster, &mut self.seed.rng())
    }
}

impl fmt::Display for Injection {
    /// `#2 kill leader at 5.00 s for 2.00 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Injection { id, at, lasts, fault, .. } = self;
        write!(f, "#{id} {fault} at {} for {}", show_duration(*at), show_duration(*lasts))
    }
}

/// The faults of a run in the order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule {
    /// Sorted by [`Injection::at`]; ids count from 1.
    pub injections: Vec<Injection>,
}

impl Schedule {
    /// Reads the section `[faults]`. What is wrong is reported to the table.
    ///
    /// `load` is the length of the load phase and `nodes` their number. Every fault ends before the load phase does.
    pub fn from_plan(faults: &Table<'_>, seed: Seed, load: Duration, nodes: usize) -> Schedule {
        Schedule::from_plan_with(FAULTS, faults, seed, load, nodes)
    }

    /// As [`Schedule::from_plan`], with a registry of one's own.
    pub fn from_plan_with(
        kinds: &[&'static Kind],
        faults: &Table<'_>,
        seed: Seed,
        load: Duration,
        nodes: usize,
    ) -> Schedule {
        if !faults.is_present() {
            return Schedule::default();
        }
        let seed = faults.get("seed").map_or_else(|| seed.derive("faults"), Seed);
        let frame = Frame {
            kinds: kinds.iter().map(|kind| (kind.name, *kind)).collect(),
            load,
            nodes,
            recover: faults.or("recover", Duration::from_secs(3)),
            beyond_quorum: faults.or("beyond_quorum", false),
        };
        let mut planned: Vec<Planned> = faults.tables("at").iter().filter_map(|entry| frame.explicit(entry)).collect();
        if let Some(random) = faults.table("random") {
            let drawn = frame.random(&random, &planned, &mut seed.derive("random").rng());
            planned.extend(drawn);
        }
        planned.sort_by_key(|it| (it.at, it.lasts));
        let numbered = planned.into_iter().zip(1..).map(|(Planned { at, lasts, fault }, id)| Injection {
            id,
            at,
            lasts,
            fault,
            seed: seed.nth(u64::from(id)),
        });
        Schedule { injections: numbered.collect() }
    }

    /// What a testbed must be able to do for all of them.
    pub fn needs(&self) -> BTreeSet<Need> {
        self.injections.iter().flat_map(|injection| injection.fault.kind.needs).copied().collect()
    }

    /// When the last of them ends, from the start of the load phase.
    pub fn end(&self) -> Duration {
        self.injections.iter().map(Injection::end).max().unwrap_or_default()
    }
}

struct Planned {
    at: Duration,
    lasts: Duration,
    fault: Fault,
}

/// What every fault of one schedule has to fit into.
struct Frame<'k> {
    kinds: Vec<(&'k str, &'static Kind)>,
    load: Duration,
    nodes: usize,
    recover: Duration,
    beyond_quorum: bool,
}

/// Enough for an hour with a fault every second, and an end to a schedule of a million.
const MOST: usize = 3600;

/// Draws until one has an effect. When one kind in ten can have any, all of them miss once in 10^22 schedules.
const DRAWS: usize = 500;

impl Frame<'_> {
    /// One entry `[[faults.at]]`.
    fn explicit(&self, entry: &Table<'_>) -> Option<Planned> {
        let (at, lasts) = (entry.need::<Duration>("at"), entry.need::<Duration>("lasts"));
        let target = entry.need::<Selector>("target");
        let kind = entry.choice_needed("kind", &self.kinds);
        let action = kind.and_then(|kind| (kind.read)(entry));
        if let (Some(at), Some(lasts)) = (at, lasts) {
            self.judge_time(entry, at, lasts);
        }
        let fault = Fault { kind: kind?, action: action?, target: target? };
        if self.judge_target(entry, "target", fault.target) {
            self.judge_effect(entry, &fault);
        }
        Some(Planned { at: at?, lasts: lasts?, fault })
    }

    fn judge_time(&self, entry: &Table<'_>, at: Duration, lasts: Duration) {
        let load = show_duration(self.load);
        let end = at.saturating_add(lasts);
        if lasts.is_zero() {
            entry.error("lasts", format!("`{}.lasts` is 0: nothing would happen", entry.path()), "write it like `2s`");
        } else if at >= self.load {
            let message = format!("`{}.at` is after the end of the load phase, which lasts {load}", entry.path());
            entry.error("at", message, "start it earlier or make the load phase longer");
        } else if end > self.load {
            let message =
                format!("`{}` would end at {}, after the load phase of {load}", entry.path(), show_duration(end));
            entry.error("lasts", message, "start it earlier, shorten it, or make the load phase longer");
        } else if end.saturating_add(self.recover) > self.load {
            let left = show_duration(self.load - end);
            let message = format!("`{}` leaves {left} of load to show that the system recovered", entry.path());
            let help = format!("end it {} before the load phase does", show_duration(self.recover));
            entry.warning("lasts", message, help);
        }
    }

    fn judge_target(&self, entry: &Table<'_>, key: &str, target: Selector) -> bool {
        let nodes = self.nodes;
        match target {
            Selector::Node(node) if node.index() >= nodes => {
                let message = format!("`{}.{key}`: there is no node `{node}` among {nodes}", entry.path());
                entry.error(key, message, format!("the last one is `n{nodes}`"));
                false
            }
            _ => true,
        }
    }

    fn judge_effect(&self, entry: &Table<'_>, fault: &Fault) {
        if fault.is_idle(self.nodes) {
            let cluster = format!("a cluster of {}", self.nodes);
            let message = format!("`{}` would do nothing: `{fault}` has no effect in {cluster}", entry.path());
            entry.error("target", message, "take another target, other options, or more nodes");
        }
    }

    /// The section `[faults.random]`: faults one after another with a calm between them.
    fn random(&self, random: &Table<'_>, explicit: &[Planned], rng: &mut Rng) -> Vec<Planned> {
        let gap = random.or("gap", seconds(2, 4));
        let lasts = random.or("lasts", seconds(1, 3));
        let overlap = random.or("overlap", false);
        let Some((kinds, targets)) = self.random_choices(random) else { return Vec::new() };
        if !self.random_is_possible(random, &kinds, &targets, gap, lasts, overlap) {
            return Vec::new();
        }
        let mut planned = Vec::new();
        let mut from = Duration::ZERO;
        while planned.len() < MOST {
            let at = from.saturating_add(rng.duration(gap.min..=gap.max));
            let lasts = rng.duration(lasts.min..=lasts.max);
            let Some(fault) = self.draw(random, &kinds, &targets, rng) else { return planned };
            let calm = rng.duration(gap.min..=gap.max);
            let at = if overlap { at } else { after_explicit(at, lasts, explicit, calm) };
            let end = at.saturating_add(lasts);
            if end.saturating_add(self.recover) > self.load {
                break;
            }
            planned.push(Planned { at, lasts, fault });
            from = if overlap { at } else { end };
        }
        if planned.is_empty() {
            let help = "make the load phase longer, or `gap`, `lasts` or `faults.recover` shorter";
            random.warning("gap", format!("no random fault fits into {} of load", show_duration(self.load)), help);
        }
        planned
    }

    /// One fault that can disturb this cluster. `None` when there is none; the table has been told.
    fn draw(&self, random: &Table<'_>, kinds: &[&'static Kind], targets: &[Selector], rng: &mut Rng) -> Option<Fault> {
        for _ in 0..DRAWS {
            let (kind, target) = (*rng.pick(kinds), *rng.pick(targets));
            let fault = Fault { kind, action: (kind.draw)(random, rng)?, target };
            if !fault.is_idle(self.nodes) {
                return Some(fault);
            }
        }
        let message =
            format!("`faults.random`: nothing that could be drawn has an effect in a cluster of {}", self.nodes);
        random.error("kinds", message, "take other kinds or targets, or more nodes");
        None
    }

    fn random_choices(&self, random: &Table<'_>) -> Option<(Vec<&'static Kind>, Vec<Selector>)> {
        let names = random.or("kinds", ["kill", "pause", "partition"].map(str::to_owned).to_vec());
        let targets = random.or("targets", vec![Selector::Leader, Selector::Random]);
        let kinds = match random.choices("kinds", &self.kinds) {
            Some(kinds) => kinds,
            None if random.keys().contains(&"kinds") => return None,
            None => self.kinds.iter().filter(|(name, _)| names.iter().any(|it| it == name)).map(|it| it.1).collect(),
        };
        if kinds.is_empty() || targets.is_empty() {
            let key = if kinds.is_empty() { "kinds" } else { "targets" };
            random.error(
                key,
                format!("`faults.random.{key}` is empty: there is nothing to draw from"),
                "name at least one",
            );
            return None;
        }
        Some((kinds, targets))
    }

    fn random_is_possible(
        &self,
        random: &Table<'_>,
        kinds: &[&'static Kind],
        targets: &[Selector],
        gap: DurationRange,
        lasts: DurationRange,
        overlap: bool,
    ) -> bool {
        let shortest = if overlap { gap.min } else { gap.min.saturating_add(lasts.min) };
        if lasts.min.is_zero() || shortest < Duration::from_millis(1) {
            let key = if lasts.min.is_zero() { "lasts" } else { "gap" };
            random.error(key, format!("`faults.random.{key}` may be 0"), "write it like `1s..3s`");
            return false;
        }
        if !targets.iter().all(|target| self.judge_target(random, "targets", *target)) {
            return false;
        }
        let allow = "set `faults.beyond_quorum = true` if the system should be brought to its knees";
        let minority = self.nodes.saturating_sub(1) / 2;
        let process = kinds.iter().find(|kind| kind.needs.contains(&Need::ProcessControl));
        let greedy = targets.iter().find(|target| target.most(self.nodes) > minority);
        if let (Some(kind), Some(target), false) = (process, greedy, self.beyond_quorum) {
            let message =
                format!("`faults.random`: `{}` of `{target}` leaves no majority of {} nodes", kind.name, self.nodes);
            random.error("targets", message, allow);
        }
        if overlap && !self.beyond_quorum {
            let message = "`faults.random.overlap`: overlapping faults may leave no majority";
            random.error("overlap", message, allow);
        }
        true
    }
}

/// The first time from `at` at which a fault of this length meets no explicit one.
fn after_explicit(at: Duration, lasts: Duration, explicit: &[Planned], gap: Duration) -> Duration {
    let mut at = at;
    let mut sorted: Vec<&Planned> = explicit.iter().collect();
    sorted.sort_by_key(|it| it.at);
    for other in sorted {
        let other_end = other.at.saturating_add(other.lasts);
        if at < other_end && other.at < at.saturating_add(lasts) {
            at = other_end.saturating_add(gap);
        }
    }
    at
}

fn seconds(min: u64, max: u64) -> DurationRange {
    DurationRange { min: Duration::from_secs(min), max: Duration::from_secs(max) }
}

/// What the section `[faults]` takes, for the reference pages.
pub fn reference() -> Vec<Section> {
    let mut sections = vec![FAULTS_SECTION, AT_SECTION];
    sections.extend(FAULTS.iter().map(|kind| options("faults.at[]", "kind", kind)));
    sections.push(RANDOM_SECTION);
    let with_options = FAULTS.iter().filter(|kind| !kind.options.is_empty());
    sections.extend(with_options.map(|kind| options("faults.random", "kinds", kind)));
    sections
}

fn options(path: &'static str, key: &'static str, kind: &Kind) -> Section {
    Section { path, when: Some((key, kind.name)), about: kind.about, fields: kind.options }
}

/// The sections without the options of kinds.
pub(crate) const SECTIONS: [Section; 3] = [FAULTS_SECTION, AT_SECTION, RANDOM_SECTION];

const FAULTS_SECTION: Section = Section {
    path: "faults",
    when: None,
    about: "What goes wrong during the load phase, and when. Explicit faults and random ones go together.",
    fields: &[
        field("seed", "whole number", "from the plan's seed", "what chance is drawn from"),
        field("recover", "duration", "`3s`", "how much of the load phase stays free of random faults at its end"),
        field("beyond_quorum", "`true` or `false`", "`false`", "whether random faults may leave no majority alive"),
    ],
};

const AT_SECTION: Section = Section {
    path: "faults.at[]",
    when: None,
    about: "One fault at its time; the kind's own options stand beside these.",
    fields: &[
        field("at", "duration", "required", "when it begins, from the start of the load phase"),
        field("lasts", "duration", "required", "how long it lasts; then it is undone"),
        field("kind", "a kind of fault", "required", "what goes wrong"),
        field(
            "target",
            "`leader`, `follower`, `random`, `minority`, `majority`, `all` or a node like `n1`",
            "required",
            "whom it strikes",
        ),
    ],
};

const RANDOM_SECTION: Section = Section {
    path: "faults.random",
    when: None,
    about: "Faults drawn from the seed, one after another; options of kinds that are not set here are drawn as well.",
    fields: &[
        field("kinds", "list of kinds", "kill, pause, partition", "what to draw from"),
        field("targets", "list of targets", "leader, random", "whom to strike"),
        field("lasts", "range of durations", "`1s..3s`", "how long each lasts"),
        field("gap", "range of durations", "`2s..4s`", "the calm between two faults"),
        field(
            "overlap",
            "`true` or `false`",
            "`false`",
            "whether a fault may begin while others last; the gap then counts from start to start",
        ),
    ],
};
