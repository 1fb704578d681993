//! Repairs jobs of event producers whose headers the client library cannot read. NATS accepts headers of any form, but the
//! library ends the connection when it receives a line without a colon or bytes that are not UTF-8, and itself when a value
//! contains a carriage return. Such a job would come again and again, to each worker. So after each break of the connection,
//! and at the start, the jobs under way are looked at one by one. A job with such headers is published again without them.

use async_nats::HeaderMap;
use schemas::{
    headers,
    subjects::{self, JobKind},
};

use crate::app::App;

pub async fn watch(app: App) {
    loop {
        if let Err(error) = repair(&app).await {
            tracing::warn!(error = format!("{error:#}"), "looking for jobs with unreadable headers");
        }
        app.nats.broken().await;
    }
}

/// Looks at the jobs that were delivered to a worker and are not settled.
async fn repair(app: &App) -> anyhow::Result<()> {
    let nats = &app.nats;
    let stream = nats.jetstream.get_stream_no_info(subjects::INGEST_STREAM).await?;
    let info = stream.consumer_info(subjects::ingest_consumer(JobKind::Document)).await?;
    for filter in JobKind::Document.filters() {
        let mut next = info.ack_floor.stream_sequence + 1;
        while let Some(job) = nats.first_stored(subjects::INGEST_STREAM, &filter, next).await?
            && job.sequence <= info.delivered.stream_sequence
        {
            if job.headers.is_none() {
                tracing::warn!(
                    subject = job.subject,
                    "a job with unreadable headers is queued again without them"
                );
                let mut map = HeaderMap::new();
                // This step may be repeated: JetStream drops a second job with the same id.
                let id = app.message_id(&format!("readable:{}", job.sequence));
                map.insert(headers::MESSAGE_ID, id.as_str());
                map.insert(headers::ACCEPTED, job.time.to_rfc3339());
                nats.publish_raw(job.subject, map, job.payload).await?;
                stream.delete_message(job.sequence).await?;
            }
            next = job.sequence + 1;
        }
    }
    Ok(())
}
