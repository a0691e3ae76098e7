//! The real runtime of an actor: TCP, durable log, files
