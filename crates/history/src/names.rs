use std::collections::BTreeMap;

use crate::history::History;
use crate::operation::Operation;

/// Gives numbers to keys that have names.
///
/// As long as every key is a number, keys are those numbers. Once one is a name, all are names, numbered in order of appearance.
#[derive(Debug, Default)]
pub(crate) struct Names {
    by_name: BTreeMap<String, u32>,
    numbers: bool,
}

/// Names are numbered from the top while it is unknown whether numbers occur beside them.
const FIRST_NAME: u32 = 1 << 31;

impl Names {
    pub(crate) fn number(&mut self, number: u32) -> u32 {
        self.numbers = true;
        // A number that looks like a name's would be mistaken for one.
        if number >= FIRST_NAME { self.name(&number.to_string()) } else { number }
    }

    pub(crate) fn name(&mut self, name: &str) -> u32 {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let id = FIRST_NAME + self.by_name.len() as u32;
        self.by_name.insert(name.to_string(), id);
        id
    }

    /// The history with dense keys and their names.
    pub(crate) fn finish(self, mut operations: Vec<Operation>) -> History {
        if self.by_name.is_empty() {
            return History::from_operations(operations);
        }
        let mut names: Vec<String> = vec![String::new(); self.by_name.len()];
        for (name, id) in self.by_name {
            names[(id - FIRST_NAME) as usize] = name;
        }
        let mut dense: BTreeMap<String, u32> = (0..).zip(&names).map(|(id, name)| (name.clone(), id)).collect();
        for op in &mut operations {
            let key = &mut op.request.key;
            if *key >= FIRST_NAME {
                *key -= FIRST_NAME;
            } else {
                let name = key.to_string();
                *key = *dense.entry(name.clone()).or_insert_with(|| {
                    names.push(name);
                    names.len() as u32 - 1
                });
            }
        }
        let mut history = History::from_operations(operations);
        history.key_names = names;
        history
    }
}
