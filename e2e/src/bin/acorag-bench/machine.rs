//! Measures how busy the machine is: the work of other programs makes the figures less exact.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::figures::Figures;

/// Measures how busy the processors are before the benchmark starts, and prints a warning.
pub async fn busy(figures: &mut Figures) -> Result<()> {
    const SAMPLE: Duration = Duration::from_secs(2);
    const TOO_MUCH: f64 = 0.1;
    let before = Times::read()?;
    tokio::time::sleep(SAMPLE).await;
    let busy = Times::read()?.busy_since(&before);
    if busy > TOO_MUCH {
        eprintln!("somebody else uses {:.0} % of this machine: rates will say less", busy * 100.0);
    }
    figures.plain("machine: busy before the run", busy * 100.0, "%");
    Ok(())
}

/// Returns the machine's memory in megabytes.
pub fn megabytes() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
    Ok(total.context("MemTotal in /proc/meminfo")?.parse::<u64>()? / 1_024)
}

struct Times {
    all: u64,
    idle: u64,
}

impl Times {
    fn read() -> Result<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat")?).context("/proc/stat")
    }

    /// Parses the first line: `cpu user nice system idle iowait …`.
    fn parse(stat: &str) -> Option<Self> {
        let times: Vec<u64> =
            stat.lines().next()?.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
        Some(Self { all: times.iter().sum(), idle: times.get(3..5)?.iter().sum() })
    }

    fn busy_since(&self, before: &Self) -> f64 {
        let all = self.all.saturating_sub(before.all).max(1);
        1.0 - self.idle.saturating_sub(before.idle) as f64 / all as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_waiting_for_the_disk_are_not_busy() {
        let [before, after] =
            ["cpu  10 0 10 70 10 0", "cpu  20 0 15 140 25 0"].map(|s| Times::parse(s).unwrap());
        assert!((after.busy_since(&before) - 0.15).abs() < 1e-9);
    }
}
