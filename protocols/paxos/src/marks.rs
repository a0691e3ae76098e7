//! Rare paths, which random runs must not all miss: a hunt says which were not taken.

proto::marks! {
    PromiseRefused = "a promise is refused";
    AcceptRefused = "an acceptance is refused: a rival was promised more in between";
    TakenOver = "a proposer takes over a value that was accepted at an earlier ballot";
    SeveralAccepted = "promises tell values of several ballots";
    OwnValueLost = "another value is chosen in place of the proposer's";
    TooLongAgo = "a proposer cannot tell any more whether its value was chosen";
    ReadWaits = "a read finds a proposal under way";
    ReadProposes = "a read completes a proposal itself";
    Behind = "an acceptor lacks what was decided before";
    LateAnswer = "an acceptance comes of an earlier ballot or instance";
    Compacted = "registers are written to one blob";
    WithoutVote = "a server with an emptied disk is asked for a vote";
    DiskRefused = "a disk refuses a write";
}
