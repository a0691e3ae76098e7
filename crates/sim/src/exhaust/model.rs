//! What is searched, within which limits, and what came of it.

use std::fmt;

/// Anything with states and steps between them. Deterministic: the same state has the same successors in the same order.
pub trait Model: Sync {
    /// A state. Small: the frontier of the search is made of them.
    type State: Send;
    /// What leads from a state to the next, for the telling.
    type Step: Copy + Send;
    /// What a worker keeps to go faster. Has no influence on results.
    type Scratch: Default + Send;

    /// Where everything begins.
    fn initial(&self) -> Vec<Self::State>;

    /// Adds every successor of `state` within the model's bounds to `found`, whether it was seen before or not.
    fn expand(&self, scratch: &mut Self::Scratch, state: &Self::State, found: &mut Vec<(Self::Step, Self::State)>);

    /// The same without the successors that another state of the same level leads to in any case. `state` is the first that was met with
    /// its fingerprint, breadth first. What may be left out is up to the model; nothing is always right.
    fn expand_reduced(
        &self,
        scratch: &mut Self::Scratch,
        state: &Self::State,
        found: &mut Vec<(Self::Step, Self::State)>,
    ) {
        self.expand(scratch, state, found);
    }

    /// 64 well-mixed bits. States with equal futures should have equal fingerprints; states with others must not.
    fn fingerprint(&self, state: &Self::State) -> u64;

    /// The property that is broken in `state`, if one is. Asked once for each state.
    fn check(&self, state: &Self::State) -> Option<Broken>;

    /// Names of the situations that some state should reach, at most 64.
    fn sometimes(&self) -> &[&'static str] {
        &[]
    }

    /// Which of these `state` is, as bits in their order.
    fn marks(&self, _state: &Self::State) -> u64 {
        0
    }

    /// Bytes that `state` occupies, with what it points to.
    fn bytes(&self, _state: &Self::State) -> usize {
        size_of::<Self::State>()
    }

    /// A step in words, a line for each thing that happened.
    fn tell(&self, before: &Self::State, step: Self::Step, after: &Self::State) -> Vec<String>;
}

/// A broken property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its name: `agreement`, `linearizable`.
    pub property: String,
    /// What is wrong, in one sentence.
    pub sentence: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.sentence)
    }
}

/// In which order states are expanded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Level by level: a counterexample is as short as any.
    #[default]
    Breadth,
    /// The latest first: less memory for the frontier, longer counterexamples.
    Depth,
}

/// How far a search goes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In which order.
    pub order: Order,
    /// Number of threads. The result is the same with any number when breadth comes first.
    pub threads: usize,
    /// Breadth first: of steps that do not touch each other, not every order is tried ([`Model::expand_reduced`]). The states
    /// are the same, and fewer are generated again.
    pub reduce: bool,
    /// States after so many steps are not expanded.
    pub depth: Option<u32>,
    /// The search stops when it has seen so many states.
    pub states: u64,
    /// The search stops when fingerprints and frontier occupy so many bytes.
    pub bytes: u64,
}

impl Default for Limits {
    /// Breadth first, reduced, on one thread, at most 100 million states and 8 GiB.
    fn default() -> Self {
        Limits { order: Order::Breadth, threads: 1, reduce: true, depth: None, states: 100_000_000, bytes: 8 << 30 }
    }
}

/// Why a search did not see every state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It found a broken property.
    Broken,
    /// [`Limits::depth`].
    Depth,
    /// [`Limits::states`].
    States,
    /// [`Limits::bytes`].
    Bytes,
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Different states.
    pub unique: u64,
    /// States generated, the initial ones and repetitions included. With several threads, what a reduction leaves out depends on who came first.
    pub generated: u64,
    /// Steps to the farthest state (from where it was first seen).
    pub depth: u32,
    /// Why there may be more states; `None`: there are none.
    pub stopped: Option<Stopped>,
    /// Bytes of fingerprints and frontier at their largest.
    pub bytes: u64,
    /// The situations of [`Model::sometimes`] that were reached.
    pub reached: Vec<&'static str>,
    /// The situations that no state reached.
    pub missed: Vec<&'static str>,
    /// The broken property, and how it came about.
    pub counterexample: Option<Counterexample>,
}

impl Report {
    /// Whether every state within the model's bounds was seen, and all properties hold in each.
    pub fn is_complete(&self) -> bool {
        self.stopped.is_none()
    }

    /// The probability that two different states had the same fingerprint: n² / 2⁶⁵.
    pub fn collision(&self) -> f64 {
        (self.unique as f64).powi(2) / 2f64.powi(65)
    }
}

/// A broken property, and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// What is broken.
    pub broken: Broken,
    /// How many steps lead there.
    pub steps: usize,
    /// What happened, in words.
    pub lines: Vec<String>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        write!(f, "{}", self.broken)
    }
}
