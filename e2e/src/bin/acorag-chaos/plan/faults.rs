//! The faults of a plan: what fails, when and for how long.

use std::time::Duration;

use e2e::Random;

#[derive(Debug, Clone)]
pub struct Fault {
    /// The time of the fault, after the start.
    pub at: Duration,
    pub target: Target,
    /// Whether a server is killed with SIGKILL or asked to stop; services are always killed.
    pub kill: bool,
    /// How long the target is down.
    pub down: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    IngestWorker(usize),
    QueryWorker,
    Api,
    Nats,
    Postgres,
    Redis,
}

impl Target {
    pub const ALL: [Self; 7] = [
        Self::IngestWorker(0),
        Self::IngestWorker(1),
        Self::QueryWorker,
        Self::Api,
        Self::Nats,
        Self::Postgres,
        Self::Redis,
    ];

    /// Whether the target is a service; otherwise it is a server.
    pub fn is_service(self) -> bool {
        matches!(self, Self::IngestWorker(_) | Self::QueryWorker | Self::Api)
    }
}

pub const INGEST_WORKERS: usize = 2;

pub fn draw(mut random: Random, time: Duration) -> Vec<Fault> {
    const FIRST: Duration = Duration::from_millis(1_500);
    let mut faults = Vec::new();
    let mut at = FIRST;
    // Each target fails at least once, if the time allows it; further targets are random.
    let mut each = Target::ALL.to_vec();
    random.shuffle(&mut each);
    while at < time {
        let target = each.pop().unwrap_or_else(|| chosen(&mut random));
        let longest = match target {
            Target::IngestWorker(_) | Target::QueryWorker | Target::Api => 2_000,
            Target::Nats => 4_000,
            Target::Postgres | Target::Redis => 5_000,
        };
        let down = random.between(Duration::ZERO, Duration::from_millis(longest));
        faults.push(Fault { at, target, kill: random.percent(50), down });
        at += random.between(Duration::from_millis(600), Duration::from_millis(3_000));
    }
    faults
}

fn chosen(random: &mut Random) -> Target {
    match random.below(100) {
        0..40 => Target::IngestWorker(random.below(INGEST_WORKERS)),
        40..55 => Target::QueryWorker,
        55..70 => Target::Api,
        70..82 => Target::Nats,
        82..93 => Target::Postgres,
        _ => Target::Redis,
    }
}
