//! One HTTP operation at a time: what the clients of HTTP systems share.
//!
//! A system says how an operation becomes a request and what a response means ([`Exchange`]); this says what
//! lost connections, refused ones and nonsense mean.

use base::{NodeId, Time};
use history::{Completion, ErrorKind, Request};
use proto::client::{Client, Effects};
use proto::{Target, Token};

use crate::http::{self, Response};

/// How a system speaks HTTP.
pub trait Exchange: Send {
    /// Appends the whole request for an operation, asked of `node`.
    fn put_request(&mut self, node: NodeId, request: &Request, buffer: &mut Vec<u8>);

    /// What the response means.
    fn completion(&self, request: &Request, response: &Response) -> Completion;
}

/// A client with one operation under way, on one connection to each node.
///
/// It follows no redirects. A node that cannot be dialled has not seen the request, so the next one is asked; nothing else is
/// retried: every error that may have had an effect ends as `info`. A read has none, so its errors end as `fail`.
pub struct HttpClient<E> {
    exchange: E,
    nodes: usize,
    leader: NodeId,
    pending: Option<Pending>,
}

struct Pending {
    token: Token,
    request: Request,
    node: NodeId,
    /// Nodes that may still be tried if this one cannot be reached.
    others: usize,
}

impl<E: Exchange> HttpClient<E> {
    /// A client of a system of `nodes` servers.
    pub fn new(nodes: usize, exchange: E) -> Self {
        HttpClient { exchange, nodes, leader: NodeId(0), pending: None }
    }

    fn after(&self, node: NodeId) -> NodeId {
        NodeId(((node.index() + 1) % self.nodes) as u16)
    }

    fn ask(&mut self, pending: Pending, effects: &mut Effects) {
        effects.write(pending.node, |buffer| self.exchange.put_request(pending.node, &pending.request, buffer));
        self.pending = Some(pending);
    }

    fn finish(&mut self, completion: Completion, effects: &mut Effects) {
        if let Some(pending) = self.pending.take() {
            if completion.outcome != history::Outcome::Ok && completion.error != ErrorKind::Precondition {
                // Ask another node next time the caller leaves the choice to us.
                self.leader = self.after(pending.node);
            } else {
                self.leader = pending.node;
            }
            effects.complete(pending.token, completion);
        }
    }
}

/// `fail` for a request without effects, `info` for one that may have had some.
pub fn unknown(request: &Request, error: ErrorKind) -> Completion {
    if request.function.is_mutation() { Completion::info(error) } else { Completion::fail(error) }
}

impl<E: Exchange> Client for HttpClient<E> {
    fn invoke(&mut self, _now: Time, token: Token, request: &Request, target: Target, effects: &mut Effects) {
        let node = match target {
            Target::Leader => self.leader,
            Target::Node(node) | Target::Only(node) => node,
        };
        let others = if matches!(target, Target::Only(_)) { 0 } else { self.nodes - 1 };
        self.ask(Pending { token, request: *request, node, others }, effects);
    }

    fn abandon(&mut self, token: Token, effects: &mut Effects) {
        if let Some(pending) = self.pending.take_if(|pending| pending.token == token) {
            // A late answer on this connection would be taken for the next one's.
            effects.close(pending.node);
        }
    }

    fn receive(&mut self, _now: Time, node: NodeId, bytes: &[u8], effects: &mut Effects) -> usize {
        match http::read_response(bytes) {
            Ok(None) => 0,
            Ok(Some((response, length))) => {
                if response.close {
                    effects.close(node);
                }
                if let Some(pending) = self.pending.as_ref().filter(|pending| pending.node == node) {
                    let completion = self.exchange.completion(&pending.request, &response);
                    self.finish(completion, effects);
                }
                length
            }
            Err(_) => {
                effects.close(node);
                if let Some(pending) = self.pending.as_ref().filter(|pending| pending.node == node) {
                    let completion = unknown(&pending.request, ErrorKind::Malformed);
                    self.finish(completion, effects);
                }
                bytes.len()
            }
        }
    }

    fn lost(&mut self, _now: Time, node: NodeId, unsent: bool, effects: &mut Effects) {
        if let Some(pending) = self.pending.as_ref().filter(|pending| pending.node == node) {
            if unsent && pending.others > 0 {
                let next = Pending { node: self.after(node), others: pending.others - 1, ..*pending };
                return self.ask(next, effects);
            }
            let completion = if unsent {
                Completion::fail(ErrorKind::Unreachable)
            } else {
                unknown(&pending.request, ErrorKind::Disconnected)
            };
            self.finish(completion, effects);
        }
    }
}

#[cfg(test)]
mod tests {
    use history::Outcome;
    use proto::client::Effect;

    use super::*;

    struct Plain;

    impl Exchange for Plain {
        fn put_request(&mut self, _node: NodeId, request: &Request, buffer: &mut Vec<u8>) {
            http::put_request(buffer, "GET", &format!("/{}", request.key), "test", "", b"");
        }

        fn completion(&self, _request: &Request, response: &Response) -> Completion {
            Completion::ok(u64::from(response.status))
        }
    }

    fn completions(effects: &Effects) -> Vec<(Outcome, ErrorKind)> {
        let of = |effect: &Effect| match effect {
            Effect::Complete(_, completion) => Some((completion.outcome, completion.error)),
            _ => None,
        };
        effects.effects.iter().filter_map(of).collect()
    }

    fn after(request: Request, then: impl FnOnce(&mut HttpClient<Plain>, &mut Effects)) -> Vec<(Outcome, ErrorKind)> {
        let mut client = HttpClient::new(3, Plain);
        let mut effects = Effects::default();
        client.invoke(Time::ZERO, Token(1), &request, Target::Only(NodeId(2)), &mut effects);
        then(&mut client, &mut effects);
        completions(&effects)
    }

    #[test]
    fn a_refused_connection_is_definite_and_a_lost_one_is_not() {
        let refused = after(Request::write(0, 1), |client, out| client.lost(Time::ZERO, NodeId(2), true, out));
        assert_eq!(refused, [(Outcome::Fail, ErrorKind::Unreachable)]);
        let lost = after(Request::write(0, 1), |client, out| client.lost(Time::ZERO, NodeId(2), false, out));
        assert_eq!(lost, [(Outcome::Info, ErrorKind::Disconnected)]);
        let lost_read = after(Request::read(0), |client, out| client.lost(Time::ZERO, NodeId(2), false, out));
        assert_eq!(lost_read, [(Outcome::Fail, ErrorKind::Disconnected)], "a read has no effect");
        let other = after(Request::write(0, 1), |client, out| client.lost(Time::ZERO, NodeId(0), false, out));
        assert_eq!(other, [], "another node's connection");
    }

    #[test]
    fn a_node_that_cannot_be_dialled_is_passed_over() {
        let mut client = HttpClient::new(3, Plain);
        let mut effects = Effects::default();
        client.invoke(Time::ZERO, Token(1), &Request::write(0, 1), Target::Node(NodeId(2)), &mut effects);
        client.lost(Time::ZERO, NodeId(2), true, &mut effects);
        client.lost(Time::ZERO, NodeId(0), true, &mut effects);
        assert_eq!(completions(&effects), []);
        client.lost(Time::ZERO, NodeId(1), true, &mut effects);
        assert_eq!(completions(&effects), [(Outcome::Fail, ErrorKind::Unreachable)], "nobody is left");
    }

    #[test]
    fn an_abandoned_operation_takes_its_connection_along() {
        let mut client = HttpClient::new(3, Plain);
        let mut effects = Effects::default();
        client.invoke(Time::ZERO, Token(1), &Request::read(0), Target::Node(NodeId(2)), &mut effects);
        client.abandon(Token(1), &mut effects);
        assert!(effects.effects.contains(&Effect::Close(NodeId(2))));
        let late = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        client.receive(Time::ZERO, NodeId(2), late, &mut effects);
        assert_eq!(completions(&effects), [], "the late answer belongs to nobody");
    }
}
