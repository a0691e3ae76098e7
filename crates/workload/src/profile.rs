use std::time::Duration;

use base::Seed;
use plan::reference::{Field, Section, field};
use plan::{Rate, Table};

use crate::{Arrivals, Piece, Shape, Spacing};

/// When operations are asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Profile {
    /// Open loop: operations are due by a schedule, whether the system keeps up or not. Latency counts from the due time.
    Open(Arrivals),
    /// Closed loop: each process asks again when it has been answered. Latency is service time and hides stalls: a
    /// slow system is asked less.
    Closed {
        /// How many processes ask.
        processes: usize,
        /// How long a process waits after an answer.
        think: Duration,
    },
}

impl Profile {
    /// Open loop at a fixed rate, evenly spaced.
    pub fn constant(rate: f64) -> Self {
        Profile::Open(Arrivals::constant(rate))
    }

    /// Closed loop without think time.
    pub fn closed(processes: usize) -> Self {
        Profile::Closed { processes, think: Duration::ZERO }
    }

    /// The operations asked for within the first `span`; `None` in a closed loop, which asks for as many as are answered.
    pub fn asked_by(&self, span: Duration) -> Option<f64> {
        match self {
            Profile::Open(arrivals) => Some(arrivals.asked_by(span)),
            Profile::Closed { .. } => None,
        }
    }
}

const SPACING: Field = field("spacing", "`even` or `poisson`", "\"even\"", "How arrivals are spread at that rate.");

/// What the `[load]` section takes: for the reference pages.
pub const LOAD: &[Section] = &[
    Section {
        path: "load",
        when: None,
        about: "When operations are asked.",
        fields: &[field(
            "profile",
            "`constant`, `poisson`, `ramp`, `steps`, `spike`, `sine` or `closed`",
            "\"constant\"",
            "The rate over time (open loop), or a closed loop.",
        )],
    },
    Section {
        path: "load",
        when: Some(("profile", "constant")),
        about: "Open loop, evenly spaced.",
        fields: &[field("rate", "a rate", "required", "Operations per second.")],
    },
    Section {
        path: "load",
        when: Some(("profile", "poisson")),
        about: "Open loop with exponential gaps, as of many independent clients.",
        fields: &[field("rate", "a rate", "required", "Operations per second.")],
    },
    Section {
        path: "load",
        when: Some(("profile", "ramp")),
        about: "Open loop; the rate changes along a straight line and then stays.",
        fields: &[
            field("from", "a rate", "\"0/s\"", "The rate at the start."),
            field("to", "a rate", "required", "The rate at the end."),
            field("over", "a duration", "required", "How long the change takes."),
            SPACING,
        ],
    },
    Section {
        path: "load",
        when: Some(("profile", "steps")),
        about: "Open loop; one rate after another, the last one stays.",
        fields: &[
            field("steps", "a list of rates", "required", "The rates."),
            field("every", "a duration", "required", "How long each lasts."),
            SPACING,
        ],
    },
    Section {
        path: "load",
        when: Some(("profile", "spike")),
        about: "Open loop; a higher rate for a while.",
        fields: &[
            field("rate", "a rate", "required", "The rate before and after."),
            field("peak", "a rate", "required", "The rate within."),
            field("at", "a duration", "required", "When it starts."),
            field("lasts", "a duration", "required", "How long it lasts."),
            SPACING,
        ],
    },
    Section {
        path: "load",
        when: Some(("profile", "sine")),
        about: "Open loop; the rate goes up and down.",
        fields: &[
            field("rate", "a rate", "required", "The mean."),
            field("amplitude", "a rate", "required", "The largest distance from the mean, at most the mean."),
            field("period", "a duration", "required", "The time of one wave."),
            SPACING,
        ],
    },
    Section {
        path: "load",
        when: Some(("profile", "closed")),
        about: "Closed loop: each process asks again when it has been answered. Latency is service time and hides stalls.",
        fields: &[
            field("processes", "a whole number", "required", "How many processes ask."),
            field("think", "a duration", "\"0ms\"", "How long a process waits after an answer."),
        ],
    },
];

impl Profile {
    /// Reads a `[load]` section. `None` when something is wrong; the section has been told.
    pub fn from_plan(section: &Table<'_>, seed: Seed) -> Option<Profile> {
        /// Reads a shape; the spacing, where the profile's name fixes it.
        type Read = fn(&Table<'_>) -> Option<Shape>;
        type OpenLoop = (Read, Option<&'static str>);
        let constant: Read = |section| Some(Shape::Constant { rate: positive(section, "rate")? });
        let readers: &[(&str, Option<OpenLoop>)] = &[
            ("constant", Some((constant, Some("even")))),
            ("poisson", Some((constant, Some("poisson")))),
            ("ramp", Some((ramp, None))),
            ("steps", Some((steps, None))),
            ("spike", Some((spike, None))),
            ("sine", Some((sine, None))),
            ("closed", None),
        ];
        let Some((read, spacing)) = section.choice_or("profile", readers, "constant") else {
            return closed(section);
        };
        let poisson = Spacing::Poisson(seed.derive("arrivals"));
        let spacings = [("even", Spacing::Even), ("poisson", poisson)];
        let spacing = match spacing {
            Some(fixed) => spacings.into_iter().find(|(name, _)| *name == fixed)?.1,
            None => section.choice_or("spacing", &spacings, "even"),
        };
        Some(Profile::Open(Arrivals { shape: read(section)?, spacing }))
    }
}

fn closed(section: &Table<'_>) -> Option<Profile> {
    let processes = section.need("processes");
    let think = section.or("think", Duration::ZERO);
    if processes == Some(0) {
        section.error("processes", "a closed loop of no processes asks nothing", "choose at least 1");
        return None;
    }
    Some(Profile::Closed { processes: processes?, think })
}

fn ramp(section: &Table<'_>) -> Option<Shape> {
    let from = section.or("from", Rate(0.0)).0;
    let (to, over) = (positive(section, "to"), lasting(section, "over"));
    Some(Shape::Ramp { from, to: to?, over: over? })
}

fn steps(section: &Table<'_>) -> Option<Shape> {
    let (rates, every) = (section.need::<Vec<Rate>>("steps"), lasting(section, "every"));
    let (rates, lasts) = (rates?, every?);
    if rates.is_empty() {
        section.error("steps", "`steps` is empty", "give at least one rate");
        return None;
    }
    Some(Shape::Steps(rates.into_iter().map(|Rate(rate)| Piece { rate, lasts }).collect()))
}

fn spike(section: &Table<'_>) -> Option<Shape> {
    let (rate, peak) = (positive(section, "rate"), positive(section, "peak"));
    let (at, lasts) = (section.need::<Duration>("at"), lasting(section, "lasts"));
    let (rate, peak, at, lasts) = (rate?, peak?, at?, lasts?);
    let piece = |rate, lasts| Piece { rate, lasts };
    Some(Shape::Steps(vec![piece(rate, at), piece(peak, lasts), piece(rate, Duration::MAX)]))
}

fn sine(section: &Table<'_>) -> Option<Shape> {
    let (mean, amplitude) = (positive(section, "rate"), section.need::<Rate>("amplitude"));
    let period = lasting(section, "period");
    let (mean, Rate(amplitude), period) = (mean?, amplitude?, period?);
    if amplitude > mean {
        section.error("amplitude", "the wave would fall below nothing", "choose at most `rate`");
        return None;
    }
    Some(Shape::Sine { mean, amplitude, period })
}

/// A rate that is needed and more than nothing.
fn positive(section: &Table<'_>, key: &str) -> Option<f64> {
    let Rate(rate) = section.need(key)?;
    if rate > 0.0 {
        return Some(rate);
    }
    section.error(key, format!("`{key}` is {rate}/s: nothing would be asked"), "choose more than `0/s`");
    None
}

/// A duration that is needed and more than nothing.
fn lasting(section: &Table<'_>, key: &str) -> Option<Duration> {
    let span: Duration = section.need(key)?;
    if span > Duration::ZERO {
        return Some(span);
    }
    section.error(key, format!("`{key}` is nothing"), "choose more than `0s`");
    None
}
