//! The conductor: one flow from plan to verdict; owns the run folder
