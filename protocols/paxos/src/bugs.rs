//! Bugs that can be planted by one switch each, to prove that the bench finds them.
//!
//! Each is one `if` at the place in the code where somebody's implementation really had it; search for `Planted::`.

proto::bugs! {
    "paxos";
    AcceptsBelowPromise = "accepts-below-promise", "agreement, accepted-within-promise, linearizable",
        "the paper, P1a",
        "an acceptor accepts at any ballot, whatever it has promised";
    AcceptDoesNotPromise = "accept-does-not-promise", "agreement, accepted-within-promise, linearizable",
        "scylladb/scylladb #6139",
        "accepting does not raise the promise, so an acceptor that never promised lets a lower ballot overwrite a higher one";
    PromiseHidesAccepted = "promise-hides-accepted", "agreement, linearizable",
        "the paper, P2c",
        "a promise does not tell the value that was accepted before";
    OwnValueFirst = "own-value-first", "agreement, linearizable",
        "the paper, P2c",
        "a proposer proposes its own value although a promise told another";
    FirstAcceptedWins = "first-accepted-wins", "agreement, linearizable",
        "the paper, P2c: \"the highest-numbered\"",
        "a proposer takes over the value of the first promise that told one, not of the highest ballot";
    OneBallot = "one-ballot", "agreement, linearizable",
        "EPaxos: P. Sutra, On the correctness of Egalitarian Paxos, 2019",
        "one variable for the ballot promised and the ballot accepted: a promise makes an old value look newer";
    PromiseNotSaved = "promise-not-saved", "agreement, linearizable",
        "Paxos Made Live (2007), 5.1: what a replica forgets, it may promise again",
        "a promise is told before it is on disk";
    AcceptNotSaved = "accept-not-saved", "agreement, linearizable",
        "scylladb/scylladb #6149 and #6154: acceptor state that expires",
        "a value is accepted before it is on disk";
    BallotReused = "ballot-reused", "one-value-a-ballot, agreement, linearizable",
        "the paper, 3: \"a proposer remembers in stable storage the highest-numbered proposal it has tried\"",
        "a proposer that restarts does not remember the ballots that it has used";
    BallotTies = "ballot-ties", "agreement, one-value-a-ballot, linearizable",
        "the paper, 2.2: \"different proposers choose their numbers from disjoint sets\"",
        "ballots of two servers in the same round pass for the same";
    QuorumsDisjoint = "quorums-disjoint", "agreement, linearizable",
        "scylladb/scylladb #5251; Howard, Malkhi & Spiegelman 2016",
        "prepare and accept quorums are so small that they need not meet";
    ForgetsWhenChosen = "forgets-when-chosen", "agreement, promise-monotone, linearizable",
        "scylladb/scylladb #6154",
        "hearing that a version is decided, even late, erases promise and accepted value of the next";
    AcksCountedTwice = "acks-counted-twice", "agreement, linearizable",
        "xnnyygn/xraft #27 and microsoft/coyote-samples #8, the same of votes",
        "an acceptance that arrives twice counts as two acceptors";
    AcksOfAnyInstance = "acks-of-any-instance", "agreement, linearizable",
        "jjzhang/booth PR 47",
        "a late acceptance of an earlier instance counts for the present one";
    ReadSkipsInFlight = "read-skips-in-flight", "linearizable",
        "CASSANDRA-12126 = scylladb/scylladb #6299",
        "a read does not complete a proposal under way: a value appears and is gone again";
    ReadLocal = "read-local", "linearizable",
        "etcd-io/etcd #741, the same in Raft",
        "a server answers reads from what it has learned";
    WipedVotes = "wiped-votes", "agreement, linearizable",
        "Paxos Made Live (2007), 5.1: a replica with a corrupted disk",
        "an acceptor whose disk was emptied takes part in the vote at once, and has forgotten what it promised";
    DiskErrorIgnored = "disk-error-ignored", "agreement, linearizable",
        "MartinKalema/horizontal-scaling-convex #156: the error is logged, and the node goes on",
        "a server whose disk refused a write goes on promising and accepting in memory";
    RetriesBlindly = "retries-blindly", "linearizable",
        "scylladb/scylladb PR 25602: why a partly accepted write must not be retried",
        "a proposer that is refused in phase 2 proposes its value anew for the next version, although it may have been chosen";
}
