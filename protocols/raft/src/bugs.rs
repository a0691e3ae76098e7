//! Bugs that can be planted by one switch each, to prove that the bench finds them.
//!
//! Each is one `if` at the place in the code where somebody's implementation really had it; search for `Planted::`.

proto::bugs! {
    "raft";
    StaleRead = "stale-read", "linearizable",
        "etcd before 3.0 (etcd-io/etcd #741); Consul's and etcd's documented stale mode",
        "a follower answers reads from its own state, which may be behind";
    LostWrite = "lost-write", "linearizable, committed-on-quorum",
        "asynchronous replication with fail-over: Redis Sentinel (jepsen.io/analyses/283-call-me-maybe-redis)",
        "the leader acknowledges what it alone has: an entry is lost when the leader is cut off or dies";
    Forgets = "forgets", "linearizable, leader-completeness, state-machine-safety, agreement, committed-on-quorum",
        "robustmq PR 2039; MongoDB with journaling off",
        "entries are acknowledged before they are synced: a crash forgets them";
    VoteInTwoWrites = "vote-in-two-writes", "election-safety",
        "hashicorp/raft #661",
        "term and vote are saved by two writes and the reply waits only for the first: a crash between them allows a second vote";
    VoteNotSaved = "vote-not-saved", "election-safety",
        "NodeDB-Lab/nodedb #161",
        "a vote is given but never written: after a crash the node votes again in the same term";
    StaleVoteReply = "stale-vote-reply", "election-safety",
        "Xraft #33 (SandTable, EuroSys'24)",
        "a candidate accepts a vote that was given in an older term";
    OwnVoteNotRecorded = "own-vote-not-recorded", "election-safety, one-vote-a-term",
        "vesoft-inc/nebula PR 3415",
        "a candidate does not record its own vote, and later votes for another in the same term";
    PreVoteClearsVote = "pre-vote-clears-vote", "one-vote-a-term, election-safety",
        "canonical/raft #196",
        "starting a pre-vote forgets whom the node voted for in this term";
    PreVoteCounts = "pre-vote-counts", "election-safety",
        "canonical/raft #196 (comment)",
        "a pre-vote that arrives late is counted as a vote";
    OlderLogElected = "older-log-elected", "leader-completeness, state-machine-safety, agreement, committed-on-quorum, linearizable",
        "markwylde/liferaft #8, #10",
        "a vote is refused only if the candidate's last term AND last index are older, instead of comparing them in that order";
    OldTermCommit = "old-term-commit", "commits-own-term, leader-completeness, state-machine-safety, agreement",
        "logcabin #44; PySyncObj (SandTable); Raft paper figure 8",
        "the leader commits entries of earlier terms by counting replicas";
    CommitGoesBack = "commit-goes-back", "monotone",
        "PySyncObj #166",
        "a follower takes over the leader's commit index even if it is lower than its own";
    CommitUnchecked = "commit-unchecked", "state-machine-safety, agreement, linearizable",
        "atomix/copycat #265",
        "a follower commits up to its last entry, also what the leader's append did not vouch for";
    MatchGoesBack = "match-goes-back", "match-monotone",
        "RaftOS #25, PySyncObj #167",
        "a delayed acknowledgement lowers what the leader knows a follower to have";
    AcksUnchecked = "acks-unchecked", "committed-on-quorum, state-machine-safety, agreement",
        "microsoft/CCF #5674, PR 6016",
        "a follower acknowledges its last entry, not the last one that this append vouched for";
    TruncatesAlways = "truncates-always", "committed-on-quorum, leader-completeness, monotone",
        "RaftOS #26",
        "a follower cuts its log after every append, also when the entries agree: a delayed append erases acknowledged ones";
    ReadBeforeNoop = "read-before-noop", "linearizable",
        "etcd-io/etcd #7331; RedisLabs/redisraft PR 22",
        "a new leader reads at its commit index before it has committed an entry of its own term";
    ReadContextReused = "read-context-reused", "linearizable",
        "etcd-io/etcd #20418",
        "read rounds share one context: a late acknowledgement of an earlier round confirms a later one";
    StaleOrder = "stale-order", "committed-on-quorum, state-machine-safety, agreement, leader-completeness, linearizable",
        "databendlabs/openraft #1802",
        "the leader keeps its followers sorted by what they have, and does not sort anew when one above the quorum's value moves";
    BoundaryOffByOne = "boundary-off-by-one", "comes-back, log-matching, state-machine-safety, agreement, leader-completeness, committed-on-quorum, linearizable",
        "WRaft #118 (SandTable, EuroSys'24)",
        "at the first entry behind a snapshot an append's previous entry passes unlooked at";
    AppendsBlindlyAtZero = "appends-blindly-at-zero", "log-matching, validity, state-machine-safety, agreement, linearizable",
        "WRaft #118; RedisLabs/raft #49",
        "an append after entry 0 always matches, also when the log begins behind a snapshot: entries are there twice";
    SnapshotKeepsConflict = "snapshot-keeps-conflict", "log-matching, state-machine-safety, agreement, committed-on-quorum, leader-completeness",
        "hashicorp/raft #697, PR 704",
        "installing a snapshot keeps the log behind it, also if that conflicts with the snapshot's last entry";
    OldSnapshotTruncates = "old-snapshot-truncates", "monotone, committed-on-quorum, leader-completeness, linearizable",
        "camunda/zeebe #6092",
        "an older snapshot that comes late replaces a log that has more";
    SnapshotSetsTerm = "snapshot-sets-term", "monotone, one-vote-a-term, election-safety",
        "WRaft #118 (SandTable, EuroSys'24)",
        "the term of a snapshot's last entry becomes the server's";
    ChangesBeforeNoop = "changes-before-noop", "quorums-overlap, leader-completeness, state-machine-safety, agreement, committed-on-quorum, election-safety",
        "D. Ongaro, bug in single-server membership changes, raft-dev, 10 July 2015; hydro-project/hydro PR 3192",
        "a leader changes the members before an entry of its term is committed";
    LeavesJointEarly = "leaves-joint-early", "one-change-at-a-time, quorums-overlap, leader-completeness, state-machine-safety, agreement",
        "camunda/camunda PR 61854",
        "a joint step is left before it is committed";
    LeaseOutlivesTransfer = "lease-outlives-transfer", "linearizable",
        "tikv/tikv #1593; tikv/raft-rs #234",
        "a leader that has told another to campaign goes on to trust its lease";
    LeaseByTicks = "lease-by-ticks", "linearizable",
        "tikv/tikv #964",
        "a lease is counted in ticks of a timer, which stand still while the process does";
    TransferOutlivesOffice = "transfer-outlives-office", "progress",
        "hashicorp/raft #696",
        "that the office is being handed over is not forgotten when it is lost: elected again, the leader refuses every write";
    LeaderCountsUnsynced = "leader-counts-unsynced", "linearizable, leader-completeness, state-machine-safety, agreement, committed-on-quorum",
        "etcd-io/etcd #10508",
        "the leader counts and applies its own entries before its disk has them";
    IndexBeforeApply = "index-before-apply", "snapshot-state, state-machine-safety, agreement, linearizable",
        "etcd 3.5 post-mortem (etcd-io/etcd #13766)",
        "the index of an entry is saved with the state before the entry is applied: a restart skips it";
    IgnoresDiskErrors = "ignores-disk-errors", "linearizable, leader-completeness, state-machine-safety, agreement, committed-on-quorum, one-vote-a-term, election-safety",
        "MartinKalema/horizontal-scaling-convex #156",
        "a failed write is noted, and the server goes on as if it were durable";
    FlushesUncommitted = "flushes-uncommitted", "snapshot-state, state-machine-safety, agreement, leader-completeness, log-matching",
        "etcd-io/etcd #20426, #22028",
        "the state is saved with entries that are not committed";
    CommitNotSynced = "commit-not-synced", "comes-back",
        "etcd-io/etcd PR 7899",
        "the commit index is not saved with what is applied: a restart finds more applied than committed, and gives up";
    CompactsBeforeSnapshot = "compacts-before-snapshot", "comes-back",
        "etcd-io/etcd PR 12691",
        "the log is cut before the snapshot that replaces it is durable: a crash in between leaves a gap";
    ReadUnconfirmed = "read-unconfirmed", "linearizable",
        "deventlab/d-engine #381; etcd-io/etcd #741",
        "the leader answers reads before a quorum has confirmed that it still leads";
}
