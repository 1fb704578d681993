//! Logins of PostgreSQL: statements that a service does not need are refused.

use e2e::{System, accounts};
use sqlx::{Connection as _, Executor as _, PgConnection};

/// A login, the role that it takes, and statements that must be refused because the role has no right to
/// them.
const REFUSED: &[(&str, Option<&str>, &[&str])] = &[
    // A login that has not taken its role has no rights.
    (
        "acorag_ingest_worker",
        None,
        &["SELECT FROM document", "SELECT FROM embedding_model", "CREATE TABLE t ()"],
    ),
    ("acorag_query_worker", None, &["SELECT FROM document", "SELECT FROM api_key", "CREATE TEMP TABLE t ()"]),
    (
        "acorag_ingest_worker",
        Some("acorag_ingest"),
        &[
            "SELECT FROM api_key",
            "SELECT FROM account",
            "SELECT FROM login_session",
            "SELECT FROM turn",
            "SELECT FROM feedback",
            "SELECT FROM search_log",
            "INSERT INTO api_key (id, name, token_sha256, role) VALUES ('x', 'x', '', 'admin')",
            "DELETE FROM document",
            "DELETE FROM project",
            "TRUNCATE chunk",
            "UPDATE chunk SET text = ''",
            "UPDATE embedding_model SET name = 'x'",
            "INSERT INTO embedding_model (name, digest, dimension, answering) VALUES ('x', 'x', 1, false)",
            "SELECT FROM embedding_1",
            "CREATE INDEX ON embedding (chunk_key)",
            "DROP TABLE embedding_1",
        ],
    ),
    (
        "acorag_query_worker",
        Some("acorag_query"),
        &[
            "INSERT INTO project (id) VALUES ('x')",
            "UPDATE document SET state = 'deleted'",
            "DELETE FROM document",
            "DELETE FROM chunk",
            "UPDATE posting SET last = 1",
            "DELETE FROM embedding",
            "UPDATE embedding_model SET name = 'x'",
            "SELECT acorag_drop_model(1::smallint)",
            "INSERT INTO api_key (id, name, token_sha256, role) VALUES ('x', 'x', '', 'admin')",
            "UPDATE api_key SET role = 'admin'",
            "UPDATE account SET role = 'admin'",
            "INSERT INTO account (id, email, password_hash, role) VALUES ('x', 'x', 'x', 'admin')",
            "UPDATE turn SET answer = ''",
            "DELETE FROM turn",
            "DELETE FROM feedback",
        ],
    ),
    (
        "acorag_backup",
        None,
        &[
            "SELECT FROM document",
            "SELECT FROM api_key",
            "UPDATE document SET state = 'deleted'",
            "CREATE TABLE t ()",
        ],
    ),
];

/// Statements that only the superuser of PostgreSQL may run.
const REFUSED_TO_ALL: [&str; 7] = [
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('PG_VERSION')",
    "ALTER SYSTEM SET work_mem = '1GB'",
    "CREATE ROLE intruder",
    "ALTER ROLE acorag_migrate PASSWORD 'x'",
    "CREATE DATABASE intruder",
    "SET ROLE acorag",
];

pub async fn logins_may_do_their_own_work_only(system: &System) {
    let logins = ["acorag_migrate", "acorag_ingest_worker", "acorag_query_worker", "acorag_backup"];
    let mut wrong = Vec::new();
    let mut expect_refused = async |login: &str, role: Option<&str>, statement: &str| {
        let mut connection =
            PgConnection::connect(&accounts::database_url(&system.stack, login).unwrap()).await.unwrap();
        if let Some(role) = role {
            connection.execute(sqlx::AssertSqlSafe(format!("SET ROLE {role}"))).await.unwrap();
        }
        let result = connection.execute(sqlx::AssertSqlSafe(statement.to_owned())).await.map(drop);
        let code =
            result.as_ref().err().and_then(|error| Some(error.as_database_error()?.code()?.into_owned()));
        if code.as_deref() != Some("42501") {
            wrong.push(format!("{login} as {role:?}: {statement}: {result:?}"));
        }
    };
    for (login, role, statements) in REFUSED {
        for statement in *statements {
            expect_refused(login, *role, statement).await;
        }
    }
    for login in logins {
        for statement in
            REFUSED_TO_ALL.iter().filter(|sql| login != "acorag_migrate" || !sql.contains("migrate"))
        {
            expect_refused(login, None, statement).await;
        }
    }
    for (login, other) in [
        ("acorag_ingest_worker", "acorag_query"),
        ("acorag_ingest_worker", "acorag_migrate"),
        ("acorag_query_worker", "acorag_ingest"),
        ("acorag_query_worker", "acorag_migrate"),
        ("acorag_backup", "acorag_ingest"),
        ("acorag_backup", "acorag_query"),
        ("acorag_backup", "acorag_migrate"),
    ] {
        expect_refused(login, None, &format!("SET ROLE {other}")).await;
    }
    assert!(wrong.is_empty(), "not refused:\n{}", wrong.join("\n"));
}
