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
    Forgets = "forgets", "linearizable, leader-completeness, state-machine-safety, committed-on-quorum",
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
    OlderLogElected = "older-log-elected", "leader-completeness, state-machine-safety, committed-on-quorum, linearizable",
        "markwylde/liferaft #8, #10",
        "a vote is refused only if the candidate's last term AND last index are older, instead of comparing them in that order";
    OldTermCommit = "old-term-commit", "leader-completeness, state-machine-safety",
        "logcabin #44; PySyncObj (SandTable); Raft paper figure 8",
        "the leader commits entries of earlier terms by counting replicas";
    CommitGoesBack = "commit-goes-back", "monotone",
        "PySyncObj #166",
        "a follower takes over the leader's commit index even if it is lower than its own";
    CommitUnchecked = "commit-unchecked", "state-machine-safety, linearizable",
        "atomix/copycat #265",
        "a follower commits up to its last entry, also what the leader's append did not vouch for";
    MatchGoesBack = "match-goes-back", "match-monotone",
        "RaftOS #25, PySyncObj #167",
        "a delayed acknowledgement lowers what the leader knows a follower to have";
    AcksUnchecked = "acks-unchecked", "committed-on-quorum, state-machine-safety",
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
    ReadUnconfirmed = "read-unconfirmed", "linearizable",
        "deventlab/d-engine #381; etcd-io/etcd #741",
        "the leader answers reads before a quorum has confirmed that it still leads";
}
