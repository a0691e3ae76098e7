//! Systems under test: how to deploy one and how to talk to it
