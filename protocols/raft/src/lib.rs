//! Raft: a replicated log, and the state machine on it
