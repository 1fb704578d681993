//! The settings of every stream and consumer, with the reasons for them. Names and subjects are in
//! `schemas::subjects`.

use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::{
    consumer::{AckPolicy, pull},
    stream::{self, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType},
};
use platform::nats::Nats;
use schemas::{
    Lane,
    ingest::MAX_PART_BYTES,
    subjects::{self, JobKind},
};

#[derive(Debug, Clone, clap::Args)]
pub struct StreamSettings {
    /// Number of copies of each stream: 3 on a cluster, 1 on a single server.
    #[arg(long, env = "NATS_REPLICAS", default_value_t = 1)]
    pub nats_replicas: usize,
    /// Maximum number of jobs in the queue; above it an upload is refused with 503.
    #[arg(long, env = "MAX_QUEUED_JOBS", default_value_t = 200_000)]
    pub max_queued_jobs: i64,
    /// Maximum number of queries in the queue; above it a query is refused with 503.
    #[arg(long, env = "MAX_QUEUED_QUERIES", default_value_t = 2_000)]
    pub max_queued_queries: i64,
    /// How long lifecycle events are kept, in days.
    #[arg(long, env = "EVENTS_DAYS", default_value_t = 7)]
    pub events_days: u64,
    /// Maximum size of the object store for original files, in GiB; JetStream reserves this space. Without it, files
    /// are accepted until NATS' disk is full.
    #[arg(long, env = "FILES_GIB")]
    pub files_gib: Option<i64>,
    /// Maximum total size of the parts of producers' files that no worker has stored yet, in GiB; above it a part is
    /// refused.
    #[arg(long, env = "PARTS_GIB", default_value_t = 4)]
    pub parts_gib: i64,
}

/// Maximum time that a query waits for a worker. By then its client has given up.
const QUERY_AGE: Duration = Duration::from_secs(120);
/// Maximum size of a part with its headers, in bytes.
const PART: i32 = MAX_PART_BYTES as i32 + 4096;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Creates the streams and the consumers, or updates their settings.
pub async fn nats(nats: &Nats, settings: &StreamSettings) -> anyhow::Result<()> {
    for config in streams(settings) {
        let name = config.name.clone();
        nats.jetstream.create_or_update_stream(config).await.with_context(|| format!("stream {name}"))?;
    }
    for (stream, config) in consumers(settings) {
        let name = config.durable_name.clone().unwrap_or_default();
        let stream = nats.jetstream.get_stream(stream).await.with_context(|| format!("stream {stream}"))?;
        stream.create_consumer(config).await.with_context(|| format!("consumer {name}"))?;
    }
    Ok(())
}

fn streams(settings: &StreamSettings) -> Vec<stream::Config> {
    let alone = settings.nats_replicas == 1;
    let durable = stream::Config {
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        num_replicas: settings.nats_replicas,
        // A full stream refuses a new message, and the sender gets an error. No accepted message is dropped.
        discard: DiscardPolicy::New,
        allow_direct: true,
        ..Default::default()
    };
    vec![
        // Jobs: each is delivered to one worker, and leaves the stream when it is acknowledged. A document is
        // "queued" because a job with its subject is in this stream.
        stream::Config {
            name: subjects::INGEST_STREAM.to_owned(),
            subjects: subjects::all_jobs(),
            retention: RetentionPolicy::WorkQueue,
            max_messages: settings.max_queued_jobs,
            max_message_size: 128 * 1024,
            duplicate_window: Duration::from_secs(120),
            ..durable.clone()
        },
        // Queries are short-lived, and useless when their clients have given up, so no write to disk is awaited. A
        // cluster keeps copies in memory. A single server loses a memory stream and its consumers when it restarts, so
        // there the stream is on disk, written asynchronously.
        stream::Config {
            name: subjects::QUERIES_STREAM.to_owned(),
            subjects: vec![subjects::QUERIES_ALL.to_owned()],
            retention: RetentionPolicy::WorkQueue,
            storage: if alone { StorageType::File } else { StorageType::Memory },
            persist_mode: alone.then_some(PersistenceMode::Async),
            max_messages: settings.max_queued_queries,
            max_age: QUERY_AGE,
            duplicate_window: Duration::from_secs(10),
            ..durable.clone()
        },
        // Lifecycle events: kept for days, for any subscriber; the oldest are dropped first.
        stream::Config {
            name: subjects::EVENTS_STREAM.to_owned(),
            subjects: vec![subjects::EVENTS_ALL.to_owned()],
            discard: DiscardPolicy::Old,
            max_age: DAY * u32::try_from(settings.events_days).unwrap_or(7),
            max_bytes: 1024 * 1024 * 1024,
            ..durable.clone()
        },
        // Parts of event producers' files, until the ingest workers store each file in the object store and remove its
        // parts.
        stream::Config {
            name: subjects::PARTS_STREAM.to_owned(),
            subjects: vec![subjects::PARTS_ALL.to_owned()],
            max_bytes: settings.parts_gib.saturating_mul(1024 * 1024 * 1024),
            max_message_size: PART,
            ..durable.clone()
        },
        // The object store of the original files: NATS keeps a bucket in a stream with this name and these subjects.
        stream::Config {
            name: subjects::FILES_STREAM.to_owned(),
            description: Some("Original files of documents".to_owned()),
            subjects: ["C", "M"].map(|kind| format!("$O.{}.{kind}.>", subjects::FILES_BUCKET)).into(),
            max_bytes: settings.files_gib.map_or(-1, |gib| gib.saturating_mul(1024 * 1024 * 1024)),
            allow_rollup: true,
            ..durable.clone()
        },
        // Messages that failed for good, until somebody requeues or discards them, for at most 90 days.
        stream::Config {
            name: subjects::DEAD_LETTERS_STREAM.to_owned(),
            subjects: vec![subjects::DEAD_LETTERS_ALL.to_owned()],
            max_age: DAY * 90,
            ..durable
        },
    ]
}

fn consumers(settings: &StreamSettings) -> Vec<(&'static str, pull::Config)> {
    let jobs = JobKind::ALL.into_iter().map(|kind| {
        let config = pull::Config {
            durable_name: Some(subjects::ingest_consumer(kind)),
            filter_subjects: kind.filters(),
            ack_policy: AckPolicy::Explicit,
            ack_wait: subjects::ack_wait(subjects::INGEST_STREAM),
            // The worker decides when a job is given up and writes its dead letter; the server never drops a job
            // silently.
            max_deliver: -1,
            max_ack_pending: 1_000,
            num_replicas: settings.nats_replicas,
            ..Default::default()
        };
        (subjects::INGEST_STREAM, config)
    });
    let queries = Lane::ALL.into_iter().map(|lane| {
        let config = pull::Config {
            durable_name: Some(subjects::query_consumer(lane)),
            filter_subject: subjects::query(lane, ">"),
            ack_policy: AckPolicy::Explicit,
            ack_wait: subjects::ack_wait(subjects::QUERIES_STREAM),
            // If a worker dies, its query is delivered to another worker, once.
            max_deliver: 2,
            max_ack_pending: 2_000,
            ..Default::default()
        };
        (subjects::QUERIES_STREAM, config)
    });
    jobs.chain(queries).collect()
}
