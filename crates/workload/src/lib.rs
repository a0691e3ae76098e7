//! What is asked, and when: operations, key distributions, arrivals
