//! etcd's key-value API over its JSON gateway (`/v3/kv/...`, etcd 3.4): one HTTP/1.1 exchange an operation.
//!
//! The gateway is the lean choice: no HTTP/2, no protobuf, nothing to generate. It costs the server a second hop inside its own
//! process; figures taken through it say so.
//!
//! # What an error means
//! etcd answers with `{"error", "code", "message"}`; the messages are those of `etcdserver/api/v3rpc/rpctypes/error.go`.
//! A mutation's error is definite only where etcd returns it before it proposes anything:
//! - `too many requests`: refused on entry (`processInternalRaftRequestOnce`, `ErrTooManyRequests`);
//! - `request is too large`, and everything with gRPC code 3 (invalid argument): refused by checks on entry;
//! - `no leader` and `not capable`: refused by the interceptors before the handler runs.
//!
//! Every other error (`request timed out` in its four forms, `leader changed`, `server stopped`, ...) may follow a proposal
//! that is still committed later, so it is `info`; Jepsen's etcd client (`jepsen-io/etcd`, `client.clj`) draws the same line.
//! A read has no effect, so its errors are `fail`.

use std::fmt::Write as _;

use base::NodeId;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use history::{Completion, ErrorKind, Function, NIL, Request};
use serde_json::Value;

use crate::http::{self, Response};
use crate::http_client::{Exchange, unknown};
use crate::text;

/// Translates operations to requests of the gateway and back.
pub struct Gateway {
    /// `host:port` of each node.
    hosts: Vec<String>,
    /// Goes before every key, so that runs against one cluster do not see each other.
    prefix: String,
    /// Reads are answered from the asked node's own state: documented to be stale, for the plan that shows it.
    serializable: bool,
    body: String,
}

impl Gateway {
    /// A gateway client of the nodes at `hosts` (`host:port`).
    pub fn new(hosts: Vec<String>, prefix: String, serializable: bool) -> Self {
        Gateway { hosts, prefix, serializable, body: String::new() }
    }

    fn key(&self, key: u32) -> String {
        BASE64.encode(text::key(&self.prefix, key))
    }
}

impl Exchange for Gateway {
    fn put_request(&mut self, node: NodeId, request: &Request, buffer: &mut Vec<u8>) {
        let key = self.key(request.key);
        self.body.clear();
        let body = &mut self.body;
        let value = || BASE64.encode(text::value(request.argument, request.size));
        let path = match request.function {
            Function::Read => {
                let _ = write!(body, r#"{{"key":"{key}","serializable":{}}}"#, self.serializable);
                "/v3/kv/range"
            }
            Function::Write => {
                let _ = write!(body, r#"{{"key":"{key}","value":"{}"}}"#, value());
                "/v3/kv/put"
            }
            Function::Cas => {
                let compare = if request.expected == NIL {
                    format!(r#"{{"key":"{key}","target":"VERSION","result":"EQUAL","version":"0"}}"#)
                } else {
                    let expected = BASE64.encode(text::value(request.expected, request.size));
                    format!(r#"{{"key":"{key}","target":"VALUE","result":"EQUAL","value":"{expected}"}}"#)
                };
                let put = format!(r#"{{"requestPut":{{"key":"{key}","value":"{}"}}}}"#, value());
                let _ = write!(body, r#"{{"compare":[{compare}],"success":[{put}]}}"#);
                "/v3/kv/txn"
            }
        };
        let host = &self.hosts[node.index()];
        http::put_request(buffer, "POST", path, host, "Content-Type: application/json\r\n", body.as_bytes());
    }

    fn completion(&self, request: &Request, response: &Response) -> Completion {
        let Ok(answer) = serde_json::from_slice::<Value>(&response.body) else {
            return unknown(request, ErrorKind::Malformed);
        };
        if response.status != 200 || answer.get("header").is_none() {
            return refusal(request, &answer);
        }
        match request.function {
            Function::Read => {
                read_value(&answer).map_or_else(|| unknown(request, ErrorKind::Malformed), Completion::ok)
            }
            Function::Write => Completion::ok(NIL),
            // JSON leaves out what is false.
            Function::Cas if answer.get("succeeded").and_then(Value::as_bool) == Some(true) => Completion::ok(NIL),
            Function::Cas => Completion::fail(ErrorKind::Precondition),
        }
    }
}

/// The number in the only pair of a range response; [`NIL`] if there is no pair; `None` if it is not one of ours.
fn read_value(answer: &Value) -> Option<u64> {
    let Some(pair) = answer.get("kvs").and_then(|pairs| pairs.get(0)) else { return Some(NIL) };
    let value = BASE64.decode(pair.get("value")?.as_str()?).ok()?;
    text::number(&value)
}

fn refusal(request: &Request, answer: &Value) -> Completion {
    const INVALID_ARGUMENT: u64 = 3;
    let message = answer.get("message").or(answer.get("error")).and_then(Value::as_str).unwrap_or_default();
    let code = answer.get("code").and_then(Value::as_u64);
    match message {
        _ if message.contains("too many requests") => Completion::fail(ErrorKind::Overloaded),
        _ if message.contains("no leader") => Completion::fail(ErrorKind::NoLeader),
        _ if message.contains("not capable") => Completion::fail(ErrorKind::Unavailable),
        _ if message.contains("request is too large") || code == Some(INVALID_ARGUMENT) => {
            Completion::fail(ErrorKind::Other)
        }
        _ if message.contains("timed out") => unknown(request, ErrorKind::Timeout),
        _ if message.contains("leader changed") => unknown(request, ErrorKind::LeaderChanged),
        _ if message.contains("stopped") => unknown(request, ErrorKind::Unavailable),
        _ => unknown(request, ErrorKind::Other),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn gateway() -> Gateway {
        Gateway::new(vec!["127.0.0.1:2379".into()], "r/".into(), false)
    }

    fn sent(request: Request) -> String {
        let mut buffer = Vec::new();
        gateway().put_request(NodeId(0), &request, &mut buffer);
        String::from_utf8(buffer).expect("text").replace('\r', "")
    }

    #[test]
    fn operations_become_requests() {
        expect![[r#"
            POST /v3/kv/txn HTTP/1.1
            Host: 127.0.0.1:2379
            Content-Type: application/json
            Content-Length: 134

            {"compare":[{"key":"ci8w","target":"VALUE","result":"EQUAL","value":"NQ=="}],"success":[{"requestPut":{"key":"ci8w","value":"Ng=="}}]}"#]]
        .assert_eq(&sent(Request { size: 1, ..Request::cas(0, 5, 6) }));
        assert!(sent(Request::cas(0, NIL, 6)).contains(r#""target":"VERSION","result":"EQUAL","version":"0""#));
        assert!(sent(Request::read(0)).ends_with(r#"{"key":"ci8w","serializable":false}"#));
    }

    fn meaning(request: Request, status: u16, body: &str) -> String {
        let response = Response { status, body: body.into(), close: false };
        let completion = gateway().completion(&request, &response);
        format!("{} {} {}", completion.outcome, completion.error, completion.result as i64)
    }

    #[test]
    fn answers_become_outcomes() {
        let header = r#""header":{"cluster_id":"1","revision":"2"}"#;
        let read = Request::read(0);
        let write = Request::write(0, 1);
        let found = format!(r#"{{{header},"kvs":[{{"key":"ci8w","value":"NDIuLg=="}}],"count":"1"}}"#);
        assert_eq!(meaning(read, 200, &found), "ok none 42");
        assert_eq!(meaning(read, 200, &format!("{{{header}}}")), "ok none -1");
        assert_eq!(meaning(write, 200, &format!("{{{header}}}")), "ok none -1");
        let cas = Request::cas(0, 1, 2);
        assert_eq!(meaning(cas, 200, &format!(r#"{{{header},"succeeded":true}}"#)), "ok none -1");
        assert_eq!(meaning(cas, 200, &format!("{{{header}}}")), "fail precondition-failed -1");
        let error = |message: &str| format!(r#"{{"error":"{message}","code":14,"message":"{message}"}}"#);
        assert_eq!(meaning(write, 503, &error("etcdserver: request timed out")), "info timeout -1");
        assert_eq!(meaning(read, 503, &error("etcdserver: request timed out")), "fail timeout -1");
        assert_eq!(meaning(write, 503, &error("etcdserver: leader changed")), "info leader-changed -1");
        assert_eq!(meaning(write, 429, &error("etcdserver: too many requests")), "fail overloaded -1");
        assert_eq!(meaning(write, 500, "<html>"), "info malformed -1");
    }
}
