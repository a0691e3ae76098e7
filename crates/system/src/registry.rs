use plan::Table;
use plan::reference::{Section, field};

use crate::contract::{Missing, System};
use crate::etcd::{self, Etcd};
use crate::own::Own;
use crate::specimen::Specimen;

/// Reads `[system]`, and of `[client]` what belongs to the system's client.
type FromPlan = fn(&Table<'_>, Option<&Table<'_>>) -> Option<Box<dyn System>>;

/// A kind of system, as plans and `assize list systems` know it.
pub struct SystemInfo {
    /// `kind` in the plan.
    pub name: &'static str,
    /// What it is, in one sentence.
    pub about: &'static str,
    /// What is needed and not here.
    pub missing: fn() -> Vec<Missing>,
    from_plan: FromPlan,
}

/// Every kind of system.
pub static SYSTEMS: &[SystemInfo] = &[
    SystemInfo {
        name: "raft-kv",
        about: "our own replicated key-value store on Raft; every node is a process of this binary",
        missing: Vec::new,
        from_plan: |system, _| Specimen::from_plan("raft-kv", system),
    },
    SystemInfo {
        name: "paxos-register",
        about: "a register for each key, written by single-decree Paxos without a leader; every node is a process of this binary",
        missing: Vec::new,
        from_plan: |system, _| Specimen::from_plan("paxos-register", system),
    },
    SystemInfo {
        name: "etcd",
        about: "an etcd 3.4 cluster, asked through its JSON gateway",
        missing: etcd::missing,
        from_plan: |system, _| Etcd::from_plan(system),
    },
    SystemInfo {
        name: "command",
        about: "your own system, started by commands of the plan and asked by HTTP templates",
        missing: Vec::new,
        from_plan: Own::command,
    },
    SystemInfo {
        name: "endpoints",
        about: "a system that runs already, asked by HTTP templates; no process faults",
        missing: Vec::new,
        from_plan: Own::attached,
    },
];

/// Reads `[system]` (and of `[client]` what belongs to the system's client). Problems are left in the tables' document.
pub fn from_plan(system: &Table<'_>, client: Option<&Table<'_>>) -> Option<Box<dyn System>> {
    let names: Vec<(&str, &SystemInfo)> = SYSTEMS.iter().map(|info| (info.name, info)).collect();
    let attached = system.keys().contains(&"endpoints");
    let has_kind = system.keys().contains(&"kind");
    let info = if attached && !has_kind { SYSTEMS.last() } else { system.choice_needed("kind", &names) };
    let Some(info) = info else {
        // Without a system nobody asks for its client's settings.
        client.inspect(|client| client.give_up());
        return None;
    };
    (info.from_plan)(system, client)
}

/// What the sections `[system]` and `[client]` take, for the reference pages.
pub fn sections() -> Vec<Section> {
    let mut sections = vec![SYSTEM];
    for specimen in crate::specimen::SPECIMENS {
        let about = "Settings of our own systems.";
        sections.push(Section {
            path: "system",
            when: Some(("kind", specimen.name)),
            about,
            fields: specimen.parameters,
        });
    }
    sections.extend([ETCD, COMMAND, ENDPOINTS, CLIENT, TEMPLATE]);
    sections
}

const SYSTEM: Section = Section {
    path: "system",
    when: None,
    about: "The system under test.",
    fields: &[
        field(
            "kind",
            "`raft-kv`, `paxos-register`, `etcd`, `command` or `endpoints`",
            "required",
            "which system (`assize list systems`)",
        ),
        field("nodes", "number", "`5`; `3` for etcd, `1` for a command", "how many servers"),
        field(
            "disk",
            "`durable` or `volatile:20ms`",
            "`\"durable\"`",
            "our own systems: whether unsynced writes survive a kill",
        ),
    ],
};

const ETCD: Section = Section {
    path: "system",
    when: Some(("kind", "etcd")),
    about: "Settings of etcd.",
    fields: &[
        field("heartbeat", "duration", "`\"50ms\"`", "`--heartbeat-interval`"),
        field("election_timeout", "duration", "`\"500ms\"`", "`--election-timeout`"),
        field(
            "serializable_reads",
            "true or false",
            "`false`",
            "reads are answered by the asked member alone, and may be stale",
        ),
        field("arguments", "list of texts", "none", "further arguments of every node"),
    ],
};

const COMMAND: Section = Section {
    path: "system",
    when: Some(("kind", "command")),
    about: "Your own system, started by commands. `{node}`, `{addr}`, `{dir}` and `{peers}` are filled in.",
    fields: &[
        field("start", "text", "required", "starts a node, first and again; it stays in the foreground"),
        field("stop", "text", "none", "asks a node to stop at the end, before the signals"),
        field("ready", "text", "an open port", "`GET /path`, or a command that succeeds when the node serves"),
        field("start_limit", "duration", "`\"20s\"`", "how long a start may take"),
        field("settle", "duration", "`\"1s\"`", "how long it may need after a heal until every node serves"),
    ],
};

const ENDPOINTS: Section = Section {
    path: "system",
    when: Some(("kind", "endpoints")),
    about: "A system that runs already: every run uses keys of its own, and its processes are left alone.",
    fields: &[field("endpoints", "list of addresses", "required", "where it is asked, one address a node")],
};

const CLIENT: Section = Section {
    path: "client",
    when: Some(("kind", "http")),
    about: "The client of your own system.",
    fields: &[
        field("kind", "`http`", "`\"http\"`", "how it is asked"),
        field("get", "a section", "none", "see `[client.get]`"),
        field("put", "a section", "none", "see `[client.get]`"),
        field("cas", "a section", "none", "see `[client.get]`"),
    ],
};

const TEMPLATE: Section = Section {
    path: "client.get",
    when: None,
    about: "How your own system is asked; the same for `[client.put]` and `[client.cas]`. `{key}`, `{value}` and `{expected}` are filled in.",
    fields: &[
        field("request", "text", "required", "method and path: `GET /kv/{key}`"),
        field("body", "text", "empty", "the body"),
        field("headers", "list of texts", "none", "further header lines"),
        field("ok", "list of numbers", "`[200, 201, 204]`", "statuses that say that it happened"),
        field("fail", "list of numbers", "none", "statuses that say that it certainly did not"),
        field("missing", "list of numbers", "none", "statuses that say that the key holds nothing"),
        field("json", "text", "the body is the value", "JSON pointer to the value in the answer"),
    ],
};
