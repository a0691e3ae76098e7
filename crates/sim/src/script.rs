//! Scenarios written as commands, answered with what happened: how protocols are tested.
//!
//! A script is a text of blocks. A block is commands, a line `----`, and the answer, which ends at an empty line. The world lives
//! through the whole script. `#` starts a comment. [`run`] plays a script and gives it back with the answers as they are now, so
//! a test compares two texts (`testkit::script::check` does, for a folder, and rewrites the files under `UPDATE_EXPECT=1`).
//!
//! ```text
//! # A leader that lost its quorum must not answer reads.
//! cluster nodes=3 leader=n1
//! partition n1 | n2 n3
//! read n1 x
//! run 500ms
//! ----
//!      0ms  partition n1 | n2 n3
//!      0ms  c1 asks read x
//!      2ms  n1 ⇥ n2  append  (dropped)
//! ```
//!
//! | command | what it does |
//! | --- | --- |
//! | `cluster nodes=3 [leader=n1] [seed=7] [latency=1ms..10ms] [loss=2%] [duplicate=1%] [sync=1ms..2ms] [unsynced=lost\|prefix\|any] [remembered=5%] [regions=3] [apart=50ms] [timeout=1s] [NAME=VALUE]...` | builds a new world; other names are parameters of the protocol. `leader=n1` tries seeds from `seed` on until `n1` is the only leader, all quiet; time and answers start there |
//! | `show off\|story\|kinds\|full [times=no]` | how much is told: faults, roles, labels, lost messages, operations (`story`, the default); deliveries by kind; everything |
//! | `run 500ms` | lets time pass |
//! | `run until leader`, `run until leader n2`, `run until idle` | lets time pass until a server leads, or no operation is under way; at most 10 s |
//! | `read x`, `read n1 x`, `read only n1 x` | a client asks whoever leads, `n1` first, or `n1` alone. Each operation has an idle client or a new one |
//! | `write [n1] x 5`, `cas [n1] x 5 6` | the same for writing 5, and for writing 6 if there is 5 |
//! | `members n1 n2 n4`, `transfer n2`, `compact n1` | an operator asks for these members, this leader, or a snapshot of `n1` now |
//! | `crash n1`, `restart n1`, `pause n1`, `resume n1` | what happens to servers; several may be named |
//! | `wipe n1`, `replace n1` | a server loses power and its disk everything; another machine with an empty disk takes its place and boots |
//! | `slow-disk n1 10`, `fail-disk n1`, `fill-disk n1`, `free-disk n1` | syncs take ten times as long (1: as usual); the next sync fails; there is no room, or room again |
//! | `rot n1 3` | the record at this place of the log, or after its end a blob, goes bad: the server cannot boot with it |
//! | `drift n1 50%`, `jump n1 5s`, `jump n1 -5s` | clocks run faster from now on; the wall clock jumps |
//! | `partition n1 \| n2 n3` | cuts the links between groups of servers, both ways; clients reach everybody |
//! | `cut n1 -> n2`, `mend n1 -> n2` | one direction of one link; `c1` is the first client |
//! | `delay n1 -> n2 50ms`, `lose n1 -> n2 20%` | one direction of a link between servers is slow, or loses messages |
//! | `replay 3` | a message of the past, one of those remembered (`remembered=5%`), arrives again |
//! | `drop append n1 -> n2` | loses messages of one kind on one direction of a link |
//! | `heal` | lifts all cuts, partitions, drops |
//! | `loss 5%`, `latency 1ms..50ms` | changes the network |
//! | `state`, `state n1` | what an operator would see of the servers |
//!
//! `leader` may stand for a server: the one that leads now. An answer to a wrong command is `error: ...`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use base::units::{parse_duration, parse_share};
use base::{NodeId, Seed};
use fault::LinkRule;
use history::{Action, Request};
use proto::{Address, Parameters, Target};

use crate::act::Act;
use crate::core::Options;
use crate::disk::Unsynced;
use crate::network::Regions;
use crate::trace::{Line, Transcript};
use crate::world::World;

/// What a `cluster` command asks for.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// How many servers.
    pub nodes: usize,
    /// How the world behaves.
    pub options: Options,
    /// What the command says beyond that, for the protocol.
    pub parameters: Parameters,
}

/// Plays a script in worlds that `build` makes, and gives it back with the answers as they are now. An error of `build`
/// (a parameter that the protocol does not know) becomes the command's answer.
pub fn run(script: &str, build: impl Fn(&Cluster) -> Result<World, String>) -> String {
    let mut player =
        Player { build: &build, world: None, keys: BTreeMap::new(), clients: 0, times: true, violated: false };
    let mut text = String::new();
    let mut answer = String::new();
    let mut in_answer = false;
    for line in script.lines() {
        match (in_answer, line.trim()) {
            (true, "") => {
                in_answer = false;
                text.push('\n');
            }
            (true, _) => {}
            (false, "----") => {
                in_answer = true;
                text.push_str("----\n");
                text.push_str(&std::mem::take(&mut answer));
            }
            (false, command) => {
                text.push_str(line);
                text.push('\n');
                player.answer(command, &mut answer);
            }
        }
    }
    if !answer.is_empty() {
        // A new script: its last block has no answer yet.
        text.push_str("----\n");
        text.push_str(&answer);
    }
    text
}

struct Player<'a> {
    build: &'a dyn Fn(&Cluster) -> Result<World, String>,
    world: Option<World>,
    /// Names of keys, numbered as they come.
    keys: BTreeMap<String, u32>,
    clients: u32,
    times: bool,
    /// A violation is told once.
    violated: bool,
}

impl Player<'_> {
    fn answer(&mut self, line: &str, answer: &mut String) {
        let command = line.split('#').next().unwrap_or_default().trim();
        if command.is_empty() {
            return;
        }
        let result = self.play(command);
        if let Some(world) = &mut self.world {
            let lines = world.take_transcript();
            lines.iter().for_each(|line| self.tell(line, answer));
        }
        if let Some(violation) = self.world.as_ref().and_then(World::violation)
            && !std::mem::replace(&mut self.violated, true)
        {
            let _ = writeln!(answer, "violation: {violation}");
        }
        match result {
            Ok(said) => answer.push_str(&said),
            Err(error) => _ = writeln!(answer, "error: {error}"),
        }
    }

    fn tell(&self, line: &Line, answer: &mut String) {
        let text = self.with_key_names(&line.text);
        let _ = match self.times {
            true => writeln!(answer, "{:>6}ms  {text}", line.at.0 / 1_000_000),
            false => writeln!(answer, "{text}"),
        };
    }

    /// Operations are told with numbers of keys; scripts have names.
    fn with_key_names(&self, text: &str) -> String {
        let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        for word in &mut words {
            let Some(rest) = word.strip_prefix('k') else { continue };
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let name = rest[..digits].parse::<u32>().ok().and_then(|key| self.keys.iter().find(|(_, k)| **k == key));
            if let Some((name, _)) = name {
                *word = format!("{name}{}", &rest[digits..]);
            }
        }
        words.join(" ")
    }

    fn play(&mut self, command: &str) -> Result<String, String> {
        let (verb, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        if verb == "cluster" {
            self.cluster(&words)?;
            return Ok(String::new());
        }
        match verb {
            "show" => self.show(&words)?,
            "run" => self.run(&words)?,
            "read" | "write" | "cas" => self.invoke(verb, &words)?,
            "members" | "transfer" | "compact" => self.administer(verb, &words)?,
            "crash" | "restart" | "pause" | "resume" | "wipe" | "replace" | "fail-disk" | "fill-disk" | "free-disk" => {
                self.befall(verb, &words)?
            }
            "slow-disk" | "rot" | "drift" | "jump" => self.befall_by(verb, &words)?,
            "replay" => self.world()?.act(Act::Replay(number(rest)? as u32)),
            "delay" | "lose" => self.disturb(verb, &words)?,
            "partition" => self.partition(rest)?,
            "cut" | "mend" => {
                let (from, to) = self.link(&words)?;
                let rule = if verb == "cut" { LinkRule::CUT } else { LinkRule::CLEAR };
                self.world()?.set_link(from, to, rule);
            }
            "drop" => {
                let (kind, link) = words.split_first().ok_or("write it like `drop append n1 -> n2`")?;
                let (from, to) = self.link(link)?;
                self.world()?.drop_kind(from, to, kind);
            }
            "heal" => self.world()?.heal(),
            "loss" => self.world()?.network_mut().loss = parse_share(rest)?,
            "latency" => self.world()?.network_mut().latency = parse_range(rest)?,
            "state" => return self.state(&words),
            _ => return Err(format!("`{verb}` is not a command")),
        }
        Ok(String::new())
    }

    fn world(&mut self) -> Result<&mut World, String> {
        self.world.as_mut().ok_or_else(|| "there is no world yet; begin with `cluster nodes=3`".into())
    }

    // cluster

    fn cluster(&mut self, words: &[&str]) -> Result<(), String> {
        let options = Options { transcript: Transcript::Story, ..Options::default() };
        let mut cluster = Cluster { nodes: 3, options, parameters: Parameters::new() };
        let mut leader = None;
        for word in words {
            let (name, value) =
                word.split_once('=').ok_or_else(|| format!("`{word}` is not of the form name=value"))?;
            match name {
                "leader" => leader = Some(value.parse::<NodeId>()?),
                _ => cluster.set(name, value)?,
            }
        }
        self.keys.clear();
        self.clients = 0;
        self.violated = false;
        self.world = Some(match leader {
            Some(leader) => self.with_leader(&cluster, leader)?,
            None => (self.build)(&cluster)?,
        });
        Ok(())
    }

    /// A world that `leader` leads. No protocol can be told who shall lead; but some seed elects it.
    fn with_leader(&self, cluster: &Cluster, leader: NodeId) -> Result<World, String> {
        let mut cluster = cluster.clone();
        for _ in 0..1000 {
            let mut world = (self.build)(&cluster)?;
            let settled = world.run_for(Duration::from_secs(3)).is_ok();
            let leaders = NodeId::all(cluster.nodes).filter(|node| role(&world, *node) == "leader").count();
            if settled && leaders == 1 && world.leader() == Some(leader) {
                world.take_transcript();
                return Ok(world);
            }
            cluster.options.seed.0 += 1;
        }
        Err(format!("no seed makes {leader} the leader within 3 s"))
    }

    // show, run

    fn show(&mut self, words: &[&str]) -> Result<(), String> {
        for word in words {
            let level = match *word {
                "times=no" | "times=yes" => {
                    self.times = *word == "times=yes";
                    continue;
                }
                "off" => Transcript::Off,
                "story" => Transcript::Story,
                "kinds" => Transcript::Kinds,
                "full" => Transcript::Full,
                _ => return Err(format!("`{word}` is not one of off, story, kinds, full, times=no, times=yes")),
            };
            self.world()?.set_transcript(level);
        }
        Ok(())
    }

    fn run(&mut self, words: &[&str]) -> Result<(), String> {
        const LIMIT: Duration = Duration::from_secs(10);
        let world = self.world()?;
        let told = |result: Result<bool, crate::Violation>, what: &str| match result {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("not within 10 s: {what}")),
            Err(_) => Err(format!("stopped by the violation before {what}")),
        };
        match words {
            ["until", "idle"] => told(world.run_until(LIMIT, |world| world.under_way() == 0), "idle"),
            ["until", "leader"] => told(world.run_until(LIMIT, |world| world.leader().is_some()), "a leader"),
            ["until", "leader", node] => {
                let node: NodeId = node.parse()?;
                told(world.run_until(LIMIT, |world| world.leader() == Some(node)), "that leader")
            }
            [span] => told(world.run_for(parse_duration(span)?).map(|()| true), "its time"),
            _ => Err("write it like `run 500ms`, `run until leader` or `run until idle`".into()),
        }
    }

    // operations

    fn invoke(&mut self, verb: &str, words: &[&str]) -> Result<(), String> {
        let (target, words) = self.target(words)?;
        let request = match (verb, words) {
            ("read", [key]) => Request::read(self.key(key)),
            ("write", [key, value]) => Request::write(self.key(key), number(value)?),
            ("cas", [key, from, to]) => Request::cas(self.key(key), number(from)?, number(to)?),
            _ => return Err("write it like `read n1 x`, `write x 5` or `cas x 5 6`".into()),
        };
        let client = self.idle_client()?;
        self.world()?.invoke(client, request, target);
        Ok(())
    }

    fn administer(&mut self, verb: &str, words: &[&str]) -> Result<(), String> {
        let nodes = words.iter().map(|word| self.node(word)).collect::<Result<Vec<_>, _>>()?;
        let (action, target) = match (verb, &nodes[..]) {
            ("members", [_, ..]) => (Action::Members(nodes.into_iter().collect()), Target::Leader),
            ("transfer", [node]) => (Action::Transfer(*node), Target::Leader),
            ("compact", [node]) => (Action::Compact, Target::Only(*node)),
            _ => return Err("write it like `members n1 n2`, `transfer n2` or `compact n1`".into()),
        };
        let client = self.idle_client()?;
        self.world()?.administer(client, action, target);
        Ok(())
    }

    fn idle_client(&mut self) -> Result<u32, String> {
        let clients = self.clients;
        let world = self.world()?;
        let client = match (0..clients).find(|client| !world.is_waiting(*client)) {
            Some(idle) => idle,
            None => world.add_client(),
        };
        self.clients = clients.max(client + 1);
        Ok(client)
    }

    fn target<'w>(&mut self, words: &'w [&'w str]) -> Result<(Target, &'w [&'w str]), String> {
        match words {
            ["only", node, rest @ ..] => Ok((Target::Only(self.node(node)?), rest)),
            ["leader", rest @ ..] => Ok((Target::Leader, rest)),
            [node, rest @ ..] if node.starts_with('n') && node.parse::<NodeId>().is_ok() => {
                Ok((Target::Node(self.node(node)?), rest))
            }
            rest => Ok((Target::Leader, rest)),
        }
    }

    fn key(&mut self, name: &str) -> u32 {
        let next = self.keys.len() as u32;
        *self.keys.entry(name.to_owned()).or_insert(next)
    }

    // faults

    fn befall(&mut self, verb: &str, words: &[&str]) -> Result<(), String> {
        for word in words {
            let NodeId(node) = self.node(word)?;
            self.world()?.act(match verb {
                "crash" => Act::Crash(node),
                "restart" => Act::Restart(node),
                "pause" => Act::Pause(node),
                "resume" => Act::Resume(node),
                "wipe" => Act::Wipe(node),
                "replace" => Act::Replace(node),
                "fail-disk" => Act::FailDisk(node),
                "fill-disk" => Act::FillDisk(node),
                _ => Act::FreeDisk(node),
            });
        }
        Ok(())
    }

    fn befall_by(&mut self, verb: &str, words: &[&str]) -> Result<(), String> {
        let [node, amount] = words else { return Err(format!("write it like `{verb} n1 AMOUNT`")) };
        let NodeId(node) = self.node(node)?;
        let act = match verb {
            "slow-disk" => Act::SlowDisk(node, number(amount)? as u32),
            "rot" => Act::Rot(node, number(amount)? as u32),
            "drift" => Act::Drift(node, (parse_share(amount)? * 1e6) as i32),
            _ => {
                let nanos = parse_duration(amount.trim_start_matches('-'))?.as_nanos() as i64;
                Act::Jump(node, if amount.starts_with('-') { -nanos } else { nanos })
            }
        };
        self.world()?.act(act);
        Ok(())
    }

    fn disturb(&mut self, verb: &str, words: &[&str]) -> Result<(), String> {
        let [from, "->", to, amount] = words else { return Err(format!("write it like `{verb} n1 -> n2 AMOUNT`")) };
        let links = vec![(self.node(from)?.0, self.node(to)?.0)];
        let act = match verb {
            "delay" => Act::Delay(links, parse_duration(amount)?, Duration::ZERO),
            _ => Act::Lose(links, (parse_share(amount)? * 1e6) as u32),
        };
        self.world()?.act(act);
        Ok(())
    }

    fn partition(&mut self, text: &str) -> Result<(), String> {
        let mut groups = Vec::new();
        for group in text.split('|') {
            groups.push(group.split_whitespace().map(|word| self.node(word)).collect::<Result<Vec<_>, _>>()?);
        }
        self.world()?.partition(&groups);
        Ok(())
    }

    fn link(&mut self, words: &[&str]) -> Result<(Address, Address), String> {
        match words {
            [from, "->", to] => Ok((self.address(from)?, self.address(to)?)),
            _ => Err("write a link like `n1 -> n2`".into()),
        }
    }

    fn address(&mut self, word: &str) -> Result<Address, String> {
        match word.strip_prefix('c').and_then(|digits| digits.parse::<u32>().ok()) {
            Some(client) if (1..=self.clients).contains(&client) => Ok(Address::Client(client - 1)),
            Some(_) => Err(format!("there is no client `{word}` yet")),
            None => Ok(Address::Node(self.node(word)?)),
        }
    }

    fn node(&mut self, word: &str) -> Result<NodeId, String> {
        let world = self.world()?;
        let node = match word {
            "leader" => world.leader().ok_or("nobody leads")?,
            _ => word.parse::<NodeId>()?,
        };
        if node.index() < world.servers() { Ok(node) } else { Err(format!("there is no server `{word}`")) }
    }

    fn state(&mut self, words: &[&str]) -> Result<String, String> {
        let nodes = match words {
            [] => NodeId::all(self.world()?.servers()).collect(),
            words => words.iter().map(|word| self.node(word)).collect::<Result<Vec<_>, _>>()?,
        };
        let world = self.world()?;
        let mut text = String::new();
        for node in nodes {
            let _ = match (world.observe(node), world.halted(node)) {
                (Some(seen), _) => {
                    let gauges: String = seen.gauges.iter().map(|(name, value)| format!(" {name}={value}")).collect();
                    writeln!(text, "{node} {} epoch={}{gauges}", seen.role, seen.epoch)
                }
                (None, Some(reason)) => writeln!(text, "{node} stopped: {reason}"),
                (None, None) => writeln!(text, "{node} down"),
            };
        }
        Ok(text)
    }
}

impl Cluster {
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let options = &mut self.options;
        match name {
            "nodes" => self.nodes = number(value)?.clamp(1, 1000) as usize,
            "seed" => options.seed = Seed(number(value)?),
            "latency" => options.network.latency = parse_range(value)?,
            "loss" => options.network.loss = parse_share(value)?,
            "duplicate" => options.network.duplicate = parse_share(value)?,
            "sync" => options.disk.sync = parse_range(value)?,
            "unsynced" => options.disk.unsynced = parse_unsynced(value)?,
            "remembered" => options.network.remembered = parse_share(value)?,
            "regions" => options.network.regions.get_or_insert_with(Regions::default).count = number(value)? as u16,
            "apart" => options.network.regions.get_or_insert_with(Regions::default).apart = parse_duration(value)?,
            "timeout" => options.operation_timeout = parse_duration(value)?,
            _ => _ = self.parameters.insert(name.to_owned(), value.to_owned()),
        }
        Ok(())
    }
}

fn role(world: &World, node: NodeId) -> &'static str {
    world.observe(node).map_or("", |seen| seen.role)
}

/// Reads `1ms..10ms`, or `5ms` for both.
fn parse_range(text: &str) -> Result<(Duration, Duration), String> {
    let (least, most) = text.split_once("..").unwrap_or((text, text));
    Ok((parse_duration(least)?, parse_duration(most)?))
}

fn parse_unsynced(text: &str) -> Result<Unsynced, String> {
    match text {
        "lost" => Ok(Unsynced::Lost),
        "prefix" => Ok(Unsynced::Prefix),
        "any" => Ok(Unsynced::Any),
        _ => Err(format!("`{text}` is not one of lost, prefix, any")),
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}
