//! What every part of a run uses.

use std::time::Duration;

use anyhow::Result;
use e2e::{Client, Options, Random, System};
use sqlx::PgPool;

use crate::{
    ceiling::{Ceiling, Questions},
    figures::{Figures, Folder},
    machine,
    samples::Samples,
};

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Effort {
    /// The number of texts that are indexed.
    pub texts: usize,
    /// How long each measurement of a throughput takes.
    pub time: Duration,
    /// The number of searches, and of chats, of a client that is alone.
    pub searches: usize,
    pub chats: usize,
    /// The numbers of users of the mixed load.
    pub users: [usize; 2],
    /// The number of requests in "an hour": one in each second.
    pub hour: usize,
}

impl Effort {
    pub const FULL: Self = Self {
        texts: 500,
        time: Duration::from_secs(8),
        searches: 300,
        chats: 40,
        users: [50, 500],
        hour: 3_600,
    };
    /// Shows that everything works; the figures say little.
    pub const QUICK: Self =
        Self { texts: 60, time: Duration::from_secs(2), searches: 20, chats: 6, users: [5, 50], hour: 90 };
}

pub struct Bench {
    pub system: System,
    pub client: Client,
    pub pool: PgPool,
    pub ceiling: Ceiling,
    pub samples: Samples,
    pub questions: Questions,
    pub random: Random,
    pub figures: Figures,
    pub folder: Folder,
    pub effort: Effort,
    /// The milliseconds of a typical search of a client that is alone.
    pub typical: f64,
    /// Milliseconds by number of clients: searches p50 and p95, chats p50 and p95.
    pub latencies: [Vec<(f64, f64)>; 4],
}

impl Bench {
    pub async fn start(options: Options, effort: Effort, folder: Folder) -> Result<Self> {
        let mut figures = Figures::default();
        machine::busy(&mut figures).await?;
        let system = System::start(options).await?;
        let ceiling = Ceiling::new(system.stack.paths()).await?;
        let client = system.client()?;
        let pool = PgPool::connect(system.stack.database_url()).await?;
        Ok(Self {
            system,
            client,
            pool,
            ceiling,
            samples: Samples::read()?,
            questions: Questions::new(Random::new(2)),
            random: Random::new(1),
            figures,
            folder,
            effort,
            typical: f64::NAN,
            latencies: Default::default(),
        })
    }
}
