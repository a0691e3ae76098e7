//! Bytes on their way in and out of one connection.

use std::io;

use base::Bytes;
use proto::wire::{self, HEADER, Kind};
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::net::SendFlags;

/// Frames that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    /// Bytes that were written.
    sent: usize,
    /// Where a frame begins, at or before `sent`.
    frame: usize,
}

impl Outbox {
    /// Adds a frame.
    pub fn push(&mut self, kind: Kind, payload: &[u8]) {
        wire::put_frame(&mut self.bytes, kind, payload);
    }

    /// Bytes that wait.
    pub fn waiting(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Makes room for a frame of `payload` bytes below `limit` by dropping the oldest frames, at least a quarter of all at once
    /// so that the cost stays linear. A frame that is partly written stays. Returns how many were dropped.
    pub fn make_room(&mut self, payload: usize, limit: usize) -> u64 {
        if self.waiting() + payload + HEADER <= limit {
            return 0;
        }
        self.find_frame();
        let target = (limit * 3 / 4).saturating_sub(payload + HEADER);
        let (mut end, mut dropped) = (self.frame, 0);
        while self.bytes.len() - end > target {
            let Some(size) = self.size_at(end) else { break };
            end += size;
            dropped += 1;
        }
        self.bytes.drain(self.frame..end);
        dropped
    }

    /// Forgets all. Returns how many frames were not written whole.
    pub fn clear(&mut self) -> u64 {
        let mut dropped = 0;
        let mut at = self.frame;
        while let Some(size) = self.size_at(at) {
            at += size;
            dropped += u64::from(at > self.sent);
        }
        *self = Outbox::default();
        dropped
    }

    /// Writes what the socket takes. Returns whether all is written.
    pub fn flush(&mut self, socket: impl AsFd) -> io::Result<bool> {
        while self.sent < self.bytes.len() {
            match rustix::net::send(&socket, &self.bytes[self.sent..], SendFlags::NOSIGNAL) {
                Ok(n) => self.sent += n,
                Err(Errno::AGAIN) => {
                    self.compact();
                    return Ok(false);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.bytes.clear();
        self.bytes.shrink_to(1 << 20);
        (self.sent, self.frame) = (0, 0);
        Ok(true)
    }

    /// Gives back the front when most of the buffer is written.
    fn compact(&mut self) {
        if self.sent > self.bytes.len() / 2 {
            // Back to the beginning of the frame that is partly written.
            while let Some(size) = self.size_at(self.frame)
                && self.frame + size <= self.sent
            {
                self.frame += size;
            }
            self.bytes.drain(..self.frame);
            self.sent -= self.frame;
            self.frame = 0;
        }
    }

    /// Moves `frame` to the first one of which nothing is written.
    fn find_frame(&mut self) {
        while self.frame < self.sent
            && let Some(size) = self.size_at(self.frame)
        {
            self.frame += size;
        }
    }

    fn size_at(&self, at: usize) -> Option<usize> {
        wire::frame_size(self.bytes.get(at..)?).ok().flatten()
    }
}

/// The beginning of a frame that has not arrived whole.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    partial: Vec<u8>,
}

impl Inbox {
    /// Takes the bytes that arrived and hands over each whole frame. An error ends the connection.
    pub fn take(
        &mut self,
        arrived: &[u8],
        mut frame: impl FnMut(Kind, Bytes) -> Result<(), proto::Malformed>,
    ) -> Result<(), proto::Malformed> {
        if self.partial.is_empty() {
            let taken = split(arrived, &mut frame)?;
            self.partial.extend_from_slice(&arrived[taken..]);
        } else {
            self.partial.extend_from_slice(arrived);
            let taken = split(&self.partial, &mut frame)?;
            self.partial.drain(..taken);
            if self.partial.is_empty() {
                self.partial.shrink_to(64 << 10);
            }
        }
        Ok(())
    }
}

/// Hands over the whole frames at the front of `bytes` and returns their size together.
fn split(
    bytes: &[u8],
    frame: &mut impl FnMut(Kind, Bytes) -> Result<(), proto::Malformed>,
) -> Result<usize, proto::Malformed> {
    let mut taken = 0;
    while let Some(size) = wire::frame_size(&bytes[taken..])? {
        // One copy: a message owns its bytes, so an actor that keeps one keeps no buffer alive.
        let (kind, payload) = wire::open_frame(&Bytes::copy_from_slice(&bytes[taken..taken + size]))?;
        frame(kind, payload)?;
        taken += size;
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn frames(bytes: &[u8]) -> Vec<u8> {
        let mut seen = Vec::new();
        let keep = |_, payload: Bytes| {
            seen.push(payload[0]);
            Ok(())
        };
        Inbox::default().take(bytes, keep).unwrap();
        seen
    }

    #[test]
    fn frames_arrive_whole_however_they_are_cut() {
        let mut bytes = Vec::new();
        (0..5u8).for_each(|i| wire::put_frame(&mut bytes, Kind::Message, &vec![i; 1 + usize::from(i) * 3]));
        for step in 1..bytes.len() {
            let mut inbox = Inbox::default();
            let mut seen = Vec::new();
            for chunk in bytes.chunks(step) {
                let keep = |kind, payload: Bytes| {
                    seen.push((kind, payload.len()));
                    Ok(())
                };
                inbox.take(chunk, keep).unwrap();
            }
            assert_eq!(seen, [1, 4, 7, 10, 13].map(|size| (Kind::Message, size)));
        }
    }

    #[test]
    fn a_full_outbox_drops_the_oldest_frames_that_are_not_begun() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let mut outbox = Outbox::default();
        let big = vec![7; 1 << 20];
        outbox.push(Kind::Message, &big);
        assert!(!outbox.flush(&ours).unwrap(), "the first frame must be partly written");
        let mut dropped = 0;
        for i in 0..100u8 {
            dropped += outbox.make_room(100_000, 4 << 20);
            outbox.push(Kind::Message, &[i; 100_000]);
            assert!(outbox.waiting() <= 4 << 20);
        }
        let mut arrived = Vec::new();
        while outbox.waiting() > 0 {
            let _ = io::Read::read_to_end(&mut theirs, &mut arrived);
            outbox.flush(&ours).unwrap();
        }
        let _ = io::Read::read_to_end(&mut theirs, &mut arrived);
        let kept = 100 - dropped as u8;
        let expected: Vec<u8> = std::iter::once(7).chain(100 - kept..100).collect();
        assert_eq!(frames(&arrived), expected, "{dropped} dropped");
        assert!(dropped > 0);
    }

    #[test]
    fn clearing_counts_the_frames_that_did_not_leave() {
        let mut outbox = Outbox::default();
        (0..3).for_each(|_| outbox.push(Kind::Message, b"x"));
        assert_eq!(outbox.clear(), 3);
        assert_eq!(outbox.waiting(), 0);
    }
}
