//! The result of the check, and the last line of the output.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

/// The counts, in the order in which the last line of the output has them.
#[derive(Default, Serialize)]
pub struct Report {
    /// Documents of accepted submissions, and accepted imports.
    pub accepted: usize,
    pub indexed: usize,
    pub superseded: usize,
    pub deleted: usize,
    /// Invalid documents that failed with a reason and have a dead letter.
    pub dead_lettered: usize,
    pub lost: usize,
    pub duplicated: usize,
    pub stuck: usize,
    /// Documents with any other violation.
    pub wrong: usize,
    /// Submissions whose sender gave up: the number of those stored completely, and of those not stored.
    #[serde(skip)]
    pub unsure: (usize, usize),
    #[serde(skip)]
    findings: Vec<String>,
}

/// How a document differs from its expected state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    Lost,
    Duplicated,
    Stuck,
    Wrong,
}

const SHOWN: usize = 30;

impl Report {
    pub fn add(&mut self, violation: Violation, what: String) {
        match violation {
            Violation::Lost => self.lost += 1,
            Violation::Duplicated => self.duplicated += 1,
            Violation::Stuck => self.stuck += 1,
            Violation::Wrong => self.wrong += 1,
        }
        self.findings.push(format!("{violation:?}: {what}"));
    }

    pub fn is_clean(&self) -> bool {
        self.lost + self.duplicated + self.stuck + self.wrong == 0
    }

    pub fn show(&self, seed: u64, broken: &BTreeMap<String, usize>, retries: usize) -> Result<()> {
        for finding in self.findings.iter().take(SHOWN) {
            eprintln!("{finding}");
        }
        if self.findings.len() > SHOWN {
            eprintln!("… and {} more", self.findings.len() - SHOWN);
        }
        for (what, times) in broken {
            println!("{what:<32} {times:>5}");
        }
        let (there, absent) = self.unsure;
        println!("{:<32} {retries:>5}", "sent again after a refusal");
        println!("{:<32} {:>5}   of them {there} are there, whole", "senders that gave up", there + absent);
        let mut line = serde_json::to_value(self)?;
        line["seed"] = json!(seed);
        println!("{line}");
        Ok(())
    }
}
