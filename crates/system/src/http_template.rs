//! A client for any system that speaks HTTP, described in the plan: one template for each function.
//!
//! ```toml
//! [client.get]
//! request = "GET /kv/{key}"
//! missing = [404]                 # the key holds nothing
//!
//! [client.put]
//! request = "PUT /kv/{key}"
//! body = "{value}"
//!
//! [client.cas]
//! request = "POST /kv/{key}/cas"
//! body = '{"from": "{expected}", "to": "{value}"}'
//! fail = [409]                    # it found another value
//! ```
//!
//! A status in `ok` (by default 200, 201 and 204) means that it happened, one in `fail` that it certainly did not. Every other
//! status of a mutation is `info`: a 500 may come after the write. A read has no effect, so there it is `fail`.

use base::NodeId;
use history::{Completion, ErrorKind, Function, NIL, Request};
use plan::Table;

use crate::http::{self, Response};
use crate::http_client::{Exchange, unknown};
use crate::text;

/// One function's request, and what its answers mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    method: String,
    path: String,
    body: String,
    headers: String,
    ok: Vec<u16>,
    fail: Vec<u16>,
    missing: Vec<u16>,
    /// Where the value is in a JSON answer (a JSON pointer); empty: the answer is the value.
    json: String,
}

/// The templates of the functions that the plan describes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates {
    get: Option<Call>,
    put: Option<Call>,
    cas: Option<Call>,
}

impl Templates {
    /// Reads `[client.get]`, `[client.put]` and `[client.cas]`.
    pub fn from_plan(client: &Table<'_>) -> Templates {
        let call = |name| client.table(name).and_then(|table| Call::from_plan(&table));
        Templates { get: call("get"), put: call("put"), cas: call("cas") }
    }

    /// The template of a function.
    pub fn call(&self, function: Function) -> Option<&Call> {
        match function {
            Function::Read => self.get.as_ref(),
            Function::Write => self.put.as_ref(),
            Function::Cas => self.cas.as_ref(),
        }
    }

    /// The plan's name of a function's template: `get`, `put`, `cas`.
    pub fn name(function: Function) -> &'static str {
        match function {
            Function::Read => "get",
            Function::Write => "put",
            Function::Cas => "cas",
        }
    }
}

impl Call {
    fn from_plan(table: &Table<'_>) -> Option<Call> {
        let request: String = table.need("request")?;
        let Some((method, path)) = request.split_once(' ').filter(|(_, path)| path.starts_with('/')) else {
            let message = format!("`{request}` is not a request");
            table.error("request", message, "write it like `GET /kv/{key}`");
            return None;
        };
        let headers: Vec<String> = table.or("headers", Vec::new());
        let codes = |codes: Vec<u32>| codes.into_iter().map(|code| code as u16).collect();
        Some(Call {
            method: method.to_string(),
            path: path.trim().to_string(),
            body: table.or("body", String::new()),
            headers: headers.iter().map(|header| format!("{header}\r\n")).collect(),
            ok: codes(table.or("ok", vec![200, 201, 204])),
            fail: codes(table.or("fail", Vec::new())),
            missing: codes(table.or("missing", Vec::new())),
            json: table.or("json", String::new()),
        })
    }

    fn read(&self, response: &Response) -> Option<u64> {
        if self.json.is_empty() {
            return if response.body.is_empty() { Some(NIL) } else { text::number(&response.body) };
        }
        let answer: serde_json::Value = serde_json::from_slice(&response.body).ok()?;
        match answer.pointer(&self.json) {
            None | Some(serde_json::Value::Null) => Some(NIL),
            Some(serde_json::Value::String(text)) => text::number(text.as_bytes()),
            Some(value) => value.as_u64(),
        }
    }
}

/// Fills templates and reads answers.
pub struct TemplateExchange {
    templates: Templates,
    hosts: Vec<String>,
    prefix: String,
}

impl TemplateExchange {
    /// A client of the nodes at `hosts` (`host:port`); `prefix` goes before every key.
    pub fn new(templates: Templates, hosts: Vec<String>, prefix: String) -> Self {
        TemplateExchange { templates, hosts, prefix }
    }

    fn fill(&self, template: &str, request: &Request) -> String {
        let expected =
            if request.expected == NIL { String::new() } else { text::value(request.expected, request.size) };
        template
            .replace("{key}", &text::key(&self.prefix, request.key))
            .replace("{value}", &text::value(request.argument, request.size))
            .replace("{expected}", &expected)
    }
}

impl Exchange for TemplateExchange {
    fn put_request(&mut self, node: NodeId, request: &Request, buffer: &mut Vec<u8>) {
        // The plan's reader has made sure that every function of the workload has a template.
        let Some(call) = self.templates.call(request.function) else { return };
        let path = self.fill(&call.path, request);
        let body = self.fill(&call.body, request);
        http::put_request(buffer, &call.method, &path, &self.hosts[node.index()], &call.headers, body.as_bytes());
    }

    fn completion(&self, request: &Request, response: &Response) -> Completion {
        let Some(call) = self.templates.call(request.function) else { return Completion::fail(ErrorKind::Other) };
        if call.missing.contains(&response.status) {
            return Completion::ok(NIL);
        }
        if call.ok.contains(&response.status) {
            return match request.function {
                Function::Read => {
                    call.read(response).map_or_else(|| unknown(request, ErrorKind::Malformed), Completion::ok)
                }
                _ => Completion::ok(NIL),
            };
        }
        if call.fail.contains(&response.status) {
            let error = if request.function == Function::Cas { ErrorKind::Precondition } else { ErrorKind::Other };
            return Completion::fail(error);
        }
        unknown(request, if response.status == 503 { ErrorKind::Unavailable } else { ErrorKind::Other })
    }
}
