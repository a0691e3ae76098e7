//! Faults on trial: pictures of what they cut, and properties over many seeds.

use crate::{
    Action, Change, Cluster, DELAY, Delay, FAULTS, Fate, Fault, InForce, KILL, Kill, Kind, LOSS, LinkRule, Loss,
    PARTITION, PAUSE, Partition, Pause, Schedule, Selector, Shape, reference,
};
use base::{NodeId, Rng, Seed};
use expect_test::{Expect, expect};
use plan::Document;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A system that takes changes as a testbed does, and complains about those that make no sense.
#[derive(Clone, Debug, PartialEq)]
struct World {
    up: BTreeSet<NodeId>,
    paused: BTreeSet<NodeId>,
    rules: BTreeMap<(NodeId, NodeId), LinkRule>,
}

impl World {
    fn new(nodes: usize) -> Self {
        World { up: NodeId::all(nodes).collect(), paused: BTreeSet::new(), rules: BTreeMap::new() }
    }

    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            match *change {
                Change::Kill(node) => {
                    assert!(self.up.remove(&node), "killed twice: {node}");
                    self.paused.remove(&node);
                }
                Change::Start(node) => assert!(self.up.insert(node), "started while running: {node}"),
                Change::Pause(node) => assert!(self.up.contains(&node) && self.paused.insert(node), "paused: {node}"),
                Change::Resume(node) => assert!(self.paused.remove(&node), "resumed: {node}"),
                Change::Link { from, to, rule } if rule == LinkRule::CLEAR => {
                    assert!(self.rules.remove(&(from, to)).is_some(), "healed a healthy link {from} -> {to}");
                }
                Change::Link { from, to, rule } => {
                    assert_ne!(from, to);
                    self.rules.insert((from, to), rule);
                }
            }
        }
    }

    /// A row for each sender, a column for each receiver: `x` where nothing arrives.
    fn picture(&self, nodes: usize) -> String {
        let cut = |from, to| self.rules.get(&(from, to)).is_some_and(|rule| rule.cut);
        let cell = |from, to| {
            if from == to {
                "  \\"
            } else if cut(from, to) {
                "  x"
            } else {
                "  ."
            }
        };
        let row = |from: NodeId| {
            let cells: String = NodeId::all(nodes).map(|to| cell(from, to)).collect();
            format!("{from}{cells}\n")
        };
        let head: String = NodeId::all(nodes).map(|to| format!(" {to}")).collect();
        format!("  {head}\n{}", NodeId::all(nodes).map(row).collect::<String>())
    }
}

const SHAPES: [Shape; 6] =
    [Shape::Isolate, Shape::Halves, Shape::OneWayIn, Shape::OneWayOut, Shape::Ring, Shape::Bridge];

fn partition(shape: Shape) -> Arc<dyn Action> {
    Arc::new(Partition { shape, reset_on_heal: false })
}

/// Every kind, every shape.
fn every_fault(target: Selector) -> Vec<Fault> {
    let fault = |kind: &'static Kind, action| Fault { kind, action, target };
    let mut all = vec![
        fault(&KILL, Arc::new(Kill) as Arc<dyn Action>),
        fault(&PAUSE, Arc::new(Pause)),
        fault(&DELAY, Arc::new(Delay { delay: Duration::from_millis(20), jitter: Duration::from_millis(5) })),
        fault(&LOSS, Arc::new(Loss { share: 0.3 })),
    ];
    all.extend(SHAPES.map(|shape| fault(&PARTITION, partition(shape))));
    all
}

fn every_selector() -> [Selector; 7] {
    use Selector::*;
    [Leader, Follower, Random, Node(NodeId(0)), Minority, Majority, All]
}

#[test]
fn what_each_shape_of_partition_cuts() {
    let mut out = String::new();
    for shape in SHAPES {
        let fault = Fault { kind: &PARTITION, action: partition(shape), target: Selector::Leader };
        let mut world = World::new(5);
        world.apply(&fault.resolve(&Cluster::new(5, Some(NodeId(0))), &mut Seed(4).rng()));
        out += &format!("{fault}\n{}\n", world.picture(5));
    }
    expect![[r#"
        partition isolate leader
           n1 n2 n3 n4 n5
        n1  \  x  x  x  x
        n2  x  \  .  .  .
        n3  x  .  \  .  .
        n4  x  .  .  \  .
        n5  x  .  .  .  \

        partition halves leader
           n1 n2 n3 n4 n5
        n1  \  x  x  x  .
        n2  x  \  .  .  x
        n3  x  .  \  .  x
        n4  x  .  .  \  x
        n5  .  x  x  x  \

        partition one-way-in leader
           n1 n2 n3 n4 n5
        n1  \  .  .  .  .
        n2  x  \  .  .  .
        n3  x  .  \  .  .
        n4  x  .  .  \  .
        n5  x  .  .  .  \

        partition one-way-out leader
           n1 n2 n3 n4 n5
        n1  \  x  x  x  x
        n2  .  \  .  .  .
        n3  .  .  \  .  .
        n4  .  .  .  \  .
        n5  .  .  .  .  \

        partition ring leader
           n1 n2 n3 n4 n5
        n1  \  .  .  x  x
        n2  .  \  x  x  .
        n3  .  x  \  .  x
        n4  x  x  .  \  .
        n5  x  .  x  .  \

        partition bridge leader
           n1 n2 n3 n4 n5
        n1  \  .  .  .  .
        n2  .  \  x  x  .
        n3  .  x  \  .  x
        n4  .  x  .  \  x
        n5  .  .  x  x  \

    "#]]
    .assert_eq(&out);
}

#[test]
fn a_ring_leaves_every_node_a_majority_and_no_two_the_same() {
    for seed in 0..50 {
        let fault = Fault { kind: &PARTITION, action: partition(Shape::Ring), target: Selector::All };
        let changes = fault.resolve(&Cluster::new(5, None), &mut Seed(seed).rng());
        let mut views: BTreeMap<NodeId, BTreeSet<NodeId>> =
            NodeId::all(5).map(|node| (node, NodeId::all(5).collect())).collect();
        for change in changes {
            let Change::Link { from, to, .. } = change else { panic!("{change}") };
            views.get_mut(&to).unwrap().remove(&from);
        }
        assert!(views.values().all(|seen| seen.len() == 3), "{views:?}");
        assert_eq!(views.values().collect::<BTreeSet<_>>().len(), 5, "{views:?}");
    }
}

#[test]
fn undoing_a_fault_restores_the_system() {
    let mut struck = 0;
    for nodes in 1..=7 {
        for leader in [None, Some(NodeId(nodes as u16 - 1)), Some(NodeId(40))] {
            for fault in every_selector().into_iter().flat_map(every_fault) {
                for seed in 0..5 {
                    let changes = fault.resolve(&Cluster::new(nodes, leader), &mut Seed(seed).rng());
                    let mut world = World::new(nodes);
                    world.apply(&changes);
                    struck += usize::from(world != World::new(nodes));
                    world.apply(&crate::undo(&changes));
                    assert_eq!(world, World::new(nodes), "{fault} of {nodes} nodes");
                }
            }
        }
    }
    assert!(struck > 4000, "most faults do something: {struck}");
}

#[test]
fn the_target_is_in_the_minority_of_halves() {
    for nodes in 3..=9 {
        for seed in 0..20 {
            let fault = Fault { kind: &PARTITION, action: partition(Shape::Halves), target: Selector::Leader };
            let cluster = Cluster::new(nodes, Some(NodeId(1)));
            let changes = fault.resolve(&cluster, &mut Seed(seed).rng());
            let unheard = |change: &Change| match change {
                Change::Link { from: NodeId(1), to, .. } => Some(*to),
                _ => None,
            };
            let other_side = changes.iter().filter_map(unheard).count();
            assert_eq!(other_side, nodes - cluster.minority(), "all of the majority is cut off from the leader");
        }
    }
}

#[test]
fn overlapping_faults_end_one_by_one() {
    let faults: Vec<Fault> = every_selector().into_iter().flat_map(every_fault).collect();
    for seed in 0..300 {
        let mut rng = Seed(seed).rng();
        let cluster = Cluster::new(5, Some(NodeId(2)));
        let (mut world, mut in_force) = (World::new(5), InForce::default());
        let mut active: BTreeMap<u32, Vec<Change>> = BTreeMap::new();
        for id in 0..20 {
            if rng.chance(0.6) {
                let changes = rng.pick(&faults).resolve(&cluster, &mut rng);
                world.apply(&in_force.begin(id, &changes));
                active.insert(id, changes);
            } else if let Some(ended) = active.keys().next().copied() {
                world.apply(&in_force.end(ended));
                active.remove(&ended);
            }
            assert_is_what_faults_ask_for(&world, &active);
        }
        assert!(in_force.ids().eq(active.keys().copied()));
        world.apply(&in_force.end_all());
        assert_eq!(world, World::new(5), "seed {seed}");
    }
}

fn assert_is_what_faults_ask_for(world: &World, active: &BTreeMap<u32, Vec<Change>>) {
    let all: Vec<Change> = active.values().flatten().copied().collect();
    for node in NodeId::all(5) {
        assert_eq!(world.up.contains(&node), !all.contains(&Change::Kill(node)), "{node} of {active:?}");
        let paused = world.up.contains(&node) && all.contains(&Change::Pause(node));
        assert_eq!(world.paused.contains(&node), paused, "{node} of {active:?}");
        for other in NodeId::all(5) {
            let asked =
                all.iter().any(|it| matches!(it, Change::Link { from, to, .. } if (*from, *to) == (node, other)));
            assert_eq!(world.rules.contains_key(&(node, other)), asked, "{node} -> {other} of {active:?}");
        }
    }
}

#[test]
fn a_link_with_loss_and_jitter_keeps_its_word() {
    let (delay, jitter) = (Duration::from_millis(20), Duration::from_millis(5));
    let rule = LinkRule { loss: 0.2, delay, jitter, ..LinkRule::CLEAR };
    let mut rng = Seed(9).rng();
    let (mut lost, mut sum, mut least, mut most) = (0u32, Duration::ZERO, Duration::MAX, Duration::ZERO);
    for _ in 0..100_000 {
        match rule.fate(&mut rng) {
            Fate::Drop => lost += 1,
            Fate::Deliver { after } => {
                sum += after;
                (least, most) = (least.min(after), most.max(after));
            }
        }
    }
    // Five standard deviations of a binomial: sqrt(100000 * 0.2 * 0.8) is 126.
    assert!(lost.abs_diff(20_000) < 632, "{lost}");
    let mean = sum / (100_000 - lost);
    assert!(mean.abs_diff(delay) < Duration::from_micros(60), "{mean:?}");
    assert!(least >= delay - jitter && least < delay - jitter + Duration::from_micros(10), "{least:?}");
    assert!(most <= delay + jitter && most > delay + jitter - Duration::from_micros(10), "{most:?}");
}

#[test]
fn a_cut_link_and_a_clear_one_leave_nothing_to_chance() {
    let mut rng = Seed(1).rng();
    let untouched = rng.clone();
    assert_eq!(LinkRule::CUT.fate(&mut rng), Fate::Drop);
    assert_eq!(LinkRule::CLEAR.fate(&mut rng), Fate::Deliver { after: Duration::ZERO });
    assert_eq!(rng, untouched);
    let certain = LinkRule { loss: 1.0, ..LinkRule::CLEAR };
    assert!((0..1000).all(|_| certain.fate(&mut rng) == Fate::Drop));
}

/// The schedule that a plan makes, one injection a line, or what its author is told.
fn schedule(text: &str, seed: u64) -> String {
    let document = Document::parse("plan.toml", text).unwrap();
    let schedule = read(&document, seed, Duration::from_secs(30));
    let mut out: String = schedule.injections.iter().map(|injection| format!("{injection}\n")).collect();
    out += &document.warnings().to_string();
    document.finish().map_or_else(|diagnostics| diagnostics.to_string(), |()| out)
}

fn read(document: &Document, seed: u64, load: Duration) -> Schedule {
    let nodes = document.root().or("nodes", 5usize);
    Schedule::from_plan(&document.root().section("faults"), Seed(seed), load, nodes)
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&schedule(text, 1));
}

#[test]
fn explicit_faults_come_in_the_order_of_time() {
    check(
        "[[faults.at]]
         at = '9s'
         lasts = '1500ms'
         kind = 'partition'
         shape = 'one-way-in'
         target = 'n2'
         [[faults.at]]
         at = '2s'
         lasts = '2s'
         kind = 'kill'
         target = 'leader'
         [[faults.at]]
         at = '15s'
         lasts = '2s'
         kind = 'delay'
         delay = '80ms'
         jitter = '10ms'
         target = 'minority'
         [[faults.at]]
         at = '20s'
         lasts = '2s'
         kind = 'loss'
         target = 'all'",
        expect![[r#"
            #1 kill leader at 2.00 s for 2.00 s
            #2 partition one-way-in n2 at 9.00 s for 1.50 s
            #3 delay 80.0 ms ± 10.0 ms minority at 15.0 s for 2.00 s
            #4 loss 20 % all at 20.0 s for 2.00 s
        "#]],
    );
}

#[test]
fn random_faults_are_drawn_from_the_seed() {
    let text = "[faults.random]\nkinds = ['kill', 'pause', 'partition', 'delay', 'loss']\ntargets = ['leader', 'follower', 'minority']";
    check(
        text,
        expect![[r#"
        #1 loss 34 % minority at 3.11 s for 1.74 s
        #2 delay 23.9 ms ± 5.52 ms follower at 7.76 s for 1.40 s
        #3 partition one-way-in minority at 12.8 s for 2.47 s
        #4 kill follower at 17.4 s for 1.80 s
        #5 partition isolate leader at 21.5 s for 1.29 s
    "#]],
    );
    assert_eq!(schedule(text, 1), schedule(text, 1));
    assert_ne!(schedule(text, 1), schedule(text, 2));
}

#[test]
fn random_faults_keep_clear_of_explicit_ones() {
    check(
        "[faults.random]
         kinds = ['partition']
         shape = 'halves'
         gap = '1s'
         lasts = '2s'
         [[faults.at]]
         at = '4s'
         lasts = '6s'
         kind = 'kill'
         target = 'n1'",
        expect![[r#"
            #1 partition halves random at 1.00 s for 2.00 s
            #2 kill n1 at 4.00 s for 6.00 s
            #3 partition halves random at 11.0 s for 2.00 s
            #4 partition halves random at 14.0 s for 2.00 s
            #5 partition halves leader at 17.0 s for 2.00 s
            #6 partition halves leader at 20.0 s for 2.00 s
            #7 partition halves leader at 23.0 s for 2.00 s
        "#]],
    );
}

#[test]
fn a_warning_when_there_is_no_time_to_recover_or_to_fail() {
    check(
        "[[faults.at]]\nat = '27s'\nlasts = '2s'\nkind = 'kill'\ntarget = 'leader'",
        expect![[r#"
        #1 kill leader at 27.0 s for 2.00 s
        warning: `faults.at[0]` leaves 1.00 s of load to show that the system recovered
         --> plan.toml:3:9
          |
        3 | lasts = '2s'
          |         ^^^^
          = help: end it 3.00 s before the load phase does
    "#]],
    );
    check(
        "[faults.random]\ngap = '40s'",
        expect![[r#"
        warning: no random fault fits into 30.0 s of load
         --> plan.toml:2:7
          |
        2 | gap = '40s'
          |       ^^^^^
          = help: make the load phase longer, or `gap`, `lasts` or `faults.recover` shorter
    "#]],
    );
}

#[test]
fn every_random_schedule_is_healed_before_the_end_and_never_overlaps() {
    let mut injections = 0;
    for seed in 0..400 {
        let mut rng = Rng::new(Seed(seed));
        let load = Duration::from_millis(rng.within(3_000..=120_000));
        let recover = Duration::from_millis(rng.within(500..=5_000));
        let (gap, lasts) = (rng.within(100..=3000), rng.within(100..=3000));
        let text = format!(
            "[faults]\nrecover = '{}ms'\n[faults.random]\ngap = '{gap}ms..{}ms'\nlasts = '{lasts}ms..{}ms'\nkinds = ['kill', 'pause', 'partition', 'delay', 'loss']\ntargets = ['leader', 'random', 'minority']",
            recover.as_millis(),
            gap * 2,
            lasts * 2,
        );
        let document = Document::parse("plan.toml", &text).unwrap();
        let schedule = read(&document, seed, load);
        document.finish().unwrap();
        assert_eq!(schedule, read(&document, seed, load), "the same plan and seed, the same schedule");
        injections += schedule.injections.len();
        let mut free = Duration::ZERO;
        for injection in &schedule.injections {
            assert!(injection.at >= free + Duration::from_millis(gap), "seed {seed}: {injection}");
            assert!((lasts..=lasts * 2).contains(&(injection.lasts.as_millis() as u64)), "seed {seed}: {injection}");
            free = injection.end();
        }
        assert!(schedule.injections.is_empty() || free + recover <= load, "seed {seed}: ends at {free:?} of {load:?}");
        let again = Document::parse("effective.toml", &document.effective()).unwrap();
        assert_eq!(schedule, read(&again, seed, load), "the effective plan makes the same schedule");
    }
    assert!(injections > 4000, "{injections}");
}

#[test]
fn an_injection_resolves_to_the_same_changes_always() {
    let document = Document::parse("plan.toml", "[faults.random]\ntargets = ['minority', 'random']").unwrap();
    let cluster = Cluster::new(5, None);
    for injection in read(&document, 3, Duration::from_secs(300)).injections {
        assert_eq!(injection.resolve(&cluster), injection.resolve(&cluster));
    }
}

#[test]
fn overlapping_random_faults_are_allowed_on_request() {
    let text = "[faults]\nbeyond_quorum = true\n[faults.random]\noverlap = true\ngap = '500ms'\nlasts = '4s'\nkinds = ['kill']\ntargets = ['all']";
    let document = Document::parse("plan.toml", text).unwrap();
    let schedule = read(&document, 1, Duration::from_secs(30));
    document.finish().unwrap();
    let starts: Vec<f64> = schedule.injections.iter().map(|it| it.at.as_secs_f64()).collect();
    assert_eq!(starts.len(), 46, "every 500 ms until 7 s before the end: {starts:?}");
}

#[test]
fn the_registry_tells_all_about_every_kind() {
    let names: BTreeSet<&str> = FAULTS.iter().map(|kind| kind.name).collect();
    assert_eq!(names.len(), FAULTS.len(), "names are unique");
    let mut text = "[faults]\nseed = 1\n[faults.random]\nkinds = [".to_owned();
    text += &FAULTS.iter().map(|kind| format!("'{}', ", kind.name)).collect::<String>();
    text += "]\n";
    for kind in FAULTS {
        for words in [kind.about, kind.effect, kind.reveals, kind.evidence] {
            assert!(words.len() > 20, "{} is not explained", kind.name);
        }
        text += &format!("[[faults.at]]\nat = '1s'\nlasts = '1s'\ntarget = 'n1'\nkind = '{}'\n", kind.name);
    }
    let document = Document::parse("plan.toml", &text).unwrap();
    let schedule = Schedule::from_plan(&document.root().section("faults"), Seed(1), Duration::from_secs(900), 5);
    document.finish().unwrap();
    let drawn: BTreeSet<&str> = schedule.injections.iter().map(|it| it.fault.kind.name).collect();
    assert_eq!(drawn, names, "every kind can be asked for and is drawn");
    assert_eq!(plan::reference::undocumented(&document, &reference()), [""; 0], "every setting is documented");
}

#[test]
fn extreme_settings_are_survived() {
    let spans = ["0s", "1ns", "1s", "30s", "9999999999h", "1ns..9999999999h", "0s..1s", "2s..1s", "-1s", ""];
    let mut rng = Seed(5).rng();
    for round in 0..300 {
        let mut text = format!("nodes = {}\n[faults]\n", rng.pick(&[0u64, 1, 2, 3, 5, 60, 65_535, 1 << 40]));
        text += &format!("recover = '{}'\nbeyond_quorum = {}\n", rng.pick(&spans), rng.chance(0.5));
        text += &format!("[faults.random]\ngap = '{}'\nlasts = '{}'\n", rng.pick(&spans), rng.pick(&spans));
        text += &format!("overlap = {}\nkinds = ['{}']\n", rng.chance(0.5), rng.pick(FAULTS).name);
        text += &format!("targets = ['{}']\njitter = '{}'\n", rng.pick(&every_selector()), rng.pick(&spans));
        text += &format!("[[faults.at]]\nat = '{}'\nlasts = '{}'\n", rng.pick(&spans), rng.pick(&spans));
        text += &format!("kind = '{}'\ntarget = '{}'\n", rng.pick(FAULTS).name, rng.pick(&every_selector()));
        let document = Document::parse("plan.toml", &text).unwrap();
        let load = *rng.pick(&[Duration::ZERO, Duration::from_secs(30), Duration::MAX]);
        let schedule = read(&document, round, load);
        let told = document.finish();
        assert!(told.is_err() || schedule.end() <= load, "{text}\nends at {:?}", schedule.end());
    }
}

#[test]
fn the_page_about_faults_is_up_to_date() {
    expect_test::expect_file!["../../../docs/faults.md"].assert_eq(&crate::page());
}

#[test]
fn random_faults_without_an_effect_are_not_drawn() {
    let text = "nodes = 3\n[faults.random]\nkinds = ['partition']\ntargets = ['all', 'leader']";
    let drawn: String = (0..50).map(|seed| schedule(text, seed)).collect();
    assert!(!drawn.contains("ring") && !drawn.contains("isolate all"), "{drawn}");
    assert!(drawn.contains("isolate leader") && drawn.contains("bridge leader"), "{drawn}");
}

/// Each plan in `corpus/bad-plans` stands beside what its author is told. `UPDATE_EXPECT=1` writes it.
#[test]
fn bad_plans_are_diagnosed_as_recorded() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/bad-plans/faults");
    let mut plans: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    plans.retain(|path| path.extension().is_some_and(|it| it == "toml"));
    plans.sort();
    assert!(!plans.is_empty());
    for path in plans {
        let told = schedule(&std::fs::read_to_string(&path).unwrap(), 1);
        assert!(told.contains("error: "), "{} is not a bad plan", path.display());
        expect_test::expect_file![path.with_extension("txt")].assert_eq(&told);
    }
}

/// The schedule of the default plan: whatever else changes in it, the leader is struck four times, everything is
/// healed 2.5 s before the next fault, and nothing is left open at the end.
#[test]
fn the_default_schedule_gives_the_system_time_to_recover() {
    let document = Document::parse("plan.toml", DEFAULT).unwrap();
    let schedule = read(&document, 1, Duration::from_secs(30));
    document.finish().unwrap();
    assert!(document.warnings().is_empty(), "{}", document.warnings());
    let leader = schedule.injections.iter().filter(|it| it.fault.target == Selector::Leader).count();
    assert_eq!(leader, 4);
    for pair in schedule.injections.windows(2) {
        assert!(pair[1].at >= pair[0].end() + Duration::from_millis(2500), "{} then {}", pair[0], pair[1]);
    }
}

const DEFAULT: &str = r#"
nodes = 5

[[faults.at]]            # the leader crashes; another must be elected, and what it acknowledged must survive
at = "3s"
lasts = "2s"
kind = "kill"
target = "leader"

[[faults.at]]            # the leader sleeps and wakes up believing that it still leads
at = "8s"
lasts = "2s"
kind = "pause"
target = "leader"

[[faults.at]]            # the leader is alone: clients still reach it, its followers do not
at = "13s"
lasts = "2500ms"
kind = "partition"
shape = "isolate"
target = "leader"
reset_on_heal = true

[[faults.at]]            # two nodes are cut off from three
at = "18s"
lasts = "2s"
kind = "partition"
shape = "isolate"
target = "minority"

[[faults.at]]            # the leader is heard and hears nothing
at = "23s"
lasts = "2500ms"
kind = "partition"
shape = "one-way-in"
target = "leader"
"#;
