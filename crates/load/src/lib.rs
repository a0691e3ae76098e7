//! The load engine: paced event loop, sockets, recording
