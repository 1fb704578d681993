//! Measures the memory of the services right after a start, and after as many requests as one a second makes in an hour.

use anyhow::Result;
use e2e::Upload;
use futures::{StreamExt as _, stream};
use serde_json::json;

use crate::{
    bench::Bench,
    load::Outcomes,
    memory::{Memory, SERVICES},
    plot::{Curve, Plot},
};

/// The number of points of the plot.
const POINTS: usize = 30;
const AT_ONCE: usize = 8;
/// One of so many requests is an upload.
const UPLOADS: usize = 100;

pub async fn measure(bench: &mut Bench) -> Result<()> {
    let system = &mut bench.system;
    for service in system.query_workers.iter_mut().chain(&mut system.ingest_workers).chain(&mut system.apis) {
        service.restart().await?;
    }
    let idle = Memory::read(&bench.system)?;
    let mut points = vec![(0, idle.clone())];
    let step = bench.effort.hour.div_ceil(POINTS);
    let (mut outcomes, started) = (Vec::new(), std::time::Instant::now());
    for from in (0..bench.effort.hour).step_by(step) {
        let to = (from + step).min(bench.effort.hour);
        let (client, samples) = (&bench.client, &bench.samples);
        let requests = (from..to).map(|number| async move {
            if number % UPLOADS == 0 {
                let text =
                    format!("Nota de obra {number}. El sector quedó inspeccionado, sin observaciones.");
                let name = format!("nota-{number}.txt");
                client.upload(Upload::new(&name, text, json!({"project_id": "notas"}))).await?;
                return Ok(None);
            }
            // Two thousand users, so that conversations have a few turns.
            Ok(Some(samples.mixed(number, number % 2_000).send(client).await))
        });
        let sent: Vec<Result<_>> = stream::iter(requests).buffer_unordered(AT_ONCE).collect().await;
        for outcome in sent {
            outcomes.extend(outcome?);
        }
        points.push((to, Memory::read(&bench.system)?));
    }
    let outcomes = Outcomes::new(outcomes, started.elapsed().as_secs_f64()).none_broken()?;
    let after = Memory::read(&bench.system)?;
    let figures = &mut bench.figures;
    figures.plain("an hour's requests: sent", bench.effort.hour as f64, "");
    figures.plain("  refused", outcomes.refused(), "%");
    for ((service, idle), after) in SERVICES.into_iter().zip(idle.services).zip(after.services) {
        figures.plain(format!("{service}: idle memory, RSS"), idle.resident, "MB");
        figures.plain("  PSS", idle.proportional, "MB");
        figures.ratio("  after an hour's requests, RSS", after.resident, "MB", "idle", idle.resident);
        figures.ratio("  PSS", after.proportional, "MB", "idle", idle.proportional);
        figures.plain("  the most ever, RSS", after.most, "MB");
    }
    figures.ratio("PostgreSQL: memory after it, PSS", after.postgres, "MB", "idle", idle.postgres);
    let curve = |name, of: &dyn Fn(&Memory) -> f64| Curve {
        name,
        points: points.iter().map(|(sent, memory)| (*sent as f64, of(memory))).collect(),
    };
    let services = SERVICES.into_iter().enumerate();
    let mut curves: Vec<Curve> =
        services.map(|(at, name)| curve(name, &|memory| memory.services[at].proportional)).collect();
    curves.push(curve("PostgreSQL", &|memory| memory.postgres));
    let axes = ["requests", "MB of memory (PSS)"];
    bench.folder.draw("memory.svg", &Plot { title: "Memory", axes, logarithmic: false, curves })
}
