//! Packet filters of one node: scripts for `nft`, and what it says about its counters. Pure.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use base::NodeId;
use fault::LinkRule;

use crate::evidence::LinkCounters;

/// The one table of the bench inside a node's namespace.
pub(crate) const TABLE: &str = "inet assize";

/// What arrives from one node, and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inbound {
    pub from: NodeId,
    pub address: Ipv4Addr,
    pub rule: LinkRule,
}

/// A script that replaces all rules of a node in one transaction. Drops happen on input: on output the sender would be told.
/// Counters live beside the rules, so that they outlast a change of rules.
pub(crate) fn replace(inbound: &[Inbound]) -> String {
    let mut script = format!("add table {TABLE}\n");
    for line in inbound {
        script += &format!("add counter {TABLE} from_{}\n", line.from);
    }
    script += &format!("add chain {TABLE} in {{ type filter hook input priority -300; policy accept; }}\n");
    script += &format!("flush chain {TABLE} in\n");
    for line in inbound.iter().filter(|line| line.rule.cut || line.rule.loss > 0.0) {
        let chance = match line.rule.cut {
            true => String::new(),
            false => format!("numgen random mod 1000000 < {} ", (line.rule.loss * 1e6).round() as u64),
        };
        script +=
            &format!("add rule {TABLE} in ip saddr {} {chance}counter name from_{} drop\n", line.address, line.from);
    }
    script
}

/// Reads `nft -j list counters table inet assize`: packets dropped by sender.
pub(crate) fn read_counters(json: &str) -> Option<BTreeMap<NodeId, LinkCounters>> {
    let listing: serde_json::Value = serde_json::from_str(json).ok()?;
    let counters = listing.get("nftables")?.as_array()?.iter().filter_map(|object| object.get("counter"));
    counters
        .map(|counter| {
            let from = counter.get("name")?.as_str()?.strip_prefix("from_")?.parse().ok()?;
            let dropped = counter.get("packets")?.as_u64()?;
            let dropped_bytes = counter.get("bytes")?.as_u64()?;
            Some((from, LinkCounters { dropped, dropped_bytes, ..LinkCounters::default() }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn one_transaction_replaces_all_rules_of_a_node() {
        let inbound = |number: u16, rule| Inbound {
            from: NodeId(number - 1),
            address: Ipv4Addr::new(10, 77, 0, number as u8),
            rule,
        };
        let lossy = LinkRule { loss: 0.05, ..LinkRule::CLEAR };
        expect![[r#"
            add table inet assize
            add counter inet assize from_n2
            add counter inet assize from_n3
            add counter inet assize from_n4
            add chain inet assize in { type filter hook input priority -300; policy accept; }
            flush chain inet assize in
            add rule inet assize in ip saddr 10.77.0.2 counter name from_n2 drop
            add rule inet assize in ip saddr 10.77.0.3 numgen random mod 1000000 < 50000 counter name from_n3 drop
        "#]]
        .assert_eq(&replace(&[inbound(2, LinkRule::CUT), inbound(3, lossy), inbound(4, LinkRule::CLEAR)]));
    }

    #[test]
    fn counters_are_read_by_sender() {
        let json = r#"{"nftables": [{"metainfo": {"version": "1.0.6"}},
            {"counter": {"family": "inet", "name": "from_n2", "table": "assize", "handle": 2, "packets": 7, "bytes": 420}}]}"#;
        let counters = read_counters(json).unwrap();
        assert_eq!(counters.len(), 1);
        assert_eq!((counters[&NodeId(1)].dropped, counters[&NodeId(1)].dropped_bytes), (7, 420));
        assert_eq!(read_counters("{}"), None);
    }
}
