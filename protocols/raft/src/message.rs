//! What replicas and clients say to each other, and how it travels.
//!
//! Integers are LEB128 varints, so that a heartbeat takes about six bytes. Entries and commands share the bytes of the
//! frame they came in.

use std::fmt;

use base::{Bytes, NodeId, NodeSet};
use history::Action;
use proto::codec::{Reader, put, put_bytes};
use proto::{Access, Malformed, Records};

use crate::log::Entry;

/// A message. `term` is the sender's term, except in pre-votes (see there).
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Message {
    /// A client asks for an operation.
    Request {
        /// Names the attempt; the reply carries it. Never used for two attempts.
        id: u64,
        /// The node must not send the client elsewhere: it serves a read itself, or refuses.
        here: bool,
        /// The command or question.
        access: Access,
    },
    /// An operator asks for something.
    Admin {
        /// Names the attempt, as in a request.
        id: u64,
        /// What is asked.
        action: Action,
    },
    /// The answer to a request.
    Reply {
        /// The attempt that is answered.
        id: u64,
        /// The answer.
        answer: Answer,
    },
    /// "Would you vote for me in this term?" Changes nothing at either end (dissertation §9.6).
    PreVote {
        /// The term that the sender would campaign in: one above its own.
        term: u64,
        /// Index of the sender's last entry.
        last_index: u64,
        /// Term of the sender's last entry.
        last_term: u64,
    },
    /// The answer to a pre-vote.
    PreVoteReply {
        /// The term asked about if granted, the voter's own if not.
        term: u64,
        /// Whether the voter would vote.
        granted: bool,
    },
    /// "Vote for me": RequestVote of the paper (figure 2).
    Vote {
        /// The candidate's term.
        term: u64,
        /// Index of the candidate's last entry.
        last_index: u64,
        /// Term of the candidate's last entry.
        last_term: u64,
        /// The leader asked for this election, so nobody needs to be protected from it (dissertation §3.10).
        asked: bool,
    },
    /// The answer to a vote request.
    VoteReply {
        /// The voter's term.
        term: u64,
        /// Whether it voted for the candidate.
        granted: bool,
    },
    /// Entries, or a probe without: AppendEntries of the paper (figure 2).
    Append {
        /// The leader's term.
        term: u64,
        /// Index of the entry before `entries`.
        prev_index: u64,
        /// Its term.
        prev_term: u64,
        /// The leader's commit index.
        commit: u64,
        /// The entries from `prev_index + 1` on.
        entries: Records,
        /// Which membership of the follower this belongs to; its answer carries it.
        session: u64,
    },
    /// The follower has everything up to `index`, durably.
    Accepted {
        /// The follower's term.
        term: u64,
        /// The last index that the append vouched for.
        index: u64,
        /// The append's session.
        session: u64,
    },
    /// The follower lacks the entry before those of an append, or has another.
    Rejected {
        /// The follower's term.
        term: u64,
        /// `prev_index` of the append.
        index: u64,
        /// The last index of the follower that may match.
        hint_index: u64,
        /// The term of its entry there.
        hint_term: u64,
        /// The append's session.
        session: u64,
    },
    /// A chunk of a snapshot, for a follower that lacks entries which the leader no longer has (dissertation §5.3).
    Snapshot {
        /// The leader's term.
        term: u64,
        /// As in an append.
        session: u64,
        /// The last index in the snapshot.
        index: u64,
        /// Its term.
        last_term: u64,
        /// Size of the whole snapshot in bytes.
        size: u64,
        /// Where the chunk belongs.
        offset: u64,
        /// The chunk.
        chunk: Bytes,
    },
    /// How much of a snapshot the follower has. When it has it all, it is installed and acknowledged like entries.
    SnapshotReply {
        /// The follower's term.
        term: u64,
        /// The chunk's session.
        session: u64,
        /// The snapshot's last index.
        index: u64,
        /// Where the next chunk belongs.
        offset: u64,
    },
    /// "Campaign at once": the leader hands its office over (dissertation §3.10).
    TimeoutNow {
        /// The leader's term.
        term: u64,
    },
    /// A sign of life from the leader, and the question "do you still follow me?" of a read round (dissertation §6.4).
    Heartbeat {
        /// The leader's term.
        term: u64,
        /// A commit index that this follower can take over: not above what it is known to have.
        commit: u64,
        /// The leader's latest read round.
        context: u64,
    },
    /// "I do."
    HeartbeatReply {
        /// The follower's term.
        term: u64,
        /// The heartbeat's context.
        context: u64,
    },
    /// A follower asks at which index it may read.
    ReadIndex {
        /// The follower's term: a leader of another term does not answer.
        term: u64,
        /// Names the follower's question.
        context: u64,
    },
    /// The leader's answer: read when you have applied `index`.
    ReadIndexReply {
        /// The leader's term.
        term: u64,
        /// The question that is answered.
        context: u64,
        /// The index to wait for.
        index: u64,
    },
}

/// What a replica answers to a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It happened; the state machine replied this.
    Done(Bytes),
    /// It did not happen: this node does not lead. Perhaps that one does.
    NotLeader(Option<NodeId>),
    /// It did not happen: too much is under way.
    Overloaded,
    /// It did not happen: this node cannot serve now.
    Unavailable,
    /// It may happen: the node lost its office with the entry in its log.
    LeaderChanged,
    /// It did not happen: it makes no sense, or something of its kind is under way.
    Refused,
}

impl proto::Message for Message {
    fn encode(&self, buffer: &mut Vec<u8>) {
        buffer.push(self.tag());
        match self {
            Message::Request { id, here, access } => encode_request(buffer, *id, *here, access),
            Message::Admin { id, action } => {
                let (what, argument) = match action {
                    Action::Members(nodes) => (0, nodes.0),
                    Action::Transfer(node) => (1, u64::from(node.0)),
                    Action::Compact => (2, 0),
                };
                put(buffer, &[*id, what, argument]);
            }
            Message::Reply { id, answer } => encode_reply(buffer, *id, answer),
            Message::PreVote { term, last_index, last_term } => put(buffer, &[*term, *last_index, *last_term]),
            Message::Vote { term, last_index, last_term, asked } => {
                put(buffer, &[*term, *last_index, *last_term, u64::from(*asked)]);
            }
            Message::PreVoteReply { term, granted } | Message::VoteReply { term, granted } => {
                put(buffer, &[*term, u64::from(*granted)]);
            }
            Message::Append { term, prev_index, prev_term, commit, entries, session } => {
                put(buffer, &[*term, *prev_index, *prev_term, *commit, *session, entries.len() as u64]);
                entries.iter().for_each(|record| put_bytes(buffer, record));
            }
            Message::Accepted { term, index, session } => put(buffer, &[*term, *index, *session]),
            Message::Rejected { term, index, hint_index, hint_term, session } => {
                put(buffer, &[*term, *index, *hint_index, *hint_term, *session]);
            }
            Message::Snapshot { term, session, index, last_term, size, offset, chunk } => {
                put(buffer, &[*term, *session, *index, *last_term, *size, *offset]);
                buffer.extend_from_slice(chunk);
            }
            Message::SnapshotReply { term, session, index, offset } => {
                put(buffer, &[*term, *session, *index, *offset]);
            }
            Message::TimeoutNow { term } => put(buffer, &[*term]),
            Message::Heartbeat { term, commit, context } => put(buffer, &[*term, *commit, *context]),
            Message::HeartbeatReply { term, context } | Message::ReadIndex { term, context } => {
                put(buffer, &[*term, *context]);
            }
            Message::ReadIndexReply { term, context, index } => put(buffer, &[*term, *context, *index]),
        }
    }

    fn decode(bytes: &Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let message = read_message(&mut reader)?;
        reader.finish(message.kind())?;
        Ok(message)
    }

    fn kind(&self) -> &'static str {
        match self {
            Message::Request { .. } => "request",
            Message::Admin { .. } => "admin",
            Message::Reply { .. } => "reply",
            Message::PreVote { .. } => "pre-vote",
            Message::PreVoteReply { .. } => "pre-vote-reply",
            Message::Vote { .. } => "vote",
            Message::VoteReply { .. } => "vote-reply",
            Message::Append { .. } => "append",
            Message::Accepted { .. } => "accepted",
            Message::Rejected { .. } => "rejected",
            Message::Snapshot { .. } => "snapshot",
            Message::SnapshotReply { .. } => "snapshot-reply",
            Message::TimeoutNow { .. } => "timeout-now",
            Message::Heartbeat { .. } => "heartbeat",
            Message::HeartbeatReply { .. } => "heartbeat-reply",
            Message::ReadIndex { .. } => "read-index",
            Message::ReadIndexReply { .. } => "read-index-reply",
        }
    }
}

impl fmt::Debug for Message {
    /// One short line for transcripts: `append 4@2 +2 commit 3 (term 2)` means two entries after entry 4 of term 2.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(proto::Message::kind(self))?;
        match self {
            Message::Request { here, access, .. } => {
                let (what, bytes) = match access {
                    Access::Command(bytes) => ("command", bytes),
                    Access::Query(bytes) => ("query", bytes),
                };
                write!(f, " {what} of {} B{}", bytes.len(), if *here { " here" } else { "" })
            }
            Message::Admin { action, .. } => write!(f, " {action}"),
            Message::Reply { answer, .. } => match answer {
                Answer::Done(bytes) => write!(f, " done, {} B", bytes.len()),
                Answer::NotLeader(Some(hint)) => write!(f, " not leader, ask {hint}"),
                Answer::NotLeader(None) => f.write_str(" not leader"),
                Answer::Overloaded => f.write_str(" overloaded"),
                Answer::Unavailable => f.write_str(" unavailable"),
                Answer::LeaderChanged => f.write_str(" leader changed"),
                Answer::Refused => f.write_str(" refused"),
            },
            Message::PreVote { term, last_index, last_term } | Message::Vote { term, last_index, last_term, .. } => {
                write!(f, " log {last_index}@{last_term} (term {term})")
            }
            Message::PreVoteReply { term, granted } | Message::VoteReply { term, granted } => {
                write!(f, " {} (term {term})", if *granted { "granted" } else { "refused" })
            }
            Message::Append { term, prev_index, prev_term, commit, entries, .. } => {
                write!(f, " {prev_index}@{prev_term} +{} commit {commit} (term {term})", entries.len())
            }
            Message::Accepted { term, index, .. } => write!(f, " {index} (term {term})"),
            Message::Rejected { term, index, hint_index, hint_term, .. } => {
                write!(f, " {index}, try {hint_index}@{hint_term} (term {term})")
            }
            Message::Snapshot { term, index, last_term, size, offset, chunk, .. } => {
                let end = offset + chunk.len() as u64;
                write!(f, " {index}@{last_term} bytes {offset}..{end} of {size} (term {term})")
            }
            Message::SnapshotReply { term, index, offset, .. } => {
                write!(f, " {index} from byte {offset} (term {term})")
            }
            Message::TimeoutNow { term } => write!(f, " (term {term})"),
            Message::Heartbeat { term, commit, context } => write!(f, " commit {commit} round {context} (term {term})"),
            Message::HeartbeatReply { term, context } => write!(f, " round {context} (term {term})"),
            // The context of a follower's question starts at random: it would only hide what matters.
            Message::ReadIndex { term, .. } => write!(f, " (term {term})"),
            Message::ReadIndexReply { term, index, .. } => write!(f, " {index} (term {term})"),
        }
    }
}

impl Message {
    /// The sender's term, for the messages to which the rules of terms apply (paper §5.1).
    pub(crate) fn term(&self) -> Option<u64> {
        match self {
            Message::Request { .. } | Message::Admin { .. } | Message::Reply { .. } => None,
            Message::PreVote { term, .. }
            | Message::PreVoteReply { term, .. }
            | Message::Vote { term, .. }
            | Message::VoteReply { term, .. }
            | Message::Append { term, .. }
            | Message::Accepted { term, .. }
            | Message::Rejected { term, .. }
            | Message::Snapshot { term, .. }
            | Message::SnapshotReply { term, .. }
            | Message::TimeoutNow { term }
            | Message::Heartbeat { term, .. }
            | Message::HeartbeatReply { term, .. }
            | Message::ReadIndex { term, .. }
            | Message::ReadIndexReply { term, .. } => Some(*term),
        }
    }

    /// The first byte on the wire. Never reuse one.
    fn tag(&self) -> u8 {
        match self {
            Message::Request { .. } => 1,
            Message::Reply { .. } => 2,
            Message::PreVote { .. } => 3,
            Message::PreVoteReply { .. } => 4,
            Message::Vote { .. } => 5,
            Message::VoteReply { .. } => 6,
            Message::Append { .. } => 7,
            Message::Accepted { .. } => 8,
            Message::Rejected { .. } => 9,
            Message::Heartbeat { .. } => 10,
            Message::HeartbeatReply { .. } => 11,
            Message::ReadIndex { .. } => 12,
            Message::ReadIndexReply { .. } => 13,
            Message::Admin { .. } => 14,
            Message::Snapshot { .. } => 15,
            Message::SnapshotReply { .. } => 16,
            Message::TimeoutNow { .. } => 17,
        }
    }
}

const HERE: u64 = 1;
const QUERY: u64 = 2;

fn encode_request(buffer: &mut Vec<u8>, id: u64, here: bool, access: &Access) {
    let (query, bytes) = match access {
        Access::Command(bytes) => (0, bytes),
        Access::Query(bytes) => (QUERY, bytes),
    };
    put(buffer, &[id, (u64::from(here) * HERE) | query]);
    buffer.extend_from_slice(bytes);
}

fn encode_reply(buffer: &mut Vec<u8>, id: u64, answer: &Answer) {
    match answer {
        Answer::Done(reply) => {
            put(buffer, &[id, 0]);
            buffer.extend_from_slice(reply);
        }
        Answer::NotLeader(None) => put(buffer, &[id, 1]),
        Answer::NotLeader(Some(hint)) => put(buffer, &[id, 2, u64::from(hint.0)]),
        Answer::Overloaded => put(buffer, &[id, 3]),
        Answer::Unavailable => put(buffer, &[id, 4]),
        Answer::LeaderChanged => put(buffer, &[id, 5]),
        Answer::Refused => put(buffer, &[id, 6]),
    }
}

fn read_message(reader: &mut Reader<'_>) -> Result<Message, Malformed> {
    Ok(match reader.byte()? {
        1 => read_request(reader)?,
        2 => read_reply(reader)?,
        3 => Message::PreVote { term: reader.number()?, last_index: reader.number()?, last_term: reader.number()? },
        4 => Message::PreVoteReply { term: reader.number()?, granted: reader.flag()? },
        5 => Message::Vote {
            term: reader.number()?,
            last_index: reader.number()?,
            last_term: reader.number()?,
            asked: reader.flag()?,
        },
        6 => Message::VoteReply { term: reader.number()?, granted: reader.flag()? },
        7 => read_append(reader)?,
        8 => Message::Accepted { term: reader.number()?, index: reader.number()?, session: reader.number()? },
        9 => Message::Rejected {
            term: reader.number()?,
            index: reader.number()?,
            hint_index: reader.number()?,
            hint_term: reader.number()?,
            session: reader.number()?,
        },
        10 => Message::Heartbeat { term: reader.number()?, commit: reader.number()?, context: reader.number()? },
        11 => Message::HeartbeatReply { term: reader.number()?, context: reader.number()? },
        12 => Message::ReadIndex { term: reader.number()?, context: reader.number()? },
        13 => Message::ReadIndexReply { term: reader.number()?, context: reader.number()?, index: reader.number()? },
        14 => read_admin(reader)?,
        15 => Message::Snapshot {
            term: reader.number()?,
            session: reader.number()?,
            index: reader.number()?,
            last_term: reader.number()?,
            size: reader.number()?,
            offset: reader.number()?,
            chunk: reader.rest(),
        },
        16 => Message::SnapshotReply {
            term: reader.number()?,
            session: reader.number()?,
            index: reader.number()?,
            offset: reader.number()?,
        },
        17 => Message::TimeoutNow { term: reader.number()? },
        tag => return Err(Malformed(format!("message of tag {tag}"))),
    })
}

fn read_request(reader: &mut Reader<'_>) -> Result<Message, Malformed> {
    let id = reader.number()?;
    let flags = reader.number()?;
    if flags > (HERE | QUERY) {
        return Err(Malformed(format!("request with flags {flags}")));
    }
    let bytes = reader.rest();
    let access = if flags & QUERY != 0 { Access::Query(bytes) } else { Access::Command(bytes) };
    Ok(Message::Request { id, here: flags & HERE != 0, access })
}

fn read_admin(reader: &mut Reader<'_>) -> Result<Message, Malformed> {
    let id = reader.number()?;
    let action = match (reader.number()?, reader.number()?) {
        (0, nodes) => Action::Members(NodeSet(nodes)),
        (1, node) => {
            Action::Transfer(NodeId(u16::try_from(node).map_err(|_| Malformed(format!("transfer to node {node}")))?))
        }
        (2, 0) => Action::Compact,
        (what, argument) => return Err(Malformed(format!("action {what} of {argument}"))),
    };
    Ok(Message::Admin { id, action })
}

fn read_reply(reader: &mut Reader<'_>) -> Result<Message, Malformed> {
    let id = reader.number()?;
    let answer = match reader.number()? {
        0 => Answer::Done(reader.rest()),
        1 => Answer::NotLeader(None),
        2 => Answer::NotLeader(Some(NodeId(reader.small("hint to node")?))),
        3 => Answer::Overloaded,
        4 => Answer::Unavailable,
        5 => Answer::LeaderChanged,
        6 => Answer::Refused,
        code => return Err(Malformed(format!("reply of code {code}"))),
    };
    Ok(Message::Reply { id, answer })
}

fn read_append(reader: &mut Reader<'_>) -> Result<Message, Malformed> {
    let mut numbers = [0; 6];
    for number in &mut numbers {
        *number = reader.number()?;
    }
    let [term, prev_index, prev_term, commit, session, count] = numbers;
    // An entry takes at least its length and a record header: a larger count is a lie that must not cost memory.
    if count > reader.left() as u64 / (1 + crate::log::RECORD_HEADER as u64) {
        return Err(Malformed(format!("append of {count} entries in {} bytes", reader.left())));
    }
    let mut entries = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let record = reader.bytes()?;
        Entry::decode(&record)?;
        entries.push(record);
    }
    Ok(Message::Append { term, prev_index, prev_term, commit, entries: entries.into(), session })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::EntryKind;
    use proto::Message as _;
    use testkit::codec::encoded;

    fn record(term: u64, command: &[u8]) -> Bytes {
        let mut record = Vec::new();
        Entry::encode(&mut record, term, EntryKind::Command, command);
        record.into()
    }

    fn samples() -> Vec<Message> {
        let (term, index) = (300, u64::MAX);
        let command = Bytes::from_static(b"\x01key=value");
        let mut samples = vec![
            Message::Request { id: 1 << 63, here: true, access: Access::Query(command.clone()) },
            Message::Request { id: 0, here: false, access: Access::Command(command.clone()) },
            Message::PreVote { term, last_index: index, last_term: 2 },
            Message::PreVoteReply { term, granted: true },
            Message::Vote { term, last_index: 127, last_term: 128, asked: true },
            Message::VoteReply { term, granted: false },
            Message::Append { term, prev_index: 9, prev_term: 2, commit: 4, entries: vec![].into(), session: 0 },
            Message::Append {
                term,
                prev_index: 9,
                prev_term: 2,
                commit: 4,
                entries: vec![record(2, b""), record(300, &[7; 300])].into(),
                session: 200,
            },
            Message::Accepted { term, index, session: 1 },
            Message::Rejected { term, index: 5, hint_index: 4, hint_term: 1, session: 0 },
            Message::Snapshot { term, session: 0, index, last_term: 2, size: 99, offset: 9, chunk: command.clone() },
            Message::SnapshotReply { term, session: 3, index, offset: 70_000 },
            Message::TimeoutNow { term },
            Message::Admin { id: 3, action: Action::Members(NodeSet(u64::MAX)) },
            Message::Admin { id: 3, action: Action::Transfer(NodeId(4)) },
            Message::Admin { id: 3, action: Action::Compact },
            Message::Heartbeat { term, commit: 5, context: 6 },
            Message::HeartbeatReply { term, context: 6 },
            Message::ReadIndex { term, context: index },
            Message::ReadIndexReply { term, context: index, index: 12 },
        ];
        for answer in [
            Answer::Done(command),
            Answer::NotLeader(None),
            Answer::NotLeader(Some(NodeId(4))),
            Answer::Overloaded,
            Answer::Unavailable,
            Answer::LeaderChanged,
            Answer::Refused,
        ] {
            samples.push(Message::Reply { id: 77, answer });
        }
        samples
    }

    #[test]
    fn every_message_survives_the_wire_and_corrupted_ones_never_panic() {
        testkit::codec::check(&samples());
        assert!(encoded(&Message::Heartbeat { term: 9, commit: 5_000, context: 60 }).len() <= 6);
    }

    #[test]
    fn an_entry_shares_the_bytes_of_its_frame() {
        let frame = encoded(&samples()[7]);
        let Ok(Message::Append { entries, .. }) = Message::decode(&frame) else { panic!("an append") };
        assert!(frame.as_ptr_range().contains(&entries[1].as_ptr()), "copied");
    }

    #[test]
    fn numbers_beyond_64_bits_and_left_over_bytes_are_refused() {
        let mut accepted = vec![8];
        accepted.extend([0xff; 9]);
        accepted.extend([0x02, 0x00, 0x00]);
        assert!(Message::decode(&accepted.into()).is_err());
        assert!(Message::decode(&Bytes::from_static(&[8, 1, 1, 1, 1])).is_err());
        assert!(Message::decode(&Bytes::new()).is_err());
    }
}
