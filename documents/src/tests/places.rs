//! Records of an import that are about the same document.

use super::*;

async fn settled_places(pool: &PgPool, import: &Job, asked: &[Record]) -> Vec<i32> {
    let settled = settled(pool, import, asked).await.unwrap().unwrap();
    let mut places: Vec<i32> = settled.into_iter().collect();
    places.sort_unstable();
    places
}

#[tokio::test]
async fn of_the_records_of_one_document_only_the_last_one_is_queued() {
    let pool = database("store_places").await;
    let import = import(0);
    assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
    begin(&pool, &import).await.unwrap();
    let mut file = records(&["r1", "r2", "r1"]);
    file.push(Record { place: 300, ..records(&["r2"]).remove(0) });
    let note_all = async || {
        for batch in file.chunks(3) {
            assert!(note(&pool, &import, batch).await.unwrap());
        }
    };
    note_all().await;
    assert_eq!(settled_places(&pool, &import, &file).await, [1, 2]);
    index(&pool, &record("r1", 1)).await;
    assert_eq!(settled_places(&pool, &import, &file).await, [1, 2, 3]);
    // The next attempt of the import notes its records again.
    note_all().await;
    assert_eq!(settled_places(&pool, &import, &file).await, [1, 2, 3]);
    counted(&pool, &import, &stored(), "ndjson").await.unwrap();
    index(&pool, &record("r2", 2)).await;
    assert!(matches!(standing(&pool, &import, false).await, Standing::Finished { chunks: 2, .. }));
}

#[tokio::test]
async fn a_record_that_was_noted_without_its_place_is_queued_until_it_is_done() {
    let pool = database("store_placeless").await;
    let import = import(0);
    assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
    note_records(&pool, &import, &["r1", "r2"]).await;
    let mut tx = scope::begin(&pool, &Scope::All).await.unwrap();
    // As an earlier release does.
    sqlx::query("UPDATE import_record SET place = NULL").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    index(&pool, &record("r1", 1)).await;
    note_records(&pool, &import, &["r1", "r2"]).await;
    assert_eq!(settled_places(&pool, &import, &records(&["r1", "r2"])).await, [1]);
}

#[tokio::test]
async fn an_import_goes_on_and_is_closed_while_a_document_of_it_begins() {
    let pool = database("store_unlocked").await;
    let import = import(0);
    assert_eq!(start(&pool, &import).await.unwrap(), Start::Go);
    note_records(&pool, &import, &["r1", "r2"]).await;
    counted(&pool, &import, &stored(), "ndjson").await.unwrap();
    index(&pool, &record("r1", 1)).await;
    // A document that begins refers to its import, whose key is locked until the transaction ends.
    let mut beginning = scope::begin(&pool, &Scope::All).await.unwrap();
    sqlx::query("SELECT FROM document WHERE id = 'import' FOR KEY SHARE")
        .execute(&mut *beginning)
        .await
        .unwrap();
    let goes_on = async {
        let after =
            async |place| close(&pool, &import.project, &import.document, &[place], false).await.unwrap();
        assert_eq!(settled_places(&pool, &import, &records(&["r1", "r2"])).await, [1]);
        assert_eq!(after(7).await, Standing::Open { percent: None });
        assert_eq!(after(50).await, Standing::Open { percent: Some(50) });
        index(&pool, &record("r2", 2)).await;
        assert!(matches!(after(7).await, Standing::Finished { .. }));
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), goes_on).await.expect("it waits for a lock");
}
