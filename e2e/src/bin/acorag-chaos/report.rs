//! What the check found, and the last line.

use std::collections::BTreeMap;

use serde_json::json;

#[derive(Default)]
pub struct Report {
    /// Documents of accepted shipments, and accepted imports.
    pub accepted: usize,
    pub indexed: usize,
    pub superseded: usize,
    pub deleted: usize,
    /// Bad ones that failed with a reason and are among the dead letters.
    pub dead_lettered: usize,
    pub lost: usize,
    pub duplicated: usize,
    pub stuck: usize,
    /// Anything else that is not as it must be.
    pub wrong: usize,
    /// Of senders that gave up: found whole, and not found.
    pub unsure: (usize, usize),
    findings: Vec<String>,
}

/// How a document is not as it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Lost,
    Duplicated,
    Stuck,
    Wrong,
}

const SHOWN: usize = 30;

impl Report {
    pub fn add(&mut self, fault: Fault, what: String) {
        match fault {
            Fault::Lost => self.lost += 1,
            Fault::Duplicated => self.duplicated += 1,
            Fault::Stuck => self.stuck += 1,
            Fault::Wrong => self.wrong += 1,
        }
        self.findings.push(format!("{fault:?}: {what}"));
    }

    pub fn is_clean(&self) -> bool {
        self.lost + self.duplicated + self.stuck + self.wrong == 0
    }

    pub fn show(&self, seed: u64, broken: &BTreeMap<String, usize>, retries: usize) {
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
        let Self {
            accepted,
            indexed,
            superseded,
            deleted,
            dead_lettered,
            lost,
            duplicated,
            stuck,
            wrong,
            ..
        } = self;
        let line = json!({
            "accepted": accepted, "indexed": indexed, "superseded": superseded, "deleted": deleted,
            "dead_lettered": dead_lettered, "lost": lost, "duplicated": duplicated, "stuck": stuck,
            "wrong": wrong, "seed": seed,
        });
        println!("{line}");
    }
}
