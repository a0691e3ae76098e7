//! The operations of a run: who asked what, when, and what came of it; and who asks next.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use base::{NodeId, ProcessId, Time};
use history::{Action, AdminOperation, Completion, ErrorKind, NIL, Operation, Outcome, Phase, Request};
use proto::{Target, Token};

/// Where driven clients get their next operation from: a function of its index. `None` ends the load.
pub(crate) type Source = Rc<dyn Fn(u64) -> Option<(Request, Target)>>;

/// A client that asks for what operators ask for.
#[derive(Clone)]
struct Operator {
    client: u32,
    think: (Duration, Duration),
    /// What it asks for, the last first.
    actions: Vec<(Action, Target)>,
}

#[derive(Clone, Default)]
pub(crate) struct Operations {
    all: Vec<Entry>,
    clients: Vec<Client>,
    processes: u32,
    source: Option<Source>,
    asked: u64,
    /// Operations that have ended, if somebody wants to know.
    ended: Option<VecDeque<Token>>,
    think: (Duration, Duration),
    phase: Phase,
    operators: Vec<Operator>,
}

#[derive(Clone)]
struct Entry {
    operation: Operation,
    target: Target,
    /// What an operator asked; the request means nothing then.
    action: Option<Action>,
    client: u32,
    open: bool,
}

#[derive(Clone)]
struct Client {
    process: ProcessId,
    driven: bool,
    /// The operation under way.
    open: Option<Token>,
    /// When its last `ok` operation was invoked.
    ok_sent: Option<Time>,
}

impl Operations {
    /// Adds a client, which is a new logical process.
    pub(crate) fn add_client(&mut self) -> u32 {
        let process = self.next_process();
        self.clients.push(Client { process, driven: false, open: None, ok_sent: None });
        self.clients.len() as u32 - 1
    }

    /// Whether the client has an operation under way.
    pub(crate) fn is_open(&self, client: u32) -> bool {
        self.clients[client as usize].open.is_some()
    }

    /// How many operations are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.clients.iter().filter(|client| client.open.is_some()).count()
    }

    /// Writes an operation down before it is asked.
    pub(crate) fn claim(&mut self, client: u32, request: Request, target: Target, now: Time) -> Token {
        self.claim_any(client, request, None, target, now)
    }

    /// Writes an operator's action down before it is asked.
    pub(crate) fn claim_action(&mut self, client: u32, action: Action, target: Target, now: Time) -> Token {
        self.claim_any(client, Request::read(0), Some(action), target, now)
    }

    fn claim_any(&mut self, client: u32, request: Request, action: Option<Action>, target: Target, now: Time) -> Token {
        let token = Token(self.all.len() as u32);
        let node = match target {
            Target::Node(node) | Target::Only(node) => node,
            Target::Leader => NodeId(0),
        };
        let state = &mut self.clients[client as usize];
        state.open = Some(token);
        let (completion, phase) = (Completion::info(ErrorKind::Abandoned), self.phase);
        let operation = Operation {
            process: state.process,
            node,
            request,
            due: now,
            sent: now,
            done: Time::MAX,
            completion,
            phase,
        };
        self.all.push(Entry { operation, target, action, client, open: true });
        token
    }

    /// What an operation asks, and of whom.
    pub(crate) fn asked(&self, token: Token) -> (Request, Target) {
        let Entry { operation, target, .. } = &self.all[token.0 as usize];
        (operation.request, *target)
    }

    /// Writes down what came of an operation, and whose it was. `None` if it is over already.
    pub(crate) fn complete(&mut self, token: Token, completion: Completion, now: Time) -> Option<u32> {
        let entry = self.all.get_mut(token.0 as usize).filter(|entry| entry.open)?;
        entry.open = false;
        entry.operation.completion = completion;
        if completion.outcome != Outcome::Info {
            entry.operation.done = now;
        }
        if let Some(ended) = &mut self.ended {
            ended.push_back(token);
        }
        let (client, sent) = (entry.client, entry.operation.sent);
        let process = if completion.outcome == Outcome::Info { Some(self.next_process()) } else { None };
        let state = &mut self.clients[client as usize];
        state.open = None;
        if let Some(process) = process {
            state.process = process; // the old process may still take effect: it is never used again
        }
        if completion.outcome == Outcome::Ok {
            state.ok_sent = Some(sent);
        }
        Some(client)
    }

    /// The client of an operation that is still under way.
    pub(crate) fn client_of_open(&self, token: Token) -> Option<u32> {
        self.all.get(token.0 as usize).filter(|entry| entry.open).map(|entry| entry.client)
    }

    /// The operation that a client has under way, and when it was asked.
    pub(crate) fn open(&self, client: u32) -> Option<(Token, Time)> {
        let token = self.clients.get(client as usize)?.open?;
        Some((token, self.get(token)?.sent))
    }

    /// Lets these clients ask what `source` says, one operation after another.
    pub(crate) fn drive(&mut self, clients: &[u32], think: (Duration, Duration), source: Source) {
        clients.iter().for_each(|client| self.clients[*client as usize].driven = true);
        self.think = think;
        self.source = Some(source);
    }

    /// Remembers operations that end.
    pub(crate) fn watch(&mut self) {
        self.ended.get_or_insert_default();
    }

    /// Whether one has ended that was not taken.
    pub(crate) fn has_completed(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| !ended.is_empty())
    }

    /// The first of them.
    pub(crate) fn take_completed(&mut self) -> Option<Token> {
        self.ended.as_mut()?.pop_front()
    }

    /// Says which part of the run operations belong to from now on.
    pub(crate) fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// What an operator asked for, if the operation is one of an operator.
    pub(crate) fn action(&self, token: Token) -> Option<Action> {
        self.all.get(token.0 as usize)?.action
    }

    /// Lets a further client ask for these actions, one after another.
    pub(crate) fn operate(&mut self, client: u32, think: (Duration, Duration), mut actions: Vec<(Action, Target)>) {
        actions.reverse();
        self.operators.push(Operator { client, think, actions });
    }

    /// The next action, if this client is an operator.
    pub(crate) fn next_action(&mut self, client: u32) -> Option<(Action, Target)> {
        self.operators.iter_mut().find(|operator| operator.client == client)?.actions.pop()
    }

    /// Whether this client is an operator.
    pub(crate) fn is_operator(&self, client: u32) -> bool {
        self.operators.iter().any(|operator| operator.client == client)
    }

    /// A driven client, or an operator, that has nothing under way.
    pub(crate) fn idle(&self, operator: bool) -> Option<u32> {
        let fits = |client: &u32| {
            let state = &self.clients[*client as usize];
            state.open.is_none() && if operator { self.is_operator(*client) } else { state.driven }
        };
        (0..self.clients.len() as u32).find(fits)
    }

    /// No driven client asks anything more.
    pub(crate) fn stop(&mut self) {
        self.source = None;
        self.operators.clear();
    }

    /// How long a client thinks before its next operation, if it is driven.
    pub(crate) fn think(&self, client: u32) -> Option<(Duration, Duration)> {
        if let Some(operator) = self.operators.iter().find(|operator| operator.client == client) {
            return Some(operator.think);
        }
        (self.source.is_some() && self.clients[client as usize].driven).then_some(self.think)
    }

    /// The next operation of the load.
    pub(crate) fn next_request(&mut self) -> Option<(Request, Target)> {
        let next = self.source.as_ref()?(self.asked);
        self.asked += 1;
        next
    }

    /// Driven clients that have had no `ok` for an operation invoked at or after `since`.
    pub(crate) fn without_progress(&self, since: Time) -> Vec<u32> {
        let stuck = |client: &Client| client.driven && client.ok_sent.is_none_or(|sent| sent < since);
        (0..self.clients.len() as u32).filter(|&index| stuck(&self.clients[index as usize])).collect()
    }

    /// All operations in order of invocation; those under way are `info`.
    pub(crate) fn history(&self) -> Vec<Operation> {
        self.all.iter().filter(|entry| entry.action.is_none()).map(|entry| entry.operation).collect()
    }

    /// All actions of operators, likewise.
    pub(crate) fn admin_history(&self) -> Vec<AdminOperation> {
        let told = |entry: &Entry| {
            let Operation { sent, done, completion, .. } = entry.operation;
            Some(AdminOperation { action: entry.action?, sent, done, completion })
        };
        self.all.iter().filter_map(told).collect()
    }

    pub(crate) fn get(&self, token: Token) -> Option<Operation> {
        self.all.get(token.0 as usize).map(|entry| entry.operation)
    }

    pub(crate) fn told_invocation(&self, token: Token) -> String {
        let entry = &self.all[token.0 as usize];
        format!("c{} asks {}", entry.client + 1, told(entry))
    }

    pub(crate) fn told_completion(&self, token: Token) -> String {
        let entry = &self.all[token.0 as usize];
        let (Entry { operation, client, .. }, request) = (entry, told(entry));
        let Completion { outcome, result, error } = operation.completion;
        match (outcome, operation.request.function) {
            (Outcome::Ok, _) if entry.action.is_some() => format!("c{} ok {request}", client + 1),
            (Outcome::Ok, history::Function::Read) if result == NIL => {
                format!("c{} ok {request} → nothing", client + 1)
            }
            (Outcome::Ok, history::Function::Read) => format!("c{} ok {request} → {result}", client + 1),
            (Outcome::Ok, _) => format!("c{} ok {request}", client + 1),
            _ => format!("c{} {outcome} {request}: {error}", client + 1),
        }
    }

    fn next_process(&mut self) -> ProcessId {
        self.processes += 1;
        ProcessId(self.processes - 1)
    }
}

fn told(entry: &Entry) -> String {
    entry.action.map_or_else(|| told_request(&entry.operation.request), |action| action.to_string())
}

pub(crate) fn told_request(request: &Request) -> String {
    let Request { function, key, argument, expected, .. } = request;
    match function {
        history::Function::Read => format!("read k{key}"),
        history::Function::Write => format!("write k{key}={argument}"),
        history::Function::Cas => format!("cas k{key} {expected}→{argument}"),
    }
}
