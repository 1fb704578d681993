//! Every stream, consumer and bucket, with its reasons. Names and subjects are in `schemas::subjects`.

use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::{
    consumer::{AckPolicy, pull},
    object_store,
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
    /// Copies of each stream; 3 on a cluster, 1 on a single server.
    #[arg(long, env = "NATS_REPLICAS", default_value_t = 1)]
    pub nats_replicas: usize,
    /// Jobs that may wait; beyond that an upload is refused with 503.
    #[arg(long, env = "MAX_QUEUED_JOBS", default_value_t = 200_000)]
    pub max_queued_jobs: i64,
    /// Queries that may wait; beyond that a query is refused with 503.
    #[arg(long, env = "MAX_QUEUED_QUERIES", default_value_t = 2_000)]
    pub max_queued_queries: i64,
    /// How long lifecycle events are kept, in days.
    #[arg(long, env = "EVENTS_DAYS", default_value_t = 7)]
    pub events_days: u64,
    /// Bound of the object store for original files, in GiB; JetStream sets the space aside. Without one, the
    /// server's own bound (`max_file_store`) holds.
    #[arg(long, env = "FILES_GIB")]
    pub files_gib: Option<i64>,
    /// Bound of the parts of producers' files that no worker has taken in yet, in GiB; beyond that a part is refused.
    #[arg(long, env = "PARTS_GIB", default_value_t = 4)]
    pub parts_gib: i64,
}

/// No query waits longer than this for its worker: its asker has given up by then.
const QUERY_AGE: Duration = Duration::from_secs(120);
/// The longest part with its headers, in bytes.
const PART: i32 = MAX_PART_BYTES as i32 + 4096;
const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) async fn apply(nats: &Nats, settings: &StreamSettings) -> anyhow::Result<()> {
    for config in streams(settings) {
        let name = config.name.clone();
        nats.jetstream.create_or_update_stream(config).await.with_context(|| format!("stream {name}"))?;
    }
    for (stream, config) in consumers(settings) {
        let name = config.durable_name.clone().unwrap_or_default();
        let stream = nats.jetstream.get_stream(stream).await.with_context(|| format!("stream {stream}"))?;
        stream.create_consumer(config).await.with_context(|| format!("consumer {name}"))?;
    }
    files(nats, settings).await.context("object store FILES")
}

async fn files(nats: &Nats, settings: &StreamSettings) -> anyhow::Result<()> {
    let max_bytes = settings.files_gib.map_or(-1, |gib| gib.saturating_mul(1024 * 1024 * 1024));
    if nats.jetstream.get_object_store(subjects::FILES_BUCKET).await.is_err() {
        let bucket = object_store::Config {
            bucket: subjects::FILES_BUCKET.to_owned(),
            description: Some("Original files of documents".to_owned()),
            storage: StorageType::File,
            num_replicas: settings.nats_replicas,
            max_bytes,
            ..Default::default()
        };
        nats.jetstream.create_object_store(bucket).await?;
        return Ok(());
    }
    // A bucket is a stream; its settings are brought up to date as the others' are.
    let stream = nats.jetstream.get_stream(format!("OBJ_{}", subjects::FILES_BUCKET)).await?;
    let now = &stream.cached_info().config;
    if (now.num_replicas, now.max_bytes) != (settings.nats_replicas, max_bytes) {
        let wanted = stream::Config { num_replicas: settings.nats_replicas, max_bytes, ..now.clone() };
        nats.jetstream.update_stream(wanted).await?;
    }
    Ok(())
}

fn streams(settings: &StreamSettings) -> Vec<stream::Config> {
    let alone = settings.nats_replicas == 1;
    let durable = stream::Config {
        storage: StorageType::File,
        num_replicas: settings.nats_replicas,
        // A full stream refuses the new message: its sender hears it, and nothing accepted is pushed out.
        discard: DiscardPolicy::New,
        allow_direct: true,
        ..Default::default()
    };
    vec![
        // Jobs: each goes to one worker, and leaves the stream when it is settled. Its subject being there is what
        // "queued" means.
        stream::Config {
            name: subjects::INGEST_STREAM.to_owned(),
            subjects: subjects::all_jobs(),
            retention: RetentionPolicy::WorkQueue,
            max_messages: settings.max_queued_jobs,
            max_message_size: 128 * 1024,
            duplicate_window: Duration::from_secs(120),
            ..durable.clone()
        },
        // Queries live for seconds, and are gone when nobody waits any more: no disk is waited for. A cluster keeps
        // copies in memory. A single server forgets a memory stream when it restarts, and its consumers with it: there
        // the stream is on disk, written without waiting.
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
        // What happened: kept for days, read by whoever likes; the oldest goes first.
        stream::Config {
            name: subjects::EVENTS_STREAM.to_owned(),
            subjects: vec![subjects::EVENTS_ALL.to_owned()],
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            max_age: DAY * u32::try_from(settings.events_days).unwrap_or(7),
            max_bytes: 1024 * 1024 * 1024,
            ..durable.clone()
        },
        // Files of event producers on their way into the object store. The ingest workers remove them.
        stream::Config {
            name: subjects::PARTS_STREAM.to_owned(),
            subjects: vec![subjects::PARTS_ALL.to_owned()],
            retention: RetentionPolicy::Limits,
            max_bytes: settings.parts_gib.saturating_mul(1024 * 1024 * 1024),
            max_message_size: PART,
            ..durable.clone()
        },
        // What failed for good: until somebody requeues or discards it.
        stream::Config {
            name: subjects::DEAD_LETTERS_STREAM.to_owned(),
            subjects: vec![subjects::DEAD_LETTERS_ALL.to_owned()],
            retention: RetentionPolicy::Limits,
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
            // The worker decides when a job is given up and dead-letters it; the server never drops one silently.
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
            filter_subject: subjects::lane_filter(lane),
            ack_policy: AckPolicy::Explicit,
            ack_wait: subjects::ack_wait(subjects::QUERIES_STREAM),
            // A query whose worker died is answered by another one, once.
            max_deliver: 2,
            max_ack_pending: 2_000,
            ..Default::default()
        };
        (subjects::QUERIES_STREAM, config)
    });
    jobs.chain(queries).collect()
}
