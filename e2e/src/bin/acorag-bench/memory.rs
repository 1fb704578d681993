//! The memory of the services, as reported by the kernel.

use anyhow::{Context as _, Result};
use e2e::{Service, System};

use crate::figures::Figures;

/// Measures right after the start: the services are ready and have had no requests.
pub fn idle(system: &System, figures: &mut Figures) -> Result<()> {
    for (name, service) in [
        ("idle memory: api", system.apis.first()),
        ("idle memory: query worker", system.query_workers.first()),
        ("idle memory: ingest worker", system.ingest_workers.first()),
    ] {
        figures.plain(name, megabytes(service, "VmRSS:")?, "MB");
    }
    Ok(())
}

/// Measures the peak memory of the services that run until the end.
pub fn most(system: &System, figures: &mut Figures) -> Result<()> {
    for (name, service) in [
        ("most memory: api", system.apis.first()),
        ("most memory: query worker", system.query_workers.first()),
    ] {
        figures.plain(name, megabytes(service, "VmHWM:")?, "MB");
    }
    Ok(())
}

fn megabytes(service: Option<&Service>, field: &str) -> Result<f64> {
    let process = service.and_then(Service::id).context("the service does not run")?;
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kibibytes * 1_024.0 / 1e6)
}
