//! The simulated world: clock, network, disks, crashes, trace
