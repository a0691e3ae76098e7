//! What can go wrong, and when: faults, schedules, the fate of a packet
