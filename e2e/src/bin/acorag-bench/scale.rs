//! Measures how a search grows with the number of passages and of projects.
//!
//! One project grows, and other projects are added: twenty with a thousand passages each, then many with a hundred. For
//! each kind of search, the worker's own metrics give the time of the legs, and the ten nearest documents found by the
//! vector leg are compared with those of an exact search.

use std::{sync::Arc, time::Instant};

use anyhow::Result;
use e2e::{percentiles, timed};

use crate::{
    bench::Bench,
    cpu::Cpu,
    fill::{Fill, Source},
    large, memory,
    recall::recall,
    scale_table::{Bytes, Line, Step, plot, table},
    stages::Stages,
};

const SEARCHES: usize = 100;
/// The passages of the growing project, and the number of other projects.
const STEPS: [(usize, usize); 5] =
    [(10_000, 1), (40_000, 20), (100_000, 20), (1_000_000, 20), (1_000_000, 1_000)];
/// Up to this number, the other projects have `SMALL` passages each, and `TINY` each beyond it.
const FULL_SIZED: usize = 20;
const SMALL: usize = 1_000;
const TINY: usize = 100;

/// Fills the database in steps, and measures after each. A measurement that fails loses no other one. The steps with more
/// than `most` passages in the large project, or more than `most_projects` other projects, are left out.
pub async fn grow(bench: &mut Bench, most: usize, most_projects: usize) -> Result<()> {
    let source = Arc::new(Source::new(&bench.ceiling.model).await?);
    let steps: Vec<(usize, usize)> = STEPS
        .into_iter()
        .filter(|(passages, projects)| *passages <= most && *projects <= most_projects)
        .collect();
    let (mut done, mut large, mut small) = (Vec::new(), 0, 0);
    let started = Instant::now();
    for (at, (passages, projects)) in steps.iter().copied().enumerate() {
        let (step, of, seconds) = (at + 1, steps.len(), started.elapsed().as_secs());
        eprintln!(
            "step {step} of {of} after {seconds} s: {passages} passages in the large project, {projects} other projects"
        );
        let others = |projects: usize| (0..projects).map(size).sum::<usize>();
        let adding = passages - large + others(projects) - others(small);
        let mut fill = Fill::begin(bench.system.stack.database_url(), &source, adding).await?;
        if passages > large {
            fill.project("grande", passages - large).await?;
        }
        for number in small..projects {
            fill.project(&format!("chico-{number}"), size(number)).await?;
        }
        (large, small) = (passages, projects);
        let (rate, indexing) = fill.end().await?;
        let (bytes, mut lines) = (Bytes::read(&bench.pool).await?, Vec::new());
        // A connection's process is slower until it has seen most pages of PostgreSQL's memory.
        let first = (passages / 500).clamp(300, 2_000);
        for (searched, project) in
            [("the large project", Some("grande")), ("a project of 1,000", Some("chico-0")), ("all", None)]
        {
            match measure(bench, searched, project, first).await {
                Ok(line) => lines.push(line),
                Err(error) => bench.figures.failed(&format!("{passages} passages, {searched}"), &error),
            }
        }
        done.push(Step { bytes, rate, indexing, memory: memory::postgres(&bench.system)?, lines });
        bench.folder.write("scale.md", &table(&done))?;
        bench.folder.draw("scale.svg", &plot(&done))?;
        eprintln!("{}", table(&done));
    }
    Ok(())
}

fn size(number: usize) -> usize {
    if number < FULL_SIZED { SMALL } else { TINY }
}

async fn measure(
    bench: &mut Bench,
    searched: &'static str,
    project: Option<&str>,
    first: usize,
) -> Result<Line> {
    eprintln!("  searching: {searched}");
    large::some(&bench.client, project, &mut bench.random, first).await?;
    let (before, used) = (Stages::read(&bench.system).await?, Cpu::read(&bench.system)?);
    let mut times = Vec::with_capacity(SEARCHES);
    for _ in 0..SEARCHES {
        times.push(timed(large::some(&bench.client, project, &mut bench.random, 1)).await?.1);
    }
    let postgres = Cpu::read(&bench.system)?.postgres(used, SEARCHES);
    let stages = Stages::read(&bench.system).await?.since(&before);
    let [p50, p95] = percentiles(times, [0.5, 0.95]);
    Ok(Line {
        searched,
        p50,
        p95,
        keyword: stages.mean("keyword"),
        vector: stages.mean("vector"),
        rows: stages.mean("rows"),
        recall: recall(bench, project).await?,
        postgres,
    })
}
