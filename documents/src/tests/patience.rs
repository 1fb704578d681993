//! Statements about all parts of an import may take longer than other statements.

use sqlx::AssertSqlSafe;

use super::*;

/// Runs `work` twice and returns the second result. A statement like this one, which is part of the work, is refused: the first time
/// always, the second time unless it may take ten minutes.
async fn with_time<T>(pool: &PgPool, statement: &str, work: impl AsyncFn() -> sqlx::Result<T>) -> T {
    let owner = owner(pool).await;
    let refuse = async |limit: &str| {
        // The policies call this function.
        let function = format!(
            "CREATE OR REPLACE FUNCTION acorag_projects() RETURNS integer[] LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
             BEGIN
                 IF current_query() LIKE '{statement}' AND current_setting('statement_timeout') <> '{limit}' THEN
                     RAISE EXCEPTION 'the time limit is %', current_setting('statement_timeout');
                 END IF;
                 RETURN coalesce(nullif(current_setting('acorag.projects', true), '')::integer[],
                                 (SELECT array_agg(key) FROM project));
             END $$"
        );
        sqlx::raw_sql(AssertSqlSafe(function)).execute(&owner).await.unwrap();
    };
    refuse("no limit").await;
    assert!(work().await.is_err(), "no statement is like {statement}");
    refuse("10min").await;
    work().await.unwrap()
}

#[tokio::test]
async fn the_deletion_of_an_import_has_time_to_list_its_parts() {
    let pool = database("patience_delete").await;
    index(&pool, &text("import", 0)).await;
    index(&pool, &record("part", 1)).await;
    let Job { project, document, accepted_at, .. } = import(2);
    let list = async || delete::delete(&pool, &project, &document, accepted_at).await;
    let mut deletion = with_time(&pool, "%RECURSIVE part%", list).await.unwrap();
    let deleted = deletion.next(&pool).await.unwrap().unwrap().documents;
    assert_eq!(deleted, ["part".parse().unwrap(), document]);
}

#[tokio::test]
async fn an_import_has_time_to_look_for_attachments_among_its_parts() {
    let pool = database("patience_attachments").await;
    index(&pool, &text("import", 0)).await;
    index(&pool, &record("part", 1)).await;
    let named = "UPDATE document SET object = $1 WHERE id = 'part'";
    sqlx::query(named).bind(ATTACHMENT).execute(&owner(&pool).await).await.unwrap();
    let look = async || delete::other_attachments(&pool, &import(2), &[]).await;
    assert_eq!(with_time(&pool, "SELECT part.id%", look).await, ["part".parse().unwrap()]);
}

#[tokio::test]
async fn an_import_has_time_to_forget_and_count_its_records_and_to_be_closed() {
    let pool = database("patience_import").await;
    assert_eq!(start(&pool, &import(0)).await.unwrap(), Start::Go);
    note_records(&pool, &import(0), &["r1"]).await;
    let import = import(2);
    let forget = async || start(&pool, &import).await;
    assert_eq!(with_time(&pool, "DELETE FROM import_record%", forget).await, Start::Go);
    note_records(&pool, &import, &["r1"]).await;
    let count = async || counted(&pool, &import, &stored(), "ndjson").await;
    with_time(&pool, "UPDATE document%(SELECT count(*) FROM import_record%", count).await;
    index(&pool, &record_of(2, "r1", 3)).await;
    for statement in ["UPDATE document%sum(text_length)%", "SELECT%sum(chunks)%"] {
        let close = async || close(&pool, &import.project, &import.document, &[0], true).await;
        let standing = with_time(&pool, statement, close).await;
        assert!(matches!(standing, Standing::Finished { chunks: 1, .. }), "{statement}: {standing:?}");
    }
}
