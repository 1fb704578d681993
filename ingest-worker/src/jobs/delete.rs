//! Processes a deletion: removes a document with its passages, its file, and the documents that came with it,
//! such as attachments. Its row stays in state `deleted`, so that jobs of it that still wait become void.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use platform::{
    crash,
    nats::{
        consume::{Delivery, Failure},
        publish,
    },
};
use schemas::{
    DocumentId, Message, ProjectId, event::EventKind, ingest::DeleteDocument, messages, problem::Reason,
    subjects,
};

use super::{again, files, first_accepted};
use crate::{app::App, generations::Change, progress::Progress};

/// Maximum number of files that are removed, and of events that are published, at the same time.
const AT_ONCE: usize = 64;

pub async fn delete(app: &App, delivery: &Delivery) -> Result<(), Failure> {
    let (project, document) = read(delivery).map_err(Failure::Dead)?;
    let change = Change::new(&project, &document, delivery.published);
    let deletion = documents::delete::delete(&app.pool, &project, &document, first_accepted(delivery));
    let Some(mut deletion) = app.generations.changing(change, deletion).await? else {
        tracing::info!("the document was uploaded anew after this deletion");
        return Ok(());
    };
    crash::point("deletion-committed", project.as_str());
    while let Some(deleted) = deletion.next(&app.pool).await? {
        stream::iter(deleted.objects)
            .for_each_concurrent(AT_ONCE, |object| async move { files::remove(app, &object).await })
            .await;
        again(app, delivery, &project, deleted.revived).await?;
        let event = async |document| {
            let progress = Progress::new(app, delivery, &project, &document);
            progress.publish(progress.event(EventKind::Deleted), None).await
        };
        stream::iter(deleted.documents)
            .map(Ok::<_, publish::Error>)
            .try_for_each_concurrent(AT_ONCE, event)
            .await?;
    }
    Ok(())
}

fn read(delivery: &Delivery) -> Result<(ProjectId, DocumentId), Reason> {
    let invalid = |message: Message| message.reason("invalid_job");
    let named = subjects::parse_job(&delivery.subject)
        .map_err(|error| invalid(messages::jobs::bad_subject(&error.to_string())))?;
    let DeleteDocument {} = serde_json::from_slice(&delivery.payload)
        .map_err(|error| invalid(messages::jobs::bad_message(&error.to_string())))?;
    Ok(named)
}

#[cfg(test)]
mod tests {
    use async_nats::HeaderMap;
    use chrono::{DateTime, TimeDelta, Utc};
    use platform::nats::Context;
    use schemas::headers;

    use super::*;

    #[test]
    fn a_deletion_that_is_queued_again_keeps_its_first_time() {
        let published = DateTime::UNIX_EPOCH;
        let at = |accepted: Option<DateTime<Utc>>| {
            let mut map = HeaderMap::new();
            if let Some(accepted) = accepted {
                map.insert(headers::ACCEPTED, accepted.to_rfc3339().as_str());
            }
            first_accepted(&Delivery {
                subject: String::new(),
                payload: "{}".into(),
                headers: Some(map),
                context: Context::default(),
                attempt: 1,
                published,
                sequence: 1,
                pending: 0,
            })
        };
        let hour = TimeDelta::hours(1);
        assert_eq!(at(None), published);
        assert_eq!(at(Some(published - hour)), published - hour);
        assert_eq!(at(Some(published + hour)), published, "it is never newer than its message");
    }
}
