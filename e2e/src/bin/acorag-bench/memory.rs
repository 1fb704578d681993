//! The memory of the services, as reported by the kernel.

use std::{fs, io::ErrorKind};

use anyhow::{Context as _, Result};
use e2e::{Service, System};

use crate::cpu::Processes;

pub const SERVICES: [&str; 3] = ["api", "query worker", "ingest worker"];

/// Megabytes of one process.
#[derive(Clone, Copy)]
pub struct Used {
    /// Resident memory (RSS), in which shared pages count in full.
    pub resident: f64,
    /// Resident memory in which shared pages are divided by those who share them (PSS); not a number without root.
    pub proportional: f64,
    /// The most resident memory that the process ever had.
    pub most: f64,
}

#[derive(Clone)]
pub struct Memory {
    /// The first process of each service, in the order of [`SERVICES`].
    pub services: [Used; 3],
    /// PSS of all processes of PostgreSQL.
    pub postgres: f64,
}

impl Memory {
    pub fn read(system: &System) -> Result<Self> {
        let [api, query, ingest] = [&system.apis, &system.query_workers, &system.ingest_workers]
            .map(|services| used(services.first()));
        Ok(Self { services: [api?, query?, ingest?], postgres: postgres(system)? })
    }
}

fn used(service: Option<&Service>) -> Result<Used> {
    let process = service.and_then(Service::id).context("the service does not run")?;
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    // The services close their memory to other programs, so only root can read this.
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"));
    Ok(Used {
        resident: megabytes(&status, "VmRSS:")?,
        proportional: rollup.ok().map_or(Ok(f64::NAN), |rollup| megabytes(&rollup, "Pss:"))?,
        most: megabytes(&status, "VmHWM:")?,
    })
}

/// Returns the PSS of all processes of PostgreSQL, in megabytes.
pub fn postgres(system: &System) -> Result<f64> {
    let [_, proportional] = families(&[system.stack.postgres()?.id().context("PostgreSQL does not run")?])?;
    Ok(proportional)
}

/// Returns the RSS and the PSS of some processes with all their children, in megabytes; NaN if one of them may not be read.
pub fn families(roots: &[u32]) -> Result<[f64; 2]> {
    let (processes, mut sums) = (Processes::read()?, [0.0; 2]);
    for process in roots.iter().flat_map(|root| processes.family(*root)) {
        match fs::read_to_string(format!("/proc/{process}/smaps_rollup")) {
            Ok(rollup) => {
                for (sum, field) in sums.iter_mut().zip(["Rss:", "Pss:"]) {
                    *sum += megabytes(&rollup, field)?;
                }
            }
            // Sums without this process would be too small.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => sums = [f64::NAN; 2],
            // A connection may have ended in the meantime.
            Err(_) => {}
        }
    }
    Ok(sums)
}

fn megabytes(text: &str, field: &str) -> Result<f64> {
    let line =
        text.lines().find_map(|line| line.strip_prefix(field)).with_context(|| format!("no {field}"))?;
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kibibytes * 1_024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_in_megabytes() {
        let text =
            "7f0-7ff ---p 00000000 00:00 0 [rollup]\nRss:    2000 kB\nPss:    1000 kB\nPss_Dirty:  10 kB\n";
        assert_eq!(megabytes(text, "Pss:").unwrap(), 1.024);
        assert!(megabytes(text, "VmHWM:").is_err());
    }
}
