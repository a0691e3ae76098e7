//! The 64 bytes of one operation, little-endian.
//!
//! | offset | width | field |
//! | ---: | ---: | --- |
//! | 0 | 8 | due, ns since the start of the run |
//! | 8 | 8 | sent, ns |
//! | 16 | 8 | done, ns |
//! | 24 | 8 | argument (a list's place in a side file, later) |
//! | 32 | 8 | expected |
//! | 40 | 8 | result |
//! | 48 | 4 | process |
//! | 52 | 4 | key |
//! | 56 | 3 | size of the value in bytes, at most 16 MiB - 1 |
//! | 59 | 1 | error |
//! | 60 | 2 | node |
//! | 62 | 1 | function |
//! | 63 | 1 | status (low half) and phase (high half); written last |
//!
//! The status is stored after everything else, in release order, so that a record which shows a status is whole: a writer that
//! is killed between two stores leaves an empty record or one that is still claimed, never a wrong one.

use std::sync::atomic::{AtomicU8, Ordering};

use base::{NodeId, ProcessId, Time};

use crate::operation::{Claim, Completion, ErrorKind, Function, NIL, Operation, Outcome, Phase, Request};

/// Bytes of one record: a cache line.
pub const SIZE: usize = 64;

/// Where a record is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Nothing was written here.
    Empty = 0,
    /// Under way. After the writer's death: unknown.
    Claimed = 1,
    /// It happened.
    Ok = 2,
    /// It did not happen.
    Fail = 3,
    /// It may have happened.
    Info = 4,
    /// Still queued in the client at its deadline.
    NeverSent = 5,
}

impl Status {
    const ALL: &[Status] = &[Status::Empty, Status::Claimed, Status::Ok, Status::Fail, Status::Info, Status::NeverSent];

    fn of(outcome: Outcome) -> Status {
        match outcome {
            Outcome::Ok => Status::Ok,
            Outcome::Fail => Status::Fail,
            Outcome::Info => Status::Info,
        }
    }
}

#[repr(C, align(64))]
struct Record {
    due: u64,
    sent: u64,
    done: u64,
    argument: u64,
    expected: u64,
    result: u64,
    process: u32,
    key: u32,
    size_and_error: u32,
    node: u16,
    function: u8,
    status: AtomicU8,
}

const _: () = assert!(size_of::<Record>() == SIZE && cfg!(target_endian = "little"));

const LARGEST_SIZE: u32 = (1 << 24) - 1;

/// Writes a claimed record.
///
/// # Safety
/// `place` is aligned to 64 bytes, its 64 bytes are writable, and no other thread touches them but for their status byte.
#[inline]
pub unsafe fn write_claim(place: *mut u8, claim: &Claim, status: Status) {
    let record = place.cast::<Record>();
    // SAFETY: the caller vouches for the place; the fields are written through raw pointers, so no reference to
    // memory that another process may map is made, except to the atomic.
    unsafe {
        (&raw mut (*record).due).write(claim.due.0);
        (&raw mut (*record).sent).write(claim.sent.0);
        (&raw mut (*record).done).write(u64::MAX);
        (&raw mut (*record).argument).write(claim.request.argument);
        (&raw mut (*record).expected).write(claim.request.expected);
        (&raw mut (*record).result).write(NIL);
        (&raw mut (*record).process).write(claim.process.0);
        (&raw mut (*record).key).write(claim.request.key);
        (&raw mut (*record).size_and_error).write(claim.request.size.min(LARGEST_SIZE));
        (&raw mut (*record).node).write(claim.node.0);
        (&raw mut (*record).function).write(claim.request.function as u8);
        (*record).status.store(status as u8 | (claim.phase as u8) << 4, Ordering::Release);
    }
}

/// Completes a claimed record in place. The outcome `info` keeps `done` at never: it stays open for ever.
///
/// # Safety
/// As for [`write_claim`], of a record that was claimed.
#[inline]
pub unsafe fn write_completion(place: *mut u8, done: Time, completion: &Completion) {
    let record = place.cast::<Record>();
    let error = (completion.error as u32) << 24;
    // SAFETY: as in `write_claim`.
    unsafe {
        if completion.outcome != Outcome::Info {
            (&raw mut (*record).done).write(done.0);
        }
        (&raw mut (*record).result).write(completion.result);
        let packed = (&raw const (*record).size_and_error).read() & LARGEST_SIZE;
        (&raw mut (*record).size_and_error).write(packed | error);
        let phase = (*record).status.load(Ordering::Relaxed) & 0xF0;
        (*record).status.store(Status::of(completion.outcome) as u8 | phase, Ordering::Release);
    }
}

/// Reads one record. `None`: nothing was written here. `Err`: what cannot be.
pub fn read(bytes: &[u8; SIZE]) -> Result<Option<Operation>, String> {
    let status = bytes[63] & 0x0F;
    let status = *Status::ALL.get(usize::from(status)).ok_or_else(|| format!("status code {status}"))?;
    if status == Status::Empty {
        return Ok(None);
    }
    let packed = u32_at(bytes, 56);
    let error = ErrorKind::from_code((packed >> 24) as u16).ok_or_else(|| format!("error code {}", packed >> 24))?;
    let function = Function::from_code(bytes[62]).ok_or_else(|| format!("function code {}", bytes[62]))?;
    let phase = Phase::from_code(bytes[63] >> 4).ok_or_else(|| format!("phase code {}", bytes[63] >> 4))?;
    let completion = match status {
        Status::Ok => Completion { outcome: Outcome::Ok, result: u64_at(bytes, 40), error },
        Status::Fail => Completion { outcome: Outcome::Fail, result: u64_at(bytes, 40), error },
        Status::Info => Completion::info(error),
        Status::NeverSent => Completion::fail(ErrorKind::NeverSent),
        Status::Claimed | Status::Empty => Completion::info(ErrorKind::Abandoned),
    };
    Ok(Some(Operation {
        process: ProcessId(u32_at(bytes, 48)),
        node: NodeId(u16::from_le_bytes([bytes[60], bytes[61]])),
        request: Request {
            function,
            key: u32_at(bytes, 52),
            argument: u64_at(bytes, 24),
            expected: u64_at(bytes, 32),
            size: packed & LARGEST_SIZE,
        },
        due: Time(u64_at(bytes, 0)),
        sent: Time(u64_at(bytes, 8)),
        done: if completion.outcome == Outcome::Info { Time::MAX } else { Time(u64_at(bytes, 16)) },
        completion,
        phase,
    }))
}

/// A record as it is now, while its writer may be completing it; and whether it is complete. What is under way reads as abandoned.
///
/// # Safety
/// `place` is aligned to 64 bytes and its 64 bytes are readable; they are written by [`write_claim`] and [`write_completion`] alone.
pub unsafe fn peek(place: *const u8) -> Result<Option<(Operation, bool)>, String> {
    let mut bytes = [0; SIZE];
    // SAFETY: the place is readable. After the status of a claim nothing but what the completion writes changes, and that is not read
    // here; after that of a completion, nothing does.
    unsafe {
        let status = (&raw const (*place.cast::<Record>()).status).as_ref().map_or(0, |s| s.load(Ordering::Acquire));
        let claimed = status & 0x0F == Status::Claimed as u8;
        let stable: &[std::ops::Range<usize>] = match status & 0x0F {
            0 => return Ok(None),
            _ if claimed => &[0..16, 24..40, 48..56, 60..63],
            _ => std::slice::from_ref(&BEFORE_STATUS),
        };
        for range in stable {
            let to = bytes[range.clone()].as_mut_ptr();
            std::ptr::copy_nonoverlapping(place.add(range.start), to, range.len());
        }
        bytes[SIZE - 1] = status;
        Ok(read(&bytes)?.map(|operation| (operation, !claimed)))
    }
}

/// All of a record but its status.
const BEFORE_STATUS: std::ops::Range<usize> = 0..SIZE - 1;

fn u64_at(bytes: &[u8; SIZE], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn u32_at(bytes: &[u8; SIZE], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}
