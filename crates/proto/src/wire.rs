//! Frames on a connection between nodes, or between a client and a node.
//!
//! A frame is `length: u32` (little endian, of what follows), `kind: u8`, then the payload. The first frame of a connection is
//! a [`Kind::Hello`] that says who dialled: a node's connection carries messages one way, from the dialler; a client's
//! carries them both ways. Relays of the testbed forward, delay and drop whole frames and know no more than this.

use base::{Bytes, NodeId};

use crate::actor::Malformed;

/// Longest frame that is read: a larger length means that the peer does not speak this protocol.
pub const MAX_FRAME: usize = 64 << 20;

/// Bytes of a frame before its payload.
pub const HEADER: usize = 5;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Who dialled: see [`Hello`].
    Hello = 1,
    /// A message of the protocol.
    Message = 2,
    /// Asks for the node's observation. Empty payload.
    Probe = 3,
    /// The node's observation, as JSON.
    Observation = 4,
}

/// The first frame of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hello {
    /// The dialler is this node. A claim. Hosts add eight bytes to the payload: the number of their cluster.
    Node(NodeId),
    /// The dialler is a client.
    Client,
}

impl Hello {
    /// The payload of the hello frame.
    pub fn encode(self) -> [u8; 3] {
        match self {
            Hello::Node(node) => {
                let [low, high] = node.0.to_le_bytes();
                [1, low, high]
            }
            Hello::Client => [2, 0, 0],
        }
    }

    /// Reads the payload of a hello frame.
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        match payload {
            [1, low, high] => Ok(Hello::Node(NodeId(u16::from_le_bytes([*low, *high])))),
            [2, 0, 0] => Ok(Hello::Client),
            _ => Err(Malformed(format!("hello of {} bytes", payload.len()))),
        }
    }
}

/// Appends a frame to `buffer`.
pub fn put_frame(buffer: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    buffer.extend_from_slice(&(payload.len() as u32 + 1).to_le_bytes());
    buffer.push(kind as u8);
    buffer.extend_from_slice(payload);
}

/// The size in bytes of the whole frame at the front of `buffer`, header included; `None` if more bytes are needed.
pub fn frame_size(buffer: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some(prefix) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_le_bytes(*prefix) as usize;
    if length == 0 || length > MAX_FRAME {
        return Err(Malformed(format!("frame of {length} bytes")));
    }
    Ok((buffer.len() >= 4 + length).then_some(4 + length))
}

/// Splits a whole frame into kind and payload. `frame` must be as long as [`frame_size`] said.
pub fn open_frame(frame: &Bytes) -> Result<(Kind, Bytes), Malformed> {
    let kind = match frame.get(4) {
        Some(1) => Kind::Hello,
        Some(2) => Kind::Message,
        Some(3) => Kind::Probe,
        Some(4) => Kind::Observation,
        other => return Err(Malformed(format!("frame of kind {other:?}"))),
    };
    Ok((kind, frame.slice(HEADER..)))
}
