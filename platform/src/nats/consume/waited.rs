//! Counts the failures of messages that had to wait. The server counts every attempt: after an outage of an hour, the first
//! failure would be the last one.

use std::{collections::HashMap, sync::Mutex};

use super::Delivery;
use crate::lock::lock;

/// Maximum number of messages that are remembered.
const REMEMBERED: usize = 10_000;

/// The messages that had to wait here, by sequence number, each with the number of its failures since.
#[derive(Default)]
pub struct Waited(Mutex<HashMap<u64, i64>>);

impl Waited {
    pub fn note(&self, sequence: u64) {
        let mut waited = lock(&self.0);
        // Messages that were given up, or that another worker settled, are still here.
        if waited.len() >= REMEMBERED && !waited.contains_key(&sequence) {
            waited.clear();
        }
        waited.entry(sequence).or_default();
    }

    pub fn forget(&self, sequence: u64) {
        lock(&self.0).remove(&sequence);
    }

    /// Counts a failure of this message, and returns the number of attempts that count.
    pub fn failures(&self, delivery: &Delivery) -> i64 {
        match lock(&self.0).get_mut(&delivery.sequence) {
            Some(failures) => {
                *failures += 1;
                *failures
            }
            None => delivery.attempt,
        }
    }
}
