//! Measures users who do what those of the old load test did: search, ask, and look at their conversation.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::Result;

use crate::{
    bench::Bench,
    load::{Clients, Kind},
};

/// The average pause of a user between two requests, as in `load/locustfile.py`.
const PAUSE: Duration = Duration::from_secs(1);

pub async fn measure(bench: &mut Bench) -> Result<()> {
    for count in bench.effort.users {
        let clients = Clients { count, time: bench.effort.time * 2, pause: PAUSE };
        let sent = AtomicUsize::new(count * 1_000_000);
        let results = clients
            .send(&bench.client, |user| {
                bench.samples.mixed(sent.fetch_add(1, Ordering::Relaxed), count * 1_000 + user)
            })
            .await?;
        let most = count as f64 / PAUSE.as_secs_f64();
        let ([p50], figures) = (results.percentiles([0.5]), &mut bench.figures);
        let name = format!("mixed load: {count} users");
        figures.ratio(name, results.rate(), "1/s", "if answers took no time", most);
        figures.plain("  all: p50", p50, "ms");
        figures.plain("  searches: p95", results.p95_of(Kind::Search), "ms");
        figures.plain("  chats: p95", results.p95_of(Kind::Chat), "ms");
        figures.plain("  histories: p95", results.p95_of(Kind::History), "ms");
        figures.plain("  refused with 429 or 503 and Retry-After", results.refused(), "%");
        figures.plain("  failed otherwise", results.broken() as f64, "");
        results.none_broken()?;
    }
    Ok(())
}
