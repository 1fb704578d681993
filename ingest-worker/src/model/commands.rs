//! `acorag-ingest-worker model …`: replaces the model that made the vectors, while searches go on (docs/operations.md,
//! "Changing the model").

use std::{fmt::Write as _, time::Duration};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use documents::{
    model::{self, Model},
    scope,
};
use embedding::Embed as _;
use platform::{postgres, redis, telemetry};
use schemas::Scope;
use sqlx::PgPool;

use super::{add, fill};
use crate::generations::{Change, Generations};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add the model in MODEL_DIR beside the one that answers
    Add {
        #[command(flatten)]
        postgres: postgres::Config,
        #[command(flatten)]
        embedding: embedding::Config,
    },
    /// Make the vectors of the model in MODEL_DIR that are missing, also those of new passages, until the process is
    /// told to stop
    Fill {
        #[command(flatten)]
        postgres: postgres::Config,
        #[command(flatten)]
        redis: redis::Config,
        #[command(flatten)]
        embedding: embedding::Config,
        #[command(flatten)]
        telemetry: telemetry::Config,
        #[command(flatten)]
        pace: fill::Pace,
    },
    /// Show the models and how many passages lack a vector of each
    Status {
        #[command(flatten)]
        postgres: postgres::Config,
    },
    /// Make another model the answering one, once it has a vector of every passage
    Switch {
        #[command(flatten)]
        postgres: postgres::Config,
        #[command(flatten)]
        redis: redis::Config,
        /// Number of the model, as `status` shows it
        number: i16,
    },
    /// Drop a model that does not answer, with all its vectors
    Drop {
        #[command(flatten)]
        postgres: postgres::Config,
        /// Number of the model, as `status` shows it
        number: i16,
    },
}

const SERVICE: &str = "acorag-ingest-worker-model";

/// Maximum time for which a switch keeps commits waiting. Their own statements may wait longer than this.
const PATIENCE: Duration = Duration::from_secs(15);

impl Command {
    /// Runs the command and returns the text to print.
    pub async fn run(self) -> anyhow::Result<String> {
        match self {
            Self::Add { postgres, embedding } => {
                // A model that cannot be loaded is not added.
                let model = embedding::Model::load(&embedding).await?;
                let pool = postgres.connect(SERVICE).await?;
                let identity = model.identity();
                if let Some(other) = models(&pool).await?.iter().find(|other| other.digest == identity.digest)
                {
                    return Ok(format!("the model is already there, as number {}\n", other.number));
                }
                Ok(format!("added as number {}\n", add(&pool, identity).await?))
            }
            Self::Fill { postgres, redis, embedding, telemetry, pace } => {
                let _telemetry = telemetry::init(&telemetry, "model-fill")?;
                let model = embedding::Model::load(&embedding).await?;
                let pool = postgres.connect(SERVICE).await?;
                fill::run(pool, Generations::new(redis.connect()?), model, pace).await?;
                Ok(String::new())
            }
            Self::Status { postgres } => status(&postgres.connect(SERVICE).await?).await,
            Self::Switch { postgres, redis, number } => {
                let pool = postgres.connect(SERVICE).await?;
                switch(&pool, &Generations::new(redis.connect()?), number).await
            }
            Self::Drop { postgres, number } => {
                let pool = postgres.connect(SERVICE).await?;
                if find(&pool, number).await?.answering {
                    bail!("model {number} is the one that answers: switch to the other one first");
                }
                let missing = missing_of_the_answering(&pool).await?;
                if missing > 0 {
                    bail!(
                        "{missing} passages have no vector of the model that answers, which searches would miss: run \
                         `model fill --until-complete` with that model's MODEL_DIR first"
                    );
                }
                model::remove(&pool, number).await.context("dropping the model")?;
                Ok(format!("model {number} is dropped\n"))
            }
        }
    }
}

pub(super) async fn models(pool: &PgPool) -> anyhow::Result<Vec<Model>> {
    let mut tx = scope::begin(pool, &Scope::All).await?;
    model::all(&mut tx).await.context("reading the models of the database: run acorag-migrate first")
}

async fn missing_of_the_answering(pool: &PgPool) -> anyhow::Result<i64> {
    let mut tx = scope::begin(pool, &Scope::All).await?;
    let models = model::all(&mut tx).await?;
    let Some(answering) = models.iter().find(|model| model.answering) else { return Ok(0) };
    Ok(model::coverage(&mut tx, answering.number).await?.missing)
}

async fn find(pool: &PgPool, number: i16) -> anyhow::Result<Model> {
    let found = models(pool).await?.into_iter().find(|model| model.number == number);
    found.with_context(|| format!("there is no model {number}: `model status` shows the models"))
}

async fn status(pool: &PgPool) -> anyhow::Result<String> {
    let mut tx = scope::begin(pool, &Scope::All).await?;
    let mut text = String::new();
    for Model { number, name, digest, dimension, answering } in model::all(&mut tx).await? {
        let model::Coverage { passages, missing } = model::coverage(&mut tx, number).await?;
        let role = if answering { "answers" } else { "does not answer" };
        writeln!(
            text,
            "{number}  {name}  dimension {dimension}  {role}  {missing} of {passages} passages missing  {digest}"
        )?;
    }
    if text.is_empty() {
        text.push_str("no model yet: the first ingest worker adds its own\n");
    }
    Ok(text)
}

async fn switch(pool: &PgPool, generations: &Generations, number: i16) -> anyhow::Result<String> {
    if find(pool, number).await?.answering {
        // The caches are renewed again: an earlier call may have ended before it could do that.
        renew(pool, generations).await?;
        return Ok(format!("model {number} answers already\n"));
    }
    let coverage = model::switch(pool, number, PATIENCE).await.context("switching")?;
    if coverage.missing > 0 {
        bail!(
            "model {number} lacks vectors of {} of {} passages, so nothing is changed. Is `model fill` running?",
            coverage.missing,
            coverage.passages
        );
    }
    renew(pool, generations).await?;
    Ok(format!("model {number} answers now\n"))
}

/// Makes all cached answers invalid, because the other model found them.
async fn renew(pool: &PgPool, generations: &Generations) -> anyhow::Result<()> {
    let mut tx = scope::begin(pool, &Scope::All).await?;
    let projects: Vec<String> = sqlx::query_scalar("SELECT id FROM project").fetch_all(&mut *tx).await?;
    drop(tx);
    for project in projects {
        if !generations.renew(&Change::of_model(&project)?).await {
            bail!(
                "the model is switched, but Redis cannot be reached: run the command again to make cached answers invalid"
            );
        }
    }
    Ok(())
}
