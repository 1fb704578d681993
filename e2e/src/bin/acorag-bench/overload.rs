//! Measures what happens when more searches arrive than the machine can do. The searches arrive at random moments and do
//! not wait for each other.

use std::time::Duration;

use anyhow::Result;

use crate::{
    bench::Bench,
    ingest::PROJECT,
    load::{Clients, Request, arrivals},
    plot::{Curve, Plot},
};

/// The offered searches as a share of what the machine can do.
const OFFERED: [f64; 5] = [0.5, 0.9, 1.2, 1.5, 2.0];

pub async fn measure(bench: &mut Bench) -> Result<()> {
    let clients = Clients { count: 16, time: bench.effort.time, pause: Duration::ZERO };
    let capacity =
        clients.send(&bench.client, |_| Request::search(PROJECT, &bench.questions.one())).await?.rate();
    bench.figures.plain("overload: searches that the machine can do", capacity, "1/s");
    let mut curves =
        ["accepted, p95", "accepted, p50", "refused, p95"].map(|name| Curve { name, points: Vec::new() });
    let mut calm = f64::NAN;
    for share in OFFERED {
        let next = || Request::search(PROJECT, &bench.questions.one());
        let results =
            arrivals(&bench.client, capacity * share, bench.effort.time, &mut bench.random, next).await?;
        let [p50, p95] = results.percentiles([0.5, 0.95]);
        let refused = results.p95_of_refusals();
        for (curve, value) in curves.iter_mut().zip([p95, p50, refused]) {
            curve.points.push((share, value));
        }
        if share == 0.9 {
            calm = p95;
            bench.figures.plain("overload, at 0.9 of this: accepted, p95", p95, "ms");
            bench.figures.plain("  refused", results.refused(), "%");
        }
        if share == 2.0 {
            bench.figures.ratio("overload, at twice this: accepted, p95", p95, "ms", "p95 at 0.9", calm);
            bench.figures.ratio("  answered", results.rate(), "1/s", "what the machine can do", capacity);
            bench.figures.plain("  refused", results.refused(), "%");
            if refused.is_finite() {
                bench.figures.plain("  refusals: p95", refused, "ms");
            }
        }
        let name = format!("  at {share}: neither answered nor refused well");
        bench.figures.plain(name, results.broken() as f64, "");
        // What waits is finished before the next measurement.
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let axes = ["searches that arrive, as a share of what the machine can do", "ms"];
    let plot = Plot { title: "Overload", axes, logarithmic: false, curves: curves.into() };
    bench.folder.draw("overload.svg", &plot)
}
