//! Checks what the database, the streams and the object store contain after the crashes.

use std::{collections::BTreeSet, time::Instant};

use futures::TryStreamExt as _;
use schemas::subjects;

use super::{Crashes, PATIENCE};

impl Crashes {
    pub async fn queue_is_empty(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.subjects(subjects::INGEST_STREAM, ">").await.is_empty() {
            assert!(Instant::now() < deadline, "still queued");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// The subjects of the messages in a stream.
    async fn subjects(&self, stream: &str, filter: &str) -> Vec<String> {
        let stream = self.jetstream.get_stream_no_info(stream).await.unwrap();
        let all = stream.info_with_subjects(filter).await.unwrap();
        all.map_ok(|(subject, _)| subject).try_collect().await.unwrap()
    }

    /// The kinds of events that were published about a document.
    pub async fn events(&self, project: &str, document: &str) -> Vec<String> {
        let filter = subjects::events_of(&project.parse().unwrap(), &document.parse().unwrap());
        let all = self.subjects(subjects::EVENTS_STREAM, &filter).await;
        all.iter().filter_map(|subject| subject.rsplit('.').next()).map(ToOwned::to_owned).collect()
    }

    /// A sweep that crashes, and then a complete one: afterwards the object store has exactly the files that
    /// documents need.
    pub async fn files_are_swept(&self) {
        let sweep = || self.system.command("acorag-ingest-worker", &["sweep", "--older-than", "0"]);
        let needed: BTreeSet<String> = sqlx::query_scalar(
            "SELECT object FROM document WHERE object <> '' AND state NOT IN ('deleted', 'failed')",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap()
        .into_iter()
        .collect();
        let orphans: Vec<String> = self.objects().await.difference(&needed).cloned().collect();
        assert!(orphans.len() > 1, "an upload without a job, and one that was sent twice: {orphans:?}");
        self.arm("description-removed", &orphans[0]);
        assert!(sweep().is_err(), "it ends in the middle of removing a file");
        assert_eq!(self.armed(), Vec::<String>::new());
        sweep().unwrap();
        assert_eq!(self.objects().await, needed);
        let parts = self.subjects("OBJ_FILES", "$O.FILES.C.>").await;
        assert_eq!(parts.len(), needed.len(), "the parts of those and of no other");
        assert!(self.subjects(subjects::PARTS_STREAM, ">").await.is_empty());
        assert_eq!(sweep().unwrap(), "0 removed\n");
    }

    /// The names of all objects in the object store.
    async fn objects(&self) -> BTreeSet<String> {
        let store = self.jetstream.get_object_store(subjects::FILES_BUCKET).await.unwrap();
        store.list().await.unwrap().map_ok(|object| object.name).try_collect().await.unwrap()
    }

    /// Checks that the index contains each passage once, and that the index's own counts agree.
    pub async fn nothing_is_doubled(&self) {
        let doubled: Vec<i64> = sqlx::query_scalar(
            "SELECT document_key FROM chunk GROUP BY document_key, ordinal HAVING count(*) > 1",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        assert!(doubled.is_empty(), "{doubled:?}");
        let wrong: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM project p
             WHERE chunks <> (SELECT count(*) FROM chunk WHERE project_key = p.key)
                OR chunks <> (SELECT coalesce(sum(chunks), 0) FROM document WHERE project_key = p.key AND kind = 'document')",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        assert!(wrong.is_empty(), "{wrong:?}");
        let stuck: i64 = sqlx::query_scalar("SELECT count(*) FROM document WHERE state = 'processing'")
            .fetch_one(&self.pool)
            .await
            .unwrap();
        assert_eq!(stuck, 0);
    }
}
