//! Rare paths, which random runs must not all miss: a hunt says which were not taken.

proto::marks! {
    SplitVote = "an election ends without a winner";
    ShorterLogRefused = "a vote is refused for want of entries";
    OldTailInherited = "a leader begins with entries of earlier terms that are not committed";
    OldTermNotCounted = "entries of an earlier term are on a quorum, and not committed for that alone (figure 8)";
    LostQuorum = "a leader steps down because it hears from no quorum";
    ConflictCut = "a follower gives up entries that its leader does not have";
    LateAppend = "an append comes that tells less than the log has";
    LateRejection = "a rejection comes of what was acknowledged since";
    OldSession = "an answer comes to what was sent before the server was made a member again";
    TermOfEntry = "a crash kept an entry and lost its term";
    SnapshotInChunks = "a snapshot travels in several chunks";
    SnapshotOvertaken = "while a snapshot travels, a newer one takes its place";
    SnapshotInstalled = "a snapshot replaces a log";
    SnapshotInVain = "a snapshot comes of what the log has already";
    SnapshotWithoutLog = "a crash came between a snapshot and the log that goes on after it";
    ReadInVain = "a follower drops reads because its leader is gone";
    LeaseRead = "a leader answers in trust of its lease";
    HeldUntilNoop = "a read waits for the first commit of a term";
    JointLeftByHeir = "a joint step is left by another leader than began it";
    ChangeGivenUp = "a new member does not catch up";
    LeaderRemoved = "a leader takes itself out";
    TransferTaken = "a server campaigns because its leader asks it to";
    TransferExpired = "a leader keeps its office, since its heir did not take it";
    DiskRefused = "a disk refuses a write";
}
