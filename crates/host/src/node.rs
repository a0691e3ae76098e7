//! The loop of a node.
//!
//! One round: wait for sockets, timers or the disk; tell the actor what became durable, what arrived and what is due; tell it
//! that the batch ended; hand its writes to the disk; write its messages. What waits for a barrier is queued in order and
//! released when the disk has come that far; what does not wait leaves at the end of the round, while the disk writes.

use std::collections::VecDeque;
use std::io::Write;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use base::{Bytes, NodeId, Rng, Time};
use proto::{Actor, Address, Barrier, Context, Input, Now, Out, Output, Recovered};

use crate::disk::Writer;
use crate::log::Opened;
use crate::net::{Arrival, Net};
use crate::probe::Observed;
use crate::serve::{HostError, Options};
use crate::timers::Timers;

/// Everything around the actor.
pub(crate) struct Node {
    options: Options,
    started: Instant,
    now: Now,
    rng: Rng,
    net: Net,
    disk: Writer,
    timers: Timers,
    /// Messages that wait for a barrier. Barriers never fall along the queue.
    waiting: VecDeque<(Barrier, Address, Bytes)>,
    /// Messages to itself, for the next round.
    own: VecDeque<Bytes>,
    halted: Option<String>,
    rounds: u64,
    received: u64,
}

type Hosted = Box<dyn Actor<Message = Bytes>>;

impl Node {
    pub fn new(options: Options, net: Net, disk: Writer) -> Self {
        Node {
            rng: options.seed.derive("actor").nth(options.me.0.into()).rng(),
            options,
            started: Instant::now(),
            now: Now::default(),
            net,
            disk,
            timers: Timers::default(),
            waiting: VecDeque::new(),
            own: VecDeque::new(),
            halted: None,
            rounds: 0,
            received: 0,
        }
    }

    /// Boots the actor and serves it to the end.
    pub fn run<B>(mut self, opened: Opened, boot: B) -> Result<(), HostError>
    where
        B: FnOnce(NodeId, Recovered, &mut Context<'_, Bytes>) -> Hosted,
    {
        self.now = self.read_clocks();
        self.tell_of_recovery(&opened);
        let mut out = Out::new();
        let me = self.options.me;
        let mut actor = boot(me, opened.recovered, &mut Context { now: self.now, rng: &mut self.rng, out: &mut out });
        self.perform(&mut out);
        let mut arrivals = Vec::new();
        loop {
            self.end_round(&mut arrivals);
            if let Some(reason) = self.halted.take() {
                self.tell(&format!("halt: {reason}"));
                return Err(HostError::Halted(reason));
            }
            self.wait(&mut arrivals)?;
            if !self.round(&mut actor, &mut out, &mut arrivals)? {
                self.tell("stopped");
                return Ok(());
            }
        }
    }

    /// Waits for something to do.
    fn wait(&mut self, arrivals: &mut Vec<Arrival>) -> Result<(), HostError> {
        let busy = !arrivals.is_empty() || !self.own.is_empty();
        let until = [self.timers.next(), self.disk.deadline()].into_iter().flatten().min();
        let until = if busy { Some(Time::ZERO) } else { until };
        self.now = self.read_clocks();
        self.net.poll(self.now.monotonic, until, arrivals).map_err(HostError::os("wait for the sockets"))?;
        self.now = self.read_clocks();
        self.net.dial(self.now.monotonic);
        self.rounds += 1;
        Ok(())
    }

    /// Hands everything that happened to the actor. False: the node is to stop.
    fn round(
        &mut self,
        actor: &mut Hosted,
        out: &mut Out<Bytes>,
        arrivals: &mut Vec<Arrival>,
    ) -> Result<bool, HostError> {
        let mut stepped = self.disk_news(actor, out)?;
        let own = self.own.len();
        for arrival in arrivals.drain(..) {
            match arrival {
                Arrival::Input(input) => {
                    self.received += 1;
                    self.step(actor, out, input);
                    stepped = true;
                }
                Arrival::Probe(from) => self.answer_probe(actor, from),
                Arrival::Stop => return Ok(false),
            }
        }
        for _ in 0..own {
            let Some(message) = self.own.pop_front() else { break };
            self.received += 1;
            self.step(actor, out, Input::Message { from: Address::Node(self.options.me), message });
            stepped = true;
        }
        stepped |= self.fire_timers(actor, out);
        if stepped {
            self.step(actor, out, Input::BatchEnd);
        }
        Ok(true)
    }

    /// Starts the disk and the sockets on what the round has made.
    fn end_round(&mut self, arrivals: &mut Vec<Arrival>) {
        self.disk.submit(self.now.monotonic);
        self.net.flush(self.now.monotonic, arrivals);
    }

    /// Releases what waited for the disk.
    fn disk_news(&mut self, actor: &mut Hosted, out: &mut Out<Bytes>) -> Result<bool, HostError> {
        match self.disk.poll() {
            Ok(None) => Ok(false),
            Ok(Some(durable)) => {
                while self.waiting.front().is_some_and(|(after, ..)| *after <= durable) {
                    let (_, to, message) = self.waiting.pop_front().expect("a front that was seen");
                    self.deliver(to, message);
                }
                self.step(actor, out, Input::Durable(durable));
                Ok(true)
            }
            Err(error) => {
                self.step(actor, out, Input::DiskFailed { error: error.clone() });
                self.net.flush(self.now.monotonic, &mut Vec::new());
                self.tell(&format!("disk failed: {error}"));
                Err(HostError::Disk(error))
            }
        }
    }

    /// Fires what is due, at most as many timers as are set: one that is set to zero again waits for the next round.
    fn fire_timers(&mut self, actor: &mut Hosted, out: &mut Out<Bytes>) -> bool {
        let mut fired = false;
        for _ in 0..self.timers.len() {
            let Some(timer) = self.timers.pop(self.now.monotonic) else { break };
            self.step(actor, out, Input::Timer(timer));
            fired = true;
        }
        fired
    }

    fn step(&mut self, actor: &mut Hosted, out: &mut Out<Bytes>, input: Input<Bytes>) {
        actor.step(&mut Context { now: self.now, rng: &mut self.rng, out }, input);
        self.perform(out);
    }

    fn perform(&mut self, out: &mut Out<Bytes>) {
        for output in out.drain() {
            match output {
                Output::Send { to, message, after } if after == Barrier::NONE => self.deliver(to, message),
                Output::Send { to, message, after } => self.deliver_after(after, to, message),
                Output::Write { write, barrier } => self.disk.push(&write, barrier),
                Output::Append { records, barrier } => self.disk.append(&records, barrier),
                Output::SetTimer { timer, after } => self.timers.set(timer, self.now.monotonic + after),
                Output::CancelTimer(timer) => self.timers.cancel(timer),
                Output::Label(text) => self.tell(&text),
                Output::Halt(reason) => self.halted = Some(reason),
                // A server completes nothing, its service time is what it is, and nobody here asks which paths it took.
                Output::Complete { .. } | Output::Busy(_) | Output::Mark(_) => {}
            }
        }
    }

    fn deliver_after(&mut self, after: Barrier, to: Address, message: Bytes) {
        if after <= self.disk.durable() {
            self.deliver(to, message);
        } else {
            self.waiting.push_back((after, to, message));
        }
    }

    fn deliver(&mut self, to: Address, message: Bytes) {
        if to == Address::Node(self.options.me) {
            self.own.push_back(message);
        } else {
            self.net.send(to, &message);
        }
    }

    fn answer_probe(&mut self, actor: &Hosted, to: Address) {
        let json = serde_json::to_vec(&self.observe(actor)).expect("an observation is plain data");
        self.net.answer_probe(to, &json);
    }

    fn observe(&self, actor: &Hosted) -> Observed {
        let seen = actor.observe();
        let disk = self.disk.counters();
        let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Observed {
            node: self.options.me.to_string(),
            role: seen.role.to_owned(),
            epoch: seen.epoch,
            gauges: seen.gauges.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            uptime_us: self.now.monotonic.nanos() / 1000,
            cpu_us: cpu.tv_sec as u64 * 1_000_000 + cpu.tv_nsec as u64 / 1000,
            fsyncs: disk.syncs,
            appended_bytes: disk.bytes,
            rounds: self.rounds,
            received: self.received,
            sent: self.net.counters.sent,
            dropped: self.net.counters.dropped,
            malformed: self.net.counters.malformed,
            clients: self.net.clients(),
        }
    }

    fn tell_of_recovery(&mut self, opened: &Opened) {
        let disk = &opened.recovered;
        let what = if disk.is_empty() {
            "boot: empty disk".into()
        } else {
            format!("boot: {} records from index {}, {} blobs", disk.log.len(), disk.first_index, disk.blobs.len())
        };
        self.tell(&what);
        if opened.torn_bytes > 0 {
            self.tell(&format!("cut a torn tail of {} bytes", opened.torn_bytes));
        }
    }

    /// Adds a line to the node's story. A story that cannot be written is not worth a node.
    fn tell(&mut self, label: &str) {
        let unix_ms = self.now.wall.nanos() / 1_000_000;
        let line = format!("{:.6} {unix_ms} {label}\n", self.now.monotonic.seconds());
        let _ = self.options.story.write_all(line.as_bytes());
    }

    fn read_clocks(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { monotonic: Time(self.started.elapsed().as_nanos() as u64), wall: Time(wall.as_nanos() as u64) }
    }
}
