//! Revisions of one document, of which only the current one is found.

use super::*;

#[tokio::test]
async fn only_a_number_makes_revisions() {
    let pool = database("store_numbers").await;
    let numbered = |document: &str, second, number: &str| {
        let mut job = revision(document, second, "");
        job.body.metadata.fields.number = number.into();
        job
    };
    for (second, (document, number)) in
        [("a", "S/N"), ("b", "S/N"), ("c", "PL-1-11"), ("d", "PL-11-1"), ("e", "pl 1.11")]
            .into_iter()
            .enumerate()
    {
        index(&pool, &numbered(document, i64::try_from(second).unwrap(), number)).await;
    }
    let expected = ["indexed", "indexed", "superseded", "indexed", "indexed"];
    assert_eq!(states(&pool, &["a", "b", "c", "d", "e"]).await, expected);
}

#[tokio::test]
async fn a_revision_that_takes_another_number_or_fails_gives_its_place_back() {
    let pool = database("store_back").await;
    index(&pool, &revision("a", 0, "A")).await;
    index(&pool, &revision("b", 1, "B")).await;
    assert_eq!(states(&pool, &["a", "b"]).await, ["superseded", "indexed"]);
    let mut renumbered = revision("b", 2, "B");
    renumbered.body.metadata.fields.number = "PL-2".into();
    assert_eq!(start(&pool, &renumbered).await.unwrap(), Start::Go);
    let committed = commit(&pool, &renumbered, &nothing(&renumbered)).await.unwrap().unwrap();
    assert_eq!(committed.revived.map(|revived| revived.document), Some("a".parse().unwrap()));

    index(&pool, &revision("c", 3, "C")).await;
    index(&pool, &revision("d", 4, "D")).await;
    let again = revision("d", 5, "E");
    assert_eq!(start(&pool, &again).await.unwrap(), Start::Go);
    let revived =
        fail::fail(&pool, &again, &schemas::messages::jobs::internal().reason("damaged")).await.unwrap();
    assert_eq!(revived.map(|revived| revived.document), Some("c".parse().unwrap()));
}

#[tokio::test]
async fn the_current_revision_stays_so_while_it_is_processed_anew() {
    let pool = database("store_anew").await;
    index(&pool, &revision("b", 0, "B")).await;
    let mut anew = revision("b", 1, "B");
    anew.body.filename = "b.txt".to_owned();
    assert_eq!(start(&pool, &anew).await.unwrap(), Start::Go);
    index(&pool, &revision("a", 2, "A")).await;
    assert_eq!(state(&pool, "a").await, ("superseded".to_owned(), 0));
}
