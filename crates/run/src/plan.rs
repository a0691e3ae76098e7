//! A whole plan: every stage reads its own section of the document, and all that is wrong is told at once.

use std::time::Duration;

use base::Seed;
use fault::Injection;
use measure::Objective;
use plan::reference::{Section, field};
use plan::{Diagnostics, Document, Rate, Share, Table};
use system::System;
use workload::{Generator, Profile, Workload};

use crate::operator::Planned;
use crate::simulated::{self, Surroundings};

/// A plan that can be run.
pub struct Plan {
    /// Its name, in the run folder's name and in reports.
    pub name: String,
    /// The seed from which operations, arrivals and faults are drawn.
    pub seed: Seed,
    /// The system under test.
    pub system: Box<dyn System>,
    /// Where its nodes run.
    pub testbed: TestbedKind,
    /// How the simulated world behaves, if they run there.
    pub simulated: Surroundings,
    /// Whether links on loopback run through relays, which can break them.
    pub relays: bool,
    /// Who asks.
    pub client: load::Settings,
    /// What is asked.
    pub generator: Box<dyn Generator>,
    /// When it is asked.
    pub profile: Profile,
    /// What goes wrong, from the start of the load phase.
    pub faults: Vec<Injection>,
    /// What an operator asks for meanwhile, from the start of the load phase.
    pub admin: Vec<Planned>,
    /// How long each phase is.
    pub phases: Phases,
    /// How it is checked while it goes on.
    pub check: Check,
    /// What the run must reach.
    pub objectives: Vec<Objective>,
    /// The plan as it is run, seed and overrides and defaults included; running it again runs the same.
    pub effective: String,
    /// What can be run and is probably not meant.
    pub warnings: Vec<String>,
}

/// Where nodes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestbedKind {
    /// Processes on loopback; links through relays if the system's frames are known.
    Loopback,
    /// A network namespace for each node; needs root.
    Namespaces,
    /// Namespaces if they can be had, else loopback.
    Auto,
    /// Actors in the simulated world; our own protocols only.
    Simulated,
}

impl TestbedKind {
    /// The names in plans.
    pub const NAMES: &[(&str, TestbedKind)] = &[
        ("loopback", TestbedKind::Loopback),
        ("namespaces", TestbedKind::Namespaces),
        ("auto", TestbedKind::Auto),
        (simulated::NAME, TestbedKind::Simulated),
    ];
}

/// How long each phase is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases {
    /// Load before measuring, without faults.
    pub warmup: Duration,
    /// Load with faults: what is measured.
    pub load: Duration,
    /// Quiet time after the heal, before the final reads.
    pub settle: Duration,
    /// Whether every key is read on every node at the end.
    pub final_reads: bool,
}

/// How a run is checked while the load runs. The whole history is checked afterwards in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// Whether it is.
    pub online: bool,
    /// Whether the first violation ends the run.
    pub stop: bool,
}

/// Where a plan comes from, and what the command line changes in it.
#[derive(Clone, Debug, Default)]
pub struct Source<'a> {
    /// The file's name, for messages.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
    /// Overrides: dotted path and value.
    pub set: &'a [(String, String)],
    /// The seed, if it is given on the command line.
    pub seed: Option<u64>,
}

/// Reads a plan.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(source: &Source<'_>) -> Result<Plan, Diagnostics> {
    let mut document = Document::parse_with(source.name, source.text, &crate::plans::load)?;
    for (key, value) in source.set {
        document.set(key, value)?;
    }
    if let Some(seed) = source.seed {
        document.set("seed", &seed.to_string())?;
    }
    let parts = Parts::read(&document);
    document.finish()?;
    let warnings = document.warnings();
    let effective = document.effective();
    let parts = parts.unwrap_or_else(|| panic!("a reader gave up on `{}` without saying why", source.name));
    let warnings = warnings.list.iter().map(|warning| format!("{}; {}", warning.message, warning.help)).collect();
    Ok(parts.plan(effective, warnings))
}

/// What the sections hold, all of them readable.
struct Parts {
    name: String,
    seed: Seed,
    testbed: TestbedKind,
    simulated: Surroundings,
    relays: bool,
    system: Box<dyn System>,
    client: load::Settings,
    generator: Box<dyn Generator>,
    profile: Profile,
    faults: Vec<Injection>,
    admin: Vec<Planned>,
    phases: Phases,
    check: Check,
    objectives: Vec<Objective>,
}

impl Parts {
    fn read(document: &Document) -> Option<Parts> {
        let root = document.root();
        let name = root.or("name", "unnamed".to_string());
        // A seed that is drawn becomes part of the effective plan, so that the run can be repeated.
        let seed = Seed(root.or("seed", crate::seed::fresh()));
        let testbed = root.choice_or("testbed", TestbedKind::NAMES, "loopback");
        let simulated = match testbed {
            TestbedKind::Simulated => Surroundings::from_plan(&root.section(simulated::NAME)),
            // The section may stay while the plan runs elsewhere.
            _ => root.table(simulated::NAME).map(|table| Surroundings::from_plan(&table)).unwrap_or_default(),
        };
        let relays = root.or("relays", true);
        let client_table = root.table("client");
        let system = system::from_plan(&root.section("system"), client_table.as_ref());
        let phases = Phases::from_plan(&root.section("phases"), system.as_deref());
        let generator = Workload::from_plan(&root.section("workload"), seed.derive("workload"));
        let profile = Profile::from_plan(&root.section("load"), seed.derive("load"));
        let client = client(&root.section("client"), profile.as_ref(), system.as_deref());
        let nodes = system.as_ref().map_or(1, |system| system.nodes());
        let faults =
            fault::Schedule::from_plan(&root.section("faults"), seed.derive("faults"), phases.load, nodes).injections;
        let admin = Planned::from_plan(&root.section("admin"), phases.load, nodes);
        let check = Check::from_plan(&root.section("check"));
        let objectives = objectives(&root.section("objectives"));
        let (system, (workload, generator)) = (system?, generator?);
        check_functions(&root, &*system, workload);
        check_faults(&root, &*system, &faults);
        Some(Parts {
            name,
            seed,
            testbed,
            simulated,
            relays,
            system,
            client: client?,
            generator,
            profile: profile?,
            faults,
            admin,
            phases,
            check,
            objectives,
        })
    }

    fn plan(self, effective: String, warnings: Vec<String>) -> Plan {
        let Parts {
            name,
            seed,
            testbed,
            simulated,
            relays,
            system,
            client,
            generator,
            profile,
            faults,
            admin,
            phases,
            check,
            objectives,
        } = self;
        Plan {
            name,
            seed,
            system,
            testbed,
            simulated,
            relays,
            client,
            generator,
            profile,
            faults,
            admin,
            phases,
            check,
            objectives,
            effective,
            warnings,
        }
    }
}

/// What ran before the run is not ours to kill, and its links are not ours to cut.
fn check_faults(root: &Table<'_>, system: &dyn System, faults: &[Injection]) {
    if matches!(system.deployment(), system::Deployment::Attached(_)) && !faults.is_empty() {
        let help = "take the faults out, or let the run start the system (`kind = \"command\"`)";
        root.error("faults", "a system that runs already cannot be harmed", help);
    }
}

/// A system whose client cannot do what the workload asks would fail every such operation.
fn check_functions(root: &Table<'_>, system: &dyn System, workload: &Workload) {
    let can = system.functions();
    for function in workload.functions.iter().filter(|function| !can.contains(function)) {
        let template = system::http_template::Templates::name(*function);
        let message = format!("the workload asks for `{function}`, which the client cannot do");
        root.section("workload").error("kind", message, format!("describe it in `[client.{template}]`"));
    }
}

impl Phases {
    fn from_plan(table: &Table<'_>, system: Option<&dyn System>) -> Phases {
        let settle = system.map_or(Duration::from_secs(1), |system| system.settle());
        Phases {
            warmup: table.or("warmup", Duration::from_secs(2)),
            load: table.or("load", Duration::from_secs(30)),
            settle: table.or("settle", settle),
            final_reads: table.or("final_reads", true),
        }
    }

    /// All of them together.
    pub fn total(&self) -> Duration {
        self.warmup + self.load + self.settle
    }
}

impl Check {
    fn from_plan(table: &Table<'_>) -> Check {
        let online = table.or("online", true);
        let stop = table.choice_or("stop", &[("never", false), ("first-violation", true)], "never");
        if stop && !online {
            let help = "set `check.online = true`, or `check.stop = \"never\"`";
            table.error("stop", "nothing is checked while the load runs, so no violation can end the run", help);
        }
        Check { online, stop }
    }
}

/// Who asks; a closed loop says itself how many. Nobody knows the leader of a system that the plan describes, so all nodes are asked.
fn client(table: &Table<'_>, profile: Option<&Profile>, system: Option<&dyn System>) -> Option<load::Settings> {
    let mut settings = load::Settings::from_plan(table)?;
    let own = system.is_some_and(|system| matches!(system.name(), "command" | "endpoints"));
    if own && table.get::<String>("target").is_none() {
        settings.target = load::TargetPolicy::Any;
    }
    if let Some(Profile::Closed { processes, .. }) = profile {
        settings.processes = settings.processes.max(*processes);
    }
    Some(settings)
}

fn objectives(table: &Table<'_>) -> Vec<Objective> {
    let mut all = Vec::new();
    let model: String = table.or("model", "linearizable".to_string());
    if check::Model::find(&model).is_none() {
        let names: Vec<&str> = check::MODELS.iter().map(|model| model.name).collect();
        let help = match plan::nearest(&model, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", names.join(", ")),
        };
        table.error("model", format!("there is no model `{model}`"), help);
    }
    all.push(Objective::Model(model));
    all.extend(table.get("lost_writes").map(Objective::LostWrites));
    for (key, quantile) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
        all.extend(table.get(key).map(|limit| Objective::Latency(quantile, limit)));
    }
    all.extend(table.get::<Rate>("rate").map(|rate| Objective::Rate(rate.0)));
    all.extend(table.get::<Share>("error_share").map(|share| Objective::ErrorShare(share.0)));
    all.extend(table.get("recovery").map(Objective::Recovery));
    all
}

/// Every section of a plan, in the order of the flow, for the reference pages.
pub fn sections() -> Vec<Section> {
    let mut sections = vec![SECTIONS[0]];
    sections.extend(system::sections());
    sections.push(load::CLIENT);
    sections.extend(workload::sections());
    sections.extend(workload::LOAD.iter().copied());
    sections.extend(fault::reference());
    sections.extend(&SECTIONS[1..]);
    sections
}

/// The sections that this crate reads: the plan as a whole, then the others.
const SECTIONS: &[Section] = &[
    Section {
        when: None,
        path: "",
        about: "The plan as a whole.",
        fields: &[
            field("name", "text", "`unnamed`", "names the run folder and the report"),
            field("seed", "number", "drawn", "operations, arrivals and faults follow from it"),
            field(
                "testbed",
                "`loopback`, `namespaces`, `auto` or `simulated`",
                "`loopback`",
                "where the nodes run; namespaces need root, and only our own systems can be simulated",
            ),
            field(
                "relays",
                "true or false",
                "`true`",
                "whether links on loopback run through relays, which can break them",
            ),
        ],
    },
    Section {
        when: None,
        path: simulated::NAME,
        about: "How the simulated world behaves where no fault says otherwise (`testbed = \"simulated\"`).",
        fields: &[
            field("latency", "range of durations", "`\"50us..500us\"`", "how long a message takes"),
            field("loss", "share", "`\"0%\"`", "the share of messages that are lost"),
            field("sync", "range of durations", "`\"200us..2ms\"`", "how long a disk takes to make writes durable"),
        ],
    },
    Section {
        when: None,
        path: "admin.at[]",
        about: "What an operator asks for while the load runs, beside the faults: one table `[[admin.at]]` an action. An action that does not end `ok` makes the verdict `unknown`.",
        fields: &[
            field("at", "duration", "required", "when, from the start of the load phase"),
            field(
                "do",
                "`members n1 n2 n3`, `transfer n2` or `compact`",
                "required",
                "what: other members, another leader, a snapshot now",
            ),
        ],
    },
    Section {
        when: None,
        path: "phases",
        about: "How long each phase of the run is.",
        fields: &[
            field("warmup", "duration", "`\"2s\"`", "load before measuring, without faults"),
            field("load", "duration", "`\"30s\"`", "load with faults: what is measured"),
            field("settle", "duration", "the system's own", "quiet time after the heal, before the final reads"),
            field("final_reads", "true or false", "`true`", "whether every key is read on every node at the end"),
        ],
    },
    Section {
        when: None,
        path: "check",
        about: "How the run is checked while the load runs. The verdict is that of the whole history, which is checked afterwards.",
        fields: &[
            field("online", "true or false", "`true`", "whether violations are looked for while the load runs"),
            field(
                "stop",
                "`never` or `first-violation`",
                "`\"never\"`",
                "whether the first violation ends the run: faults are healed, nothing more is asked, and there are no final reads",
            ),
        ],
    },
    Section {
        when: None,
        path: "objectives",
        about: "What the run must reach. A missed objective ends it with exit code 1.",
        fields: &[
            field("model", "a consistency model", "`\"linearizable\"`", "what the history must satisfy"),
            field("lost_writes", "number", "none", "at most so many acknowledged writes are lost"),
            field("p50", "duration", "none", "at most this median latency"),
            field("p99", "duration", "none", "at most this 99th percentile"),
            field("p999", "duration", "none", "at most this 99.9th percentile"),
            field("rate", "rate", "none", "at least so many `ok` per second"),
            field("error_share", "share", "none", "at most this share of operations without an answer"),
            field("recovery", "duration", "none", "from every fault the system recovers within this time"),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_plan_is_read_and_every_setting_is_documented() {
        for plan in crate::plans::PLANS {
            let name = format!("plans/{}.toml", plan.name);
            let document = Document::parse_with(&name, plan.text, &crate::plans::load).expect("parses");
            assert!(Parts::read(&document).is_some(), "{name}");
            document.finish().unwrap_or_else(|wrong| panic!("{wrong}"));
            assert_eq!(plan::reference::undocumented(&document, &sections()), [""; 0], "{name}");
        }
    }

    #[test]
    fn the_effective_plan_is_its_own_effective_plan() {
        for plan in crate::plans::PLANS {
            let name = format!("plans/{}.toml", plan.name);
            let first =
                read(&Source { name: &name, text: plan.text, seed: Some(7), ..Source::default() }).expect("reads");
            let source = Source { name: "plan.toml", text: &first.effective, ..Source::default() };
            let second = read(&source).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
            assert_eq!(second.effective, first.effective, "{name}");
            assert_eq!(second.faults, first.faults, "{name}");
        }
    }
}
