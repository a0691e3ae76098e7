//! The propositional half of the search: decisions, unit propagation with two watched literals (Moskewicz et al., "Chaff", 2001), and
//! learning from conflicts at the first unique implication point (Marques-Silva & Sakallah, "GRASP", 1999).
//!
//! A literal is a variable times two, plus one if it is negated.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

const NONE: u32 = u32::MAX;
/// Learned clauses that are kept at least.
const KEPT: usize = 20_000;

/// Variables, what is assumed of them, and what was learned.
pub struct Clauses {
    /// By literal: 1 if true, -1 if false, 0 if open.
    value: Vec<i8>,
    /// By variable: the decision level at which it got its value, and the clause that implied it.
    level: Vec<u32>,
    reason: Vec<u32>,
    /// The literals that are true, in the order in which they became so.
    pub trail: Vec<u32>,
    /// Where each decision level begins in the trail.
    levels: Vec<usize>,
    propagated: usize,
    literals: Vec<u32>,
    /// Where each clause begins and ends, and how many levels it spanned when it was learned.
    clauses: Vec<(u32, u32, u32)>,
    /// By literal: the clauses to look at when it becomes false.
    watches: Vec<Vec<u32>>,
    most: usize,
    activity: Vec<u64>,
    bump: u64,
    /// The rank of a variable, if nothing else speaks for it: smaller first.
    rank: Vec<u32>,
    heap: BinaryHeap<(u64, Reverse<u32>, u32)>,
    seen: Vec<bool>,
    /// Literals looked at so far.
    pub steps: u64,
}

impl Clauses {
    /// Variables, of which those of small rank are decided first.
    pub fn new(rank: Vec<u32>) -> Clauses {
        let count = rank.len();
        let heap = rank.iter().enumerate().map(|(v, rank)| (0, Reverse(*rank), v as u32)).collect();
        Clauses {
            value: vec![0; count * 2],
            level: vec![0; count],
            reason: vec![NONE; count],
            trail: Vec::with_capacity(count),
            levels: Vec::new(),
            propagated: 0,
            literals: Vec::new(),
            clauses: Vec::new(),
            watches: vec![Vec::new(); count * 2],
            most: KEPT,
            activity: vec![0; count],
            bump: 1 << 10,
            rank,
            heap,
            seen: vec![false; count],
            steps: 0,
        }
    }

    /// The open variable to decide next.
    pub fn choose(&mut self) -> Option<u32> {
        while let Some((activity, _, variable)) = self.heap.pop() {
            if self.value[variable as usize * 2] == 0 && activity == self.activity[variable as usize] {
                return Some(variable);
            }
        }
        None
    }

    /// Assumes a literal, at a new level.
    pub fn decide(&mut self, literal: u32) {
        self.levels.push(self.trail.len());
        self.set(literal, NONE);
    }

    /// Sets what follows from the clauses; the literals of a clause that is violated, if one is.
    pub fn propagate(&mut self) -> Option<Vec<u32>> {
        while let Some(literal) = self.trail.get(self.propagated).copied() {
            self.propagated += 1;
            if let Some(clause) = self.visit(literal ^ 1) {
                return Some(self.of(clause).to_vec());
            }
        }
        None
    }

    /// Learns from a conflict, whose literals are all false, and goes back to where the lesson applies: the length of what is left
    /// of the trail before it. `None` if there is nothing to go back to.
    pub fn learn(&mut self, mut conflict: Vec<u32>) -> Option<usize> {
        conflict.sort_unstable();
        conflict.dedup();
        let deepest = conflict.iter().map(|literal| self.level_of(*literal)).max().unwrap_or(0);
        if deepest == 0 {
            return None;
        }
        self.go_back(deepest);
        let lesson = self.analyse(&conflict, deepest);
        let back = lesson[1..].iter().map(|literal| self.level_of(*literal)).max().unwrap_or(0);
        self.go_back(back);
        let left = self.trail.len();
        let reason = if lesson.len() > 1 { self.add(lesson.clone()) } else { NONE };
        self.set(lesson[0], reason);
        self.bump += self.bump / 16;
        if self.bump > 1 << 50 {
            self.activity.iter_mut().for_each(|activity| *activity >>= 40);
            self.bump >>= 40;
            self.refill();
        }
        Some(left)
    }

    /// Forgets all decisions, and the lessons that span the most levels if there are too many. The length of what is left of the trail.
    pub fn restart(&mut self) -> usize {
        self.go_back(0);
        if self.clauses.len() > self.most {
            self.forget();
            self.most += self.most / 8;
        }
        self.trail.len()
    }

    fn level_of(&self, literal: u32) -> u32 {
        self.level[literal as usize / 2]
    }

    fn of(&self, clause: u32) -> &[u32] {
        let (begin, end, _) = self.clauses[clause as usize];
        &self.literals[begin as usize..end as usize]
    }

    fn set(&mut self, literal: u32, reason: u32) {
        let variable = literal as usize / 2;
        (self.value[literal as usize], self.value[literal as usize ^ 1]) = (1, -1);
        (self.level[variable], self.reason[variable]) = (self.levels.len() as u32, reason);
        self.trail.push(literal);
    }

    /// Looks at the clauses that watch a literal which became false; the one that is violated, if one is.
    fn visit(&mut self, falsified: u32) -> Option<u32> {
        let mut watching = std::mem::take(&mut self.watches[falsified as usize]);
        let (mut kept, mut conflict) = (0, None);
        for at in 0..watching.len() {
            let clause = watching[at];
            if conflict.is_none() && self.rewatch(clause, falsified) {
                continue;
            }
            watching[kept] = clause;
            kept += 1;
            let first = self.of(clause)[0];
            match self.value[first as usize] {
                0 if conflict.is_none() => self.set(first, clause),
                -1 if conflict.is_none() => conflict = Some(clause),
                _ => {}
            }
        }
        watching.truncate(kept);
        self.watches[falsified as usize] = watching;
        conflict
    }

    /// Puts the falsified literal second; if the first is not true, watches another one in its place if there is one.
    fn rewatch(&mut self, clause: u32, falsified: u32) -> bool {
        let (begin, end, _) = self.clauses[clause as usize];
        let literals = &mut self.literals[begin as usize..end as usize];
        if literals[0] == falsified {
            literals.swap(0, 1);
        }
        if self.value[literals[0] as usize] == 1 {
            return false;
        }
        self.steps += literals.len() as u64;
        let Some(other) = (2..literals.len()).find(|at| self.value[literals[*at] as usize] >= 0) else { return false };
        literals.swap(1, other);
        self.watches[literals[1] as usize].push(clause);
        true
    }

    /// The lesson of a conflict at the deepest level: its first literal is the one that it implies one level up, its second one of the
    /// deepest of the others.
    fn analyse(&mut self, conflict: &[u32], deepest: u32) -> Vec<u32> {
        let mut lesson = vec![NONE];
        let (mut open, mut at) = (0, self.trail.len());
        let mut clause: Vec<u32> = conflict.to_vec();
        loop {
            for literal in &clause {
                let variable = literal / 2;
                let level = self.level[variable as usize];
                if level == 0 || std::mem::replace(&mut self.seen[variable as usize], true) {
                    continue;
                }
                self.activity[variable as usize] += self.bump;
                if level == deepest { open += 1 } else { lesson.push(*literal) }
            }
            let implied = loop {
                at -= 1;
                if self.seen[self.trail[at] as usize / 2] {
                    break self.trail[at];
                }
            };
            open -= 1;
            self.seen[implied as usize / 2] = false;
            if open == 0 {
                lesson[0] = implied ^ 1;
                break;
            }
            clause.clear();
            let reason = self.reason[implied as usize / 2];
            let (begin, end, _) = self.clauses[reason as usize];
            clause.extend(self.literals[begin as usize..end as usize].iter().filter(|literal| **literal != implied));
            self.steps += clause.len() as u64;
        }
        lesson[1..].iter().for_each(|literal| self.seen[*literal as usize / 2] = false);
        let second = (1..lesson.len()).max_by_key(|at| self.level_of(lesson[*at]));
        if let Some(second) = second {
            lesson.swap(1, second);
        }
        lesson
    }

    fn add(&mut self, lesson: Vec<u32>) -> u32 {
        let mut spans: Vec<u32> = lesson.iter().map(|literal| self.level_of(*literal)).collect();
        spans.sort_unstable();
        spans.dedup();
        self.store(&lesson, spans.len() as u32)
    }

    fn store(&mut self, lesson: &[u32], span: u32) -> u32 {
        let (number, begin) = (self.clauses.len() as u32, self.literals.len() as u32);
        self.literals.extend_from_slice(lesson);
        self.clauses.push((begin, self.literals.len() as u32, span));
        lesson[..2].iter().for_each(|literal| self.watches[*literal as usize].push(number));
        number
    }

    fn go_back(&mut self, level: u32) {
        let Some(left) = self.levels.get(level as usize).copied() else { return };
        self.levels.truncate(level as usize);
        for literal in self.trail.drain(left..) {
            (self.value[literal as usize], self.value[literal as usize ^ 1]) = (0, 0);
            let variable = literal / 2;
            self.heap.push((self.activity[variable as usize], Reverse(self.rank[variable as usize]), variable));
        }
        self.propagated = self.propagated.min(left);
    }

    fn refill(&mut self) {
        let open = (0..self.rank.len()).filter(|v| self.value[v * 2] == 0);
        self.heap = open.map(|v| (self.activity[v], Reverse(self.rank[v]), v as u32)).collect();
    }

    /// Keeps the half of the lessons that span the fewest levels. Nothing is decided, so none is a reason that matters.
    fn forget(&mut self) {
        let mut spans: Vec<u32> = self.clauses.iter().map(|clause| clause.2).collect();
        spans.sort_unstable();
        let middle = spans[spans.len() / 2];
        let (old, literals) = (std::mem::take(&mut self.clauses), std::mem::take(&mut self.literals));
        self.watches.iter_mut().for_each(Vec::clear);
        for (begin, end, span) in old.into_iter().filter(|clause| clause.2 <= 2 || clause.2 < middle) {
            self.store(&literals[begin as usize..end as usize], span);
        }
        self.trail.iter().for_each(|literal| self.reason[*literal as usize / 2] = NONE);
    }
}
