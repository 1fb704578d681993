use std::collections::HashSet;

use super::*;

#[test]
fn a_seed_repeats_a_plan_and_every_document_has_unique_words() {
    let plan = |seed| Plan::new(seed, 200, Duration::from_secs(60)).unwrap();
    let told = |plan: &Plan| {
        let faults = plan.faults.iter().map(|fault| format!("{fault:?}")).collect::<Vec<_>>();
        (plan.submissions.iter().map(|s| (s.at, s.id.clone())).collect::<Vec<_>>(), faults)
    };
    assert_eq!(told(&plan(7)), told(&plan(7)));
    assert_ne!(told(&plan(7)), told(&plan(8)));

    let plan = plan(7);
    let documents: Vec<&Document> = plan.submissions.iter().flat_map(|s| &s.documents).collect();
    assert!((200..230).contains(&documents.len()), "{}", documents.len());
    let ids: HashSet<_> = documents.iter().map(|d| (&d.project, &d.id)).collect();
    assert_eq!(ids.len(), documents.len());
    let words: Vec<_> = documents.iter().flat_map(|d| &d.words).collect();
    assert_eq!(words.iter().collect::<HashSet<_>>().len(), words.len());
    for end in [EventKind::Indexed, EventKind::Superseded, EventKind::Failed, EventKind::Deleted] {
        assert!(documents.iter().any(|document| document.end == end), "{end:?}");
    }
    for target in [Target::Nats, Target::Postgres, Target::Redis, Target::Api, Target::QueryWorker] {
        assert!(plan.faults.iter().any(|fault| fault.target == target), "{target:?}");
    }
}
