//! Queues the jobs that follow from a job.

use async_nats::HeaderMap;
use chrono::{DateTime, TimeDelta, Utc};
use documents::Revived;
use platform::nats::{consume::Delivery, publish};
use schemas::{ProjectId, headers};

use super::Attempt;
use crate::app::App;

/// Queues the jobs that index revived revisions again, which makes these the current ones.
pub async fn again(
    app: &App,
    delivery: &Delivery,
    project: &ProjectId,
    revived: impl IntoIterator<Item = Revived>,
) -> Result<(), publish::Error> {
    for Revived { document, job, since } in revived {
        let id = app.message_id(&format!("revive:{}:{}", delivery.sequence, document.token()));
        let mut map = delivery.context.headers();
        map.insert(headers::MESSAGE_ID, id.as_str());
        map.insert(headers::ACCEPTED, since.to_rfc3339().as_str());
        let payload = serde_json::to_vec(&job)?;
        app.nats.publish_raw(job.subject(project, &document), map, payload.into()).await?;
    }
    Ok(())
}

/// Returns the headers of the job of a part: a record of an import, or an attachment of a mail. A part counts as accepted with
/// the whole, however late it is queued: a document sent after the whole is newer. `id` names the part's message.
pub fn headers_of_part(attempt: &Attempt<'_>, id: &str, index: u32) -> HeaderMap {
    let Attempt { jobs, delivery, job, .. } = attempt;
    let place = |at: DateTime<Utc>| (at + TimeDelta::microseconds(index.into())).to_rfc3339();
    let mut map = delivery.context.headers();
    map.insert(headers::MESSAGE_ID, jobs.app.message_id(id).as_str());
    map.insert(headers::ORDERED_AT, place(job.accepted_at).as_str());
    if job.since != job.accepted_at {
        map.insert(headers::ACCEPTED, place(job.since).as_str());
    }
    map
}
