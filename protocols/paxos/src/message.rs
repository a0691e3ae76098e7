//! What servers and clients say to each other, and how it travels.

use std::fmt;

use base::Bytes;
use history::{Function, Request};
use proto::Malformed;
use proto::codec::{Reader, put};

use crate::ballot::{Ballot, Value};

/// A message. `version` is the instance of the key that it is about.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Message {
    /// A client asks for an operation.
    Request {
        /// Names the attempt; the reply carries it. Never used for two attempts.
        id: u64,
        /// What to do.
        request: Request,
    },
    /// The answer to a request.
    Reply {
        /// The attempt that is answered.
        id: u64,
        /// The answer.
        answer: Answer,
    },
    /// Phase 1: "promise to accept nothing below `ballot`".
    Prepare {
        /// The key.
        key: u32,
        /// The instance.
        version: u64,
        /// The proposer's ballot.
        ballot: Ballot,
    },
    /// "I do, and this I have accepted."
    Promise {
        /// The key.
        key: u32,
        /// The instance.
        version: u64,
        /// The ballot of the prepare.
        ballot: Ballot,
        /// What was accepted last, and at which ballot.
        accepted: Option<(Ballot, Value)>,
    },
    /// Phase 2: "accept this value".
    Accept {
        /// The key.
        key: u32,
        /// The instance.
        version: u64,
        /// The proposer's ballot.
        ballot: Ballot,
        /// The value.
        value: Value,
    },
    /// "I have."
    Accepted {
        /// The key.
        key: u32,
        /// The instance.
        version: u64,
        /// The ballot of the accept.
        ballot: Ballot,
    },
    /// A prepare or accept came too late: a higher ballot was promised.
    Refused {
        /// The key.
        key: u32,
        /// The ballot that was refused.
        ballot: Ballot,
        /// The promise that stands against it.
        promised: Ballot,
    },
    /// A prepare or accept came too early: the acceptor does not know what was decided before.
    Behind {
        /// The key.
        key: u32,
        /// The ballot that could not be considered.
        ballot: Ballot,
    },
    /// What was accepted at this ballot is decided.
    Chosen {
        /// The key.
        key: u32,
        /// The instance.
        version: u64,
        /// The ballot.
        ballot: Ballot,
    },
    /// This version is decided, and what it holds.
    Decided {
        /// The key.
        key: u32,
        /// The version.
        version: u64,
        /// What it holds.
        value: Value,
    },
    /// A read: "what do you know to be decided?"
    Query {
        /// The key.
        key: u32,
        /// Names the question.
        id: u64,
        /// The latest version that the reader knows.
        version: u64,
    },
    /// The answer to a query.
    Current {
        /// The key.
        key: u32,
        /// The question that is answered.
        id: u64,
        /// The latest version known to be decided.
        version: u64,
        /// What it holds, if the reader did not know that version.
        value: Option<Value>,
        /// Whether something was accepted for the next version, which may be chosen already.
        in_flight: bool,
    },
}

/// What a server answers to a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The write or compare-and-set happened.
    Done,
    /// The register holds this (the payload of a [`Value`]).
    Holds(Bytes),
    /// The compare-and-set found another value and did nothing.
    Precondition,
    /// Nothing was proposed: no quorum, or too many that compete.
    Unavailable,
    /// The value was proposed, and may be chosen yet.
    Unknown,
    /// Nothing was proposed: too much is under way.
    Overloaded,
}

impl proto::Message for Message {
    fn encode(&self, buffer: &mut Vec<u8>) {
        buffer.push(self.tag());
        match self {
            Message::Request { id, request } => encode_request(buffer, *id, request),
            Message::Reply { id, answer } => encode_reply(buffer, *id, answer),
            Message::Prepare { key, version, ballot }
            | Message::Accepted { key, version, ballot }
            | Message::Chosen { key, version, ballot } => {
                put(buffer, &[u64::from(*key), *version]);
                ballot.encode(buffer);
            }
            Message::Promise { key, version, ballot, accepted } => {
                put(buffer, &[u64::from(*key), *version]);
                ballot.encode(buffer);
                put(buffer, &[u64::from(accepted.is_some())]);
                if let Some((at, value)) = accepted {
                    at.encode(buffer);
                    value.encode(buffer);
                }
            }
            Message::Accept { key, version, ballot, value } => {
                put(buffer, &[u64::from(*key), *version]);
                ballot.encode(buffer);
                value.encode(buffer);
            }
            Message::Refused { key, ballot, promised } => {
                put(buffer, &[u64::from(*key)]);
                ballot.encode(buffer);
                promised.encode(buffer);
            }
            Message::Behind { key, ballot } => {
                put(buffer, &[u64::from(*key)]);
                ballot.encode(buffer);
            }
            Message::Decided { key, version, value } => {
                put(buffer, &[u64::from(*key), *version]);
                value.encode(buffer);
            }
            Message::Query { key, id, version } => put(buffer, &[u64::from(*key), *id, *version]),
            Message::Current { key, id, version, value, in_flight } => {
                let flags = u64::from(*in_flight) | u64::from(value.is_some()) << 1;
                put(buffer, &[u64::from(*key), *id, *version, flags]);
                value.iter().for_each(|value| value.encode(buffer));
            }
        }
    }

    fn decode(bytes: &Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let message = decode(&mut reader)?;
        reader.finish(message.kind())?;
        Ok(message)
    }

    fn kind(&self) -> &'static str {
        match self {
            Message::Request { .. } => "request",
            Message::Reply { .. } => "reply",
            Message::Prepare { .. } => "prepare",
            Message::Promise { .. } => "promise",
            Message::Accept { .. } => "accept",
            Message::Accepted { .. } => "accepted",
            Message::Refused { .. } => "refused",
            Message::Behind { .. } => "behind",
            Message::Chosen { .. } => "chosen",
            Message::Decided { .. } => "decided",
            Message::Query { .. } => "query",
            Message::Current { .. } => "current",
        }
    }
}

impl fmt::Debug for Message {
    /// One short line for transcripts: `accept k0 v3 at 7.n2: 41`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(proto::Message::kind(self))?;
        match self {
            Message::Request { request, .. } => write!(f, " {} k{}", request.function.name(), request.key),
            Message::Reply { answer: Answer::Holds(bytes), .. } => write!(f, " holds {} B", bytes.len()),
            Message::Reply { answer, .. } => write!(f, " {}", format!("{answer:?}").to_lowercase()),
            Message::Prepare { key, version, ballot } | Message::Chosen { key, version, ballot } => {
                write!(f, " k{key} v{version} at {ballot}")
            }
            Message::Accepted { key, version, ballot } => write!(f, " k{key} v{version} at {ballot}"),
            Message::Promise { key, version, ballot, accepted: None } => write!(f, " k{key} v{version} at {ballot}"),
            Message::Promise { key, version, ballot, accepted: Some((at, value)) } => {
                write!(f, " k{key} v{version} at {ballot}, accepted {} at {at}", value.number())
            }
            Message::Accept { key, version, ballot, value } => {
                write!(f, " k{key} v{version} at {ballot}: {}", value.number())
            }
            Message::Refused { key, ballot, promised } => write!(f, " k{key} {ballot}, promised {promised}"),
            Message::Behind { key, ballot } => write!(f, " k{key} {ballot}"),
            Message::Decided { key, version, value } => write!(f, " k{key} v{version}: {}", value.number()),
            Message::Query { key, version, .. } => write!(f, " k{key} after v{version}"),
            Message::Current { key, version, in_flight, .. } => {
                write!(f, " k{key} v{version}{}", if *in_flight { ", more in flight" } else { "" })
            }
        }
    }
}

impl Message {
    /// The first byte on the wire. Never reuse one.
    fn tag(&self) -> u8 {
        match self {
            Message::Request { .. } => 1,
            Message::Reply { .. } => 2,
            Message::Prepare { .. } => 3,
            Message::Promise { .. } => 4,
            Message::Accept { .. } => 5,
            Message::Accepted { .. } => 6,
            Message::Refused { .. } => 7,
            Message::Behind { .. } => 8,
            Message::Chosen { .. } => 9,
            Message::Decided { .. } => 10,
            Message::Query { .. } => 11,
            Message::Current { .. } => 12,
        }
    }
}

fn encode_request(buffer: &mut Vec<u8>, id: u64, request: &Request) {
    let Request { function, key, argument, expected, size } = request;
    let function = Function::ALL.iter().position(|known| known == function).unwrap_or(0) as u64;
    put(buffer, &[id, function, u64::from(*key), *argument, *expected, u64::from(*size)]);
    // What a workload's value weighs has to be carried, or a benchmark of it would flatter.
    if request.function.is_mutation() {
        buffer.resize(buffer.len() + (*size as usize).saturating_sub(8), b'.');
    }
}

fn encode_reply(buffer: &mut Vec<u8>, id: u64, answer: &Answer) {
    let code = match answer {
        Answer::Done => 0,
        Answer::Holds(_) => 1,
        Answer::Precondition => 2,
        Answer::Unavailable => 3,
        Answer::Unknown => 4,
        Answer::Overloaded => 5,
    };
    put(buffer, &[id, code]);
    if let Answer::Holds(payload) = answer {
        buffer.extend_from_slice(payload);
    }
}

fn decode(reader: &mut Reader<'_>) -> Result<Message, Malformed> {
    let tag = reader.byte()?;
    match tag {
        1 => return decode_request(reader),
        2 => return decode_reply(reader),
        3..=12 => {}
        _ => return Err(Malformed(format!("message of tag {tag}"))),
    }
    let key = reader.small("key")?;
    Ok(match tag {
        3 => Message::Prepare { key, version: reader.number()?, ballot: Ballot::decode(reader)? },
        4 => Message::Promise {
            key,
            version: reader.number()?,
            ballot: Ballot::decode(reader)?,
            accepted: match reader.flag()? {
                true => Some((Ballot::decode(reader)?, Value::decode(reader)?)),
                false => None,
            },
        },
        5 => Message::Accept {
            key,
            version: reader.number()?,
            ballot: Ballot::decode(reader)?,
            value: Value::decode(reader)?,
        },
        6 => Message::Accepted { key, version: reader.number()?, ballot: Ballot::decode(reader)? },
        7 => Message::Refused { key, ballot: Ballot::decode(reader)?, promised: Ballot::decode(reader)? },
        8 => Message::Behind { key, ballot: Ballot::decode(reader)? },
        9 => Message::Chosen { key, version: reader.number()?, ballot: Ballot::decode(reader)? },
        10 => Message::Decided { key, version: reader.number()?, value: Value::decode(reader)? },
        11 => Message::Query { key, id: reader.number()?, version: reader.number()? },
        _ => decode_current(reader, key)?,
    })
}

fn decode_current(reader: &mut Reader<'_>, key: u32) -> Result<Message, Malformed> {
    let (id, version, flags) = (reader.number()?, reader.number()?, reader.number()?);
    if flags > 3 {
        return Err(Malformed(format!("current with flags {flags}")));
    }
    let value = if flags & 2 != 0 { Some(Value::decode(reader)?) } else { None };
    Ok(Message::Current { key, id, version, value, in_flight: flags & 1 != 0 })
}

fn decode_request(reader: &mut Reader<'_>) -> Result<Message, Malformed> {
    let id = reader.number()?;
    let function: usize = reader.small("function")?;
    let function = *Function::ALL.get(function).ok_or_else(|| Malformed(format!("request of function {function}")))?;
    let key = reader.small("key")?;
    let (argument, expected) = (reader.number()?, reader.number()?);
    let size: u32 = reader.small("size")?;
    let padding = if function.is_mutation() { (size as usize).saturating_sub(8) } else { 0 };
    if reader.rest().len() != padding {
        return Err(Malformed(format!("request of {size} bytes, padded otherwise")));
    }
    Ok(Message::Request { id, request: Request { function, key, argument, expected, size } })
}

fn decode_reply(reader: &mut Reader<'_>) -> Result<Message, Malformed> {
    let id = reader.number()?;
    let answer = match reader.number()? {
        0 => Answer::Done,
        1 => Answer::Holds(reader.rest()),
        2 => Answer::Precondition,
        3 => Answer::Unavailable,
        4 => Answer::Unknown,
        5 => Answer::Overloaded,
        code => return Err(Malformed(format!("reply of code {code}"))),
    };
    Ok(Message::Reply { id, answer })
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::NodeId;

    fn samples() -> Vec<Message> {
        let (key, version) = (u32::MAX, 300);
        let ballot = Ballot { round: 70_000, node: NodeId(4), life: 3 };
        let value = Value::after(
            &Value::after(&Value::default(), Ballot::ZERO, Bytes::new()),
            ballot,
            Bytes::from_static(b"12345678.."),
        );
        let mut samples = vec![
            Message::Request { id: u64::MAX, request: Request { size: 100, ..Request::cas(3, 7, 8) } },
            Message::Request { id: 0, request: Request::read(3) },
            Message::Prepare { key, version, ballot },
            Message::Promise { key, version, ballot, accepted: None },
            Message::Promise { key, version, ballot, accepted: Some((Ballot::ZERO, value.clone())) },
            Message::Accept { key, version, ballot, value: value.clone() },
            Message::Accepted { key, version, ballot },
            Message::Refused { key, ballot, promised: Ballot::ZERO },
            Message::Behind { key, ballot },
            Message::Chosen { key, version, ballot },
            Message::Decided { key, version, value: value.clone() },
            Message::Query { key, id: 9, version },
            Message::Current { key, id: 9, version, value: Some(value), in_flight: false },
            Message::Current { key, id: 9, version, value: None, in_flight: true },
        ];
        for answer in [
            Answer::Done,
            Answer::Holds(Bytes::from_static(b"12345678")),
            Answer::Precondition,
            Answer::Unavailable,
            Answer::Unknown,
            Answer::Overloaded,
        ] {
            samples.push(Message::Reply { id: 77, answer });
        }
        samples
    }

    #[test]
    fn every_message_survives_the_wire_and_corrupted_ones_never_panic() {
        testkit::codec::check(&samples());
    }
}
