//! Ports for nodes that share one address.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;

use crate::error::{Error, Result};

/// Below are well-known services.
const LOWEST: u16 = 12_000;

/// Free ports on 127.0.0.1 that the kernel does not hand out to outgoing connections, so that a node that was killed gets its port
/// back. Starts at a place that depends on `salt`, so that runs side by side rarely look at the same ports; `taken` are never
/// chosen.
pub(crate) fn choose(count: usize, salt: u64, taken: &BTreeSet<u16>) -> Result<Vec<u16>> {
    let candidates = candidates(&ephemeral());
    let begin = (base::mix(salt, 0) % candidates.len() as u64) as usize;
    let rotated = candidates[begin..].iter().chain(&candidates[..begin]).copied();
    let free: Vec<u16> = rotated.filter(|port| !taken.contains(port) && is_free(*port)).take(count).collect();
    if free.len() < count {
        return Err(Error::State(format!("only {} of {count} ports are free on 127.0.0.1", free.len())));
    }
    Ok(free)
}

fn candidates(ephemeral: &RangeInclusive<u16>) -> Vec<u16> {
    let outside: Vec<u16> = (LOWEST..=u16::MAX).filter(|port| !ephemeral.contains(port)).collect();
    // A machine that gives everything to outgoing connections leaves no choice.
    if outside.len() >= 256 { outside } else { (LOWEST..=u16::MAX).collect() }
}

fn ephemeral() -> RangeInclusive<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = text.split_whitespace().map_while(|bound| bound.parse().ok());
    match (bounds.next(), bounds.next()) {
        (Some(low), Some(high)) => low..=high,
        _ => 32_768..=60_999,
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_lie_outside_the_range_of_outgoing_connections() {
        let candidates = candidates(&(32_768..=60_999));
        assert_eq!((candidates[0], candidates[candidates.len() - 1]), (LOWEST, u16::MAX));
        assert!(!candidates.contains(&40_000));
        assert!(super::candidates(&(1..=u16::MAX)).len() > 1000, "never without a choice");
    }

    #[test]
    fn a_port_in_use_or_taken_is_not_chosen() {
        let first = choose(2, 7, &BTreeSet::new()).unwrap();
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, first[0])).unwrap();
        let second = choose(2, 7, &BTreeSet::from([first[1]])).unwrap();
        assert!(!second.contains(&first[0]) && !second.contains(&first[1]), "{first:?} {second:?}");
        drop(held);
    }
}
