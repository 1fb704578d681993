//! The list of documents: what is queued, then what is stored.

use schemas::{
    Scope,
    document::{Document, ListDocuments, ListFilter, State},
    subjects::{self, JobKind},
};

use crate::{
    seed,
    world::{self, World, projects, run},
};

async fn queue(world: &World, project: &str, document: &str, category: &str) {
    let subject = subjects::job(JobKind::Document, &project.parse().unwrap(), &document.parse().unwrap());
    let job = serde_json::json!({"text": "Muro de contención.", "metadata": {"category": category}});
    let published = world.app.nats.jetstream.publish(subject, job.to_string().into()).await.unwrap();
    published.await.unwrap();
}

/// Every page of the list, as ids.
async fn pages(world: &World, scope: &Scope, filter: ListFilter) -> Vec<Vec<String>> {
    let mut query = ListDocuments { scope: scope.clone(), filter };
    let mut pages = Vec::new();
    loop {
        let page = world::ask(&world.app, &query).await.unwrap();
        pages.push(page.documents.iter().map(name).collect());
        let Some(cursor) = page.next_cursor else { return pages };
        query.filter.cursor = Some(cursor);
    }
}

fn name(document: &Document) -> String {
    let mark = if document.state == State::Queued { "queued " } else { "" };
    format!("{mark}{}", document.document_id)
}

#[test]
fn what_waits_in_the_queue_is_listed_before_what_is_stored() {
    run(async {
        let world = world::samples().await;
        let stored = ["s1", "s2", "s3"].map(|id| seed::Document::text("list-a", id, id, "Texto."));
        seed::insert(&world.pool, world.app.model.as_ref(), &stored).await;
        queue(world, "list-a", "q1", "Plano").await;
        queue(world, "list-b", "q2", "Plano").await;
        queue(world, "list-c", "q3", "Plano").await;
        queue(world, "list-a", "q4", "Acta").await;
        // Sent twice, and one that a worker has stored but not acknowledged yet.
        queue(world, "list-a", "q4", "Acta").await;
        queue(world, "list-a", "s1", "Plano").await;
        queue(world, "list-b", "q5", "Acta").await;

        let both = projects(&["list-a", "list-b"]);
        let filter = |limit| ListFilter { limit: Some(limit), ..ListFilter::default() };
        let everything = ["queued q1", "queued q2", "queued q4", "queued q5", "s3", "s2", "s1"];
        assert_eq!(pages(world, &both, filter(50)).await, [everything]);
        for limit in 1..8 {
            let pages = pages(world, &both, filter(limit)).await;
            let mut walked = pages.concat();
            // Twice in one page it never is.
            walked.dedup();
            assert_eq!(walked, everything, "{limit}");
            assert!(pages.iter().all(|page| page.len() as i64 <= limit), "{pages:?}");
        }

        let of = async |filter: ListFilter| pages(world, &both, filter).await.concat();
        let state = |state| ListFilter { state: Some(state), ..filter(2) };
        assert_eq!(of(state(State::Queued)).await, everything[..4]);
        assert_eq!(of(state(State::Indexed)).await, everything[4..]);
        let minutes = ListFilter { category: Some("ACTA".to_owned()), ..filter(9) };
        assert_eq!(of(minutes).await, ["queued q4", "queued q5"]);

        assert_eq!(pages(world, &projects(&["list-c"]), filter(1)).await.concat(), ["queued q3"]);
        assert!(pages(world, &projects(&[]), filter(1)).await.concat().is_empty());
        let all = pages(world, &Scope::All, filter(200)).await.concat();
        assert!(
            ["queued q1", "queued q3", "s2"].iter().all(|id| all.iter().any(|listed| listed == id)),
            "{all:?}"
        );
    });
}
