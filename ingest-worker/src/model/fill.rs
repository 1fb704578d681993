//! Makes the vectors of a second model from the stored passages, and those of passages that are added meanwhile.
//!
//! The database says what is missing, and each batch is a transaction, so the work can be interrupted at any point.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use documents::{
    model::{self, Made, Missing},
    scope, sentences,
};
use embedding::{Embed, Model};
use platform::lifecycle::{self, Lifecycle};
use schemas::Scope;
use sqlx::PgPool;

use super::{commands::models, to_embed};
use crate::generations::{Change, Generations};

#[derive(Debug, Clone, clap::Args)]
pub struct Pace {
    /// Maximum number of passages per second [default: as many as the processor has time for]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    passages_per_second: Option<u32>,
    /// End when no vector is missing, instead of waiting for new passages
    #[arg(long)]
    until_complete: bool,
}

/// Number of passages whose vectors one transaction stores.
const BATCH: i64 = 32;
/// Minimum pause after a look at the whole database. Looking takes longer the more passages there are, so after a look that
/// found nothing the pause is this many times as long as the look took.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_PER_LOOK: u32 = 20;
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Maximum pause after a look that found something, which is as long as the look took. It is short, because more may be missing
/// by then, and whoever wants to switch to the model waits for it.
const SHORT_PAUSE: Duration = Duration::from_secs(3);

/// Runs until the process is told to stop or, if this is asked for, until no vector is missing.
pub async fn run(pool: PgPool, generations: Generations, model: Model, pace: Pace) -> anyhow::Result<()> {
    let digest = &model.identity().digest;
    let known = models(&pool).await?.into_iter().find(|known| known.digest == *digest).context(
        "the database does not know the model in MODEL_DIR: run `acorag-ingest-worker model add` first",
    )?;
    let fill = Fill { pool, generations, model, number: known.number, pace };
    if fill.pace.until_complete {
        loop {
            let incomplete = fill.incomplete().await?;
            if incomplete.is_empty() {
                return Ok(());
            }
            fill.round(incomplete).await?;
        }
    }
    let lifecycle = Lifecycle::default();
    lifecycle.spawn_until_stopped("fill", async move {
        loop {
            fill.follow().await;
        }
    });
    lifecycle.run(&lifecycle::Config { shutdown_timeout: 5 }).await
}

struct Fill {
    pool: PgPool,
    generations: Generations,
    model: Model,
    number: i16,
    pace: Pace,
}

impl Fill {
    /// Makes what is missing now, then waits: for longer if there was nothing.
    async fn follow(&self) {
        let started = Instant::now();
        let round = async {
            let incomplete = self.incomplete().await.context("looking for missing vectors")?;
            let look = started.elapsed();
            if incomplete.is_empty() {
                return Ok((look * PAUSE_PER_LOOK).clamp(PAUSE, LONGEST_PAUSE));
            }
            self.round(incomplete).await?;
            anyhow::Ok(look.clamp(PAUSE, SHORT_PAUSE))
        };
        let pause = round.await.unwrap_or_else(|error| {
            tracing::warn!(error = format!("{error:#}"), "making the vectors of a model");
            PAUSE
        });
        tokio::time::sleep(pause).await;
    }

    async fn incomplete(&self) -> sqlx::Result<Vec<(i32, String, i64)>> {
        self.generations.renew_pending().await;
        let mut tx = scope::begin(&self.pool, &Scope::All).await?;
        model::incomplete(&mut tx, self.number).await
    }

    /// Makes the vectors that these projects lack.
    async fn round(&self, projects: Vec<(i32, String, i64)>) -> anyhow::Result<()> {
        let (mut made, mut lacked) = (0, 0);
        for (project, id, missing) in projects {
            let of_project = self.project(project, missing).await?;
            if of_project > 0 {
                // A worker that answers with this model already may have answered without these vectors.
                self.generations.changed(Change::of_model(&id)?).await;
            }
            made += of_project;
            lacked += missing;
        }
        tracing::info!(made, lacked, "vectors made");
        Ok(())
    }

    /// Makes the `missing` vectors that a project lacks; those of passages added meanwhile are left to the next round.
    async fn project(&self, project: i32, mut missing: i64) -> anyhow::Result<usize> {
        let (mut before, mut made) = (i64::MAX, 0);
        while missing > 0 {
            let started = Instant::now();
            let mut tx = scope::begin(&self.pool, &Scope::All).await?;
            let batch = model::missing(&mut tx, self.number, project, before, missing.min(BATCH)).await?;
            drop(tx);
            let Some(last) = batch.last() else { break };
            before = last.chunk_key;
            missing -= BATCH;
            let vectors = self.embed(&batch).await?;
            // If a passage was removed meanwhile, the next round makes the others of this batch.
            if model::store(&self.pool, self.number, project, &vectors).await? {
                made += vectors.len();
            }
            if let Some(per_second) = self.pace.passages_per_second {
                let least = Duration::from_secs_f64(batch.len() as f64 / f64::from(per_second));
                tokio::time::sleep(least.saturating_sub(started.elapsed())).await;
            }
        }
        Ok(made)
    }

    async fn embed(&self, missing: &[Missing]) -> anyhow::Result<Vec<Made>> {
        let passages = missing.iter().map(|passage| to_embed(&passage.heading, &passage.text));
        let embedded = self.model.bulk_passages(passages.collect()).await?;
        let made = missing.iter().zip(embedded).map(|(passage, embedded)| Made {
            chunk_key: passage.chunk_key,
            document_key: passage.document_key,
            sentences: sentences::encode(&passage.text, &embedded.vector, &embedded.sentences),
            vector: embedded.vector,
        });
        Ok(made.collect())
    }
}
