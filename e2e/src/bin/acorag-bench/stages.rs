//! The time of each stage of a search, from the metrics of the query worker.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use e2e::System;

/// Seconds and number of searches, by stage.
#[derive(Default)]
pub struct Stages(HashMap<String, (f64, f64)>);

const SUM: &str = "acorag_search_stage_seconds_sum{stage=\"";
const COUNT: &str = "acorag_search_stage_seconds_count{stage=\"";

impl Stages {
    pub async fn read(system: &System) -> Result<Self> {
        let worker = system.query_workers.first().context("no query worker")?;
        let url = format!("http://127.0.0.1:{}/metrics", worker.port);
        Self::parse(&system.client()?.http.get(url).send().await?.text().await?)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut stages = Self::default();
        for line in text.lines() {
            for (prefix, is_sum) in [(SUM, true), (COUNT, false)] {
                let Some((stage, value)) = line.strip_prefix(prefix).and_then(|rest| rest.split_once("\"} "))
                else {
                    continue;
                };
                let (sum, count) = stages.0.entry(stage.to_owned()).or_default();
                *(if is_sum { sum } else { count }) = value.trim().parse().context("a metric's value")?;
            }
        }
        Ok(stages)
    }

    /// Returns what was added since `before`.
    pub fn since(&self, before: &Self) -> Self {
        let added = |(stage, (sum, count)): (&String, &(f64, f64))| {
            let (earlier_sum, earlier_count) = before.0.get(stage).copied().unwrap_or_default();
            (stage.clone(), (sum - earlier_sum, count - earlier_count))
        };
        Self(self.0.iter().map(added).collect())
    }

    /// Returns how many times a stage ran.
    pub fn count(&self, stage: &str) -> usize {
        self.0.get(stage).map_or(0, |(_, count)| *count as usize)
    }

    /// Returns the average milliseconds of a stage; 0 if it did not run.
    pub fn mean(&self, stage: &str) -> f64 {
        match self.0.get(stage) {
            Some((sum, count)) if *count > 0.0 => sum / count * 1_000.0,
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_of_what_was_added() {
        let at = |sum: f64, count: u32| {
            let text = format!("# HELP x\n{SUM}vector\"}} {sum}\n{COUNT}vector\"}} {count}\n");
            Stages::parse(&text).unwrap()
        };
        let stages = at(0.5, 30).since(&at(0.3, 10));
        assert!((stages.mean("vector") - 10.0).abs() < 1e-9);
        assert_eq!((stages.mean("rows"), stages.count("vector")), (0.0, 20));
    }
}
