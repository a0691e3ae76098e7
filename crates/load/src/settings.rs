use std::time::Duration;

use plan::Table;
use plan::reference::{Section, field};

use crate::options::{EngineOptions, Spin, TargetPolicy};

/// The `[client]` section of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// See [`EngineOptions::processes`].
    pub processes: usize,
    /// See [`EngineOptions::connections`].
    pub connections: Option<usize>,
    /// See [`EngineOptions::timeout`].
    pub timeout: Duration,
    /// See [`EngineOptions::connect_timeout`].
    pub connect_timeout: Duration,
    /// See [`EngineOptions::target`].
    pub target: TargetPolicy,
    /// See [`EngineOptions::redirects`].
    pub redirects: bool,
    /// See [`EngineOptions::spin`].
    pub spin: Spin,
}

/// What the `[client]` section takes: for the reference pages.
pub const CLIENT: Section = Section {
    path: "client",
    when: None,
    about: "Who asks, over which connections.",
    fields: &[
        field("processes", "a whole number", "20", "Most operations under way at once; each process has one."),
        field(
            "connections",
            "a whole number",
            "as few as the client needs",
            "Groups of connections that the processes share; a group has one connection to each node.",
        ),
        field(
            "timeout",
            "a duration",
            "\"2s\"",
            "How long an operation may wait for a process, and again how long for its answer; then it is `info`.",
        ),
        field("connect_timeout", "a duration", "\"1s\"", "How long a connection may take to be made."),
        field(
            "target",
            "`leader`, `any`, `fixed` or `rotating`",
            "\"leader\"; \"any\" for your own system",
            "Which node is asked first: the leader as far as known, a random one, process i node i, or the same until it fails.",
        ),
        field(
            "redirects",
            "`true` or `false`",
            "true",
            "Whether an operation goes on to another node when the asked one sends it there or cannot be reached. With `leader` it always does.",
        ),
        field(
            "spin",
            "`auto`, `off` or `on`",
            "\"auto\"",
            "Whether to spin before an operation is due: exact to the microsecond, and a core is gone. `auto`: with more than two cores.",
        ),
    ],
};

impl Settings {
    /// Reads a `[client]` section. `None` when something is wrong; the section has been told.
    pub fn from_plan(section: &Table<'_>) -> Option<Settings> {
        let settings = Settings {
            processes: section.or("processes", 20),
            connections: section.get("connections"),
            timeout: section.or("timeout", Duration::from_secs(2)),
            connect_timeout: section.or("connect_timeout", Duration::from_secs(1)),
            target: section.choice_or("target", TargetPolicy::NAMES, "leader"),
            redirects: section.or("redirects", true),
            spin: section.choice_or("spin", Spin::NAMES, "auto"),
        };
        let wrong = [
            ("processes", settings.processes == 0 || settings.processes > crate::processes::MOST_PROCESSES),
            ("connections", settings.connections == Some(0)),
            ("timeout", settings.timeout.is_zero()),
            ("connect_timeout", settings.connect_timeout.is_zero()),
        ];
        for (key, _) in wrong.iter().filter(|(_, is_wrong)| *is_wrong) {
            section.error(
                key,
                format!("`client.{key}` is out of range"),
                "choose more than nothing, and at most a million processes",
            );
        }
        wrong.iter().all(|(_, is_wrong)| !is_wrong).then_some(settings)
    }

    /// Puts them into the options of an engine.
    pub fn apply(&self, options: &mut EngineOptions) {
        options.processes = self.processes;
        options.connections = self.connections;
        options.timeout = self.timeout;
        options.connect_timeout = self.connect_timeout;
        options.target = self.target;
        options.redirects = self.redirects;
        options.spin = self.spin;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plan::Document;

    #[test]
    fn settings_are_read_and_every_one_is_documented() {
        let text = "[client]\nprocesses = 8\nconnections = 2\ntimeout = '500ms'\ntarget = 'any'";
        let document = Document::parse("my.toml", text).unwrap();
        let settings = Settings::from_plan(&document.root().section("client")).unwrap();
        document.finish().unwrap();
        let expected = Settings {
            processes: 8,
            connections: Some(2),
            timeout: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(1),
            target: TargetPolicy::Any,
            redirects: true,
            spin: Spin::Auto,
        };
        assert_eq!(settings, expected);
        assert_eq!(plan::reference::undocumented(&document, &[CLIENT]), Vec::<String>::new());
    }

    #[test]
    fn nothing_is_asked_by_nobody() {
        let document = Document::parse("my.toml", "[client]\nprocesses = 0\ntimeout = '0s'").unwrap();
        assert_eq!(Settings::from_plan(&document.root().section("client")), None);
        assert_eq!(document.finish().unwrap_err().len(), 2);
    }
}
