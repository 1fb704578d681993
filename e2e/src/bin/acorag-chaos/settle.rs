//! Waits until there is no more work.

use std::time::{Duration, Instant};

use anyhow::Result;
use async_nats::jetstream;
use schemas::subjects;
use sqlx::PgPool;

/// If nothing changes for this long, unfinished work is stuck. A job is delivered again after 30 s if its worker died,
/// and after at most 30 s if it waited for a server.
const PATIENCE: Duration = Duration::from_secs(100);
const POLL: Duration = Duration::from_millis(500);

/// Waits until there are no jobs and no unfinished documents, or until their numbers have not changed for
/// `PATIENCE`.
pub async fn wait(jetstream: &jetstream::Context, pool: &PgPool) -> Result<()> {
    let (started, mut last, mut since) = (Instant::now(), (u64::MAX, i64::MAX, i64::MAX), Instant::now());
    loop {
        let queued = jetstream.get_stream(subjects::INGEST_STREAM).await?.cached_info().state.messages;
        let (open, done): (i64, i64) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE state = 'processing'), count(*) FILTER (WHERE state <> 'processing')
             FROM document",
        )
        .fetch_one(pool)
        .await?;
        if queued == 0 && open == 0 {
            eprintln!("quiet {:.0} s after everything was back", started.elapsed().as_secs_f64());
            return Ok(());
        }
        if (queued, open, done) != last {
            (last, since) = ((queued, open, done), Instant::now());
            eprintln!("settling: {queued} jobs queued, {open} documents under way, {done} done");
        } else if since.elapsed() > PATIENCE {
            eprintln!("{queued} jobs and {open} documents have not moved for {} s", PATIENCE.as_secs());
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}
