//! Every service as a user of its own (ops/nats/nats.conf, ops/postgres/roles.sql): it can do its work, and nothing else.

use std::collections::BTreeSet;

use async_nats::jetstream;
use e2e::{
    Options, System, Upload,
    accounts::{self, USERS, password},
};
use futures::StreamExt as _;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use crate::{producers, sample};

const PROJECT: &str = "cuentas";

#[tokio::test]
async fn with_an_account_each_the_services_work_and_are_refused_nothing() {
    let system = System::start(Options { accounts: true, ..Options::default() }).await.unwrap();
    let client = system.client().unwrap();
    let metadata = json!({"project_id": PROJECT, "title": "Informe"});

    // Upload, search, original file, chat.
    let text = "La junta de dilatación del eje 7 tiene 25 mm de ancho.";
    let id = client.index(Upload::new("informe.txt", text, metadata.clone())).await.unwrap();
    let rows = client.search(PROJECT, "junta de dilatación").await.unwrap();
    assert_eq!(rows[0]["document_id"], json!(id));
    let file = client.get(&format!("/document/{id}/file?project_id={PROJECT}")).await.unwrap();
    assert_eq!(file.text().await.unwrap(), text);
    let question = json!({"question": "¿Qué ancho tiene la junta de dilatación?", "project_id": PROJECT});
    let chat = client.post("/chat", &question).await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(chat["sources"][0]["document_id"], json!(id), "{chat}");
    // The same again: a draft that is not needed is removed from the object store.
    let again = client.try_upload(Upload::new("informe.txt", text, metadata), "?wait=60").await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);

    // An import, and a mail with an attachment: both publish jobs of their own.
    let records = [1, 2].map(|number| {
        json!({"DocumentId": format!("r{number}"), "metadata": {"Title": format!("Registro {number}")},
               "full_text": format!("Registro del hormigón número {number}.")})
        .to_string()
    });
    let import = Upload::new("registros.ndjson", records.join("\n"), json!({"project_id": PROJECT}));
    let import = client.upload(import).await.unwrap();
    assert_eq!(client.settled(&import, PROJECT).await.unwrap()["records"]["indexed"], json!(2));

    // What cannot be read is dead-lettered.
    let empty = Upload::new("vacio.txt", "   ", json!({"project_id": PROJECT}));
    let empty = client.upload(empty).await.unwrap();
    assert_eq!(client.settled(&empty, PROJECT).await.unwrap()["state"], "failed");

    // Deletion.
    let gone = client.delete(&format!("/documents/{id}?project_id={PROJECT}")).await.unwrap();
    assert!(gone.status().is_success(), "{}", gone.status());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while client
        .search(PROJECT, "junta de dilatación")
        .await
        .unwrap()
        .iter()
        .any(|row| row["document_id"] == id)
    {
        assert!(std::time::Instant::now() < deadline, "the deleted document still answers");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }

    // A producer: text, the same text again (its end is over: nothing is heard of it any more), and a file.
    let text = ["--document", "p1", "--text", "El anclaje A-7 se tesó a 320 kN."];
    assert!(produce(&system, &text, 0).await.contains("indexed"));
    assert!(produce(&system, &[&text[..], &["--timeout", "1"]].concat(), 2).await.contains("sent before"));
    let path = format!("{}/../samples/files/{}", env!("CARGO_MANIFEST_DIR"), a_sample());
    assert!(produce(&system, &["--document", "p2", "--file", &path], 0).await.contains("indexed"));
    assert_eq!(client.search(PROJECT, "anclaje A-7 tesó").await.unwrap()[0]["document_id"], "p1");
    let file = client.get(&format!("/document/p2/file?project_id={PROJECT}")).await.unwrap();
    assert_eq!(file.bytes().await.unwrap().to_vec(), sample(a_sample()));

    let log = std::fs::read_to_string(system.stack.logs().join("nats.log")).unwrap();
    let refused: Vec<&str> = log.lines().filter(|line| line.contains("Violation")).collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));

    logins_may_do_their_own_work_only(&system).await;
}

fn a_sample() -> &'static str {
    static NAME: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        let folder = format!("{}/../samples/files", env!("CARGO_MANIFEST_DIR"));
        let names =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".pdf")).min().unwrap()
    });
    &NAME
}

/// Runs the producer that README points at, under its own account.
async fn produce(system: &System, arguments: &[&str], code: i32) -> String {
    let script = format!("{}/../load/nats_producer.py", env!("CARGO_MANIFEST_DIR"));
    let output = tokio::process::Command::new(producers::python_with_nats(system).await)
        .args([&script, "--server", system.stack.nats_url(), "--project", PROJECT])
        .args(arguments)
        .envs([("NATS_USER", "producer".to_owned()), ("NATS_PASSWORD", password("producer"))])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Login, role it takes, statement: all are refused for want of a right.
const REFUSED: &[(&str, Option<&str>, &[&str])] = &[
    // A login that has not taken its role has no right at all.
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
            "UPDATE posting SET frequency = 1",
            "UPDATE embedding_model SET name = 'x'",
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

/// What nobody but PostgreSQL's own administrator may do.
const REFUSED_TO_ALL: [&str; 7] = [
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('PG_VERSION')",
    "ALTER SYSTEM SET work_mem = '1GB'",
    "CREATE ROLE intruder",
    "ALTER ROLE acorag_migrate PASSWORD 'x'",
    "CREATE DATABASE intruder",
    "SET ROLE acorag",
];

async fn logins_may_do_their_own_work_only(system: &System) {
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

/// What a user may publish (`>`) and subscribe to (`<`), of everything in `UNIVERSE`. An object name or token is `x`.
const ALLOWED: [(&str, &[&str]); 6] = [
    (
        "api",
        &[
            "> acorag.v1.ingest.document.p.d",
            "> acorag.v1.ingest.delete.p.d",
            "> acorag.v1.query.search.documents",
            "> acorag.v1.event.p.d.queued",
            "> acorag.v1.reply.i.x.cancel",
            "> $O.FILES.C.x",
            "> $O.FILES.M.x",
            "> $JS.API.STREAM.INFO.INGEST",
            "> $JS.API.STREAM.INFO.OBJ_FILES",
            "> $JS.API.STREAM.PURGE.OBJ_FILES",
            "> $JS.API.DIRECT.GET.OBJ_FILES.$O.FILES.M.x",
            "> $JS.API.CONSUMER.CREATE.OBJ_FILES",
            "> $JS.API.CONSUMER.INFO.OBJ_FILES.x",
            "> $JS.API.CONSUMER.DELETE.OBJ_FILES.x",
            "< _INBOX_api.x",
            "< acorag.v1.reply.i.x",
            "< acorag.v1.reply.i.x.cancel",
            "< acorag.v1.event.p.d.indexed",
        ],
    ),
    (
        "ingest",
        &[
            "> acorag.v1.ingest.document.p.d",
            "> acorag.v1.ingest.record.p.d",
            "> acorag.v1.ingest.delete.p.d",
            "> acorag.v1.event.p.d.queued",
            "> acorag.v1.event.p.d.indexed",
            "> acorag.v1.dlq.ingest-document",
            "> $O.FILES.C.x",
            "> $O.FILES.M.x",
            "> $JS.API.STREAM.INFO.INGEST",
            "> $JS.API.STREAM.INFO.DLQ",
            "> $JS.API.STREAM.INFO.OBJ_FILES",
            "> $JS.API.STREAM.PURGE.INGEST",
            "> $JS.API.STREAM.PURGE.OBJ_FILES",
            "> $JS.API.STREAM.MSG.GET.INGEST",
            "> $JS.API.STREAM.MSG.GET.DLQ",
            "> $JS.API.STREAM.MSG.DELETE.DLQ",
            "> $JS.API.DIRECT.GET.OBJ_FILES.$O.FILES.M.x",
            "> $JS.API.CONSUMER.CREATE.OBJ_FILES",
            "> $JS.API.CONSUMER.INFO.OBJ_FILES.x",
            "> $JS.API.CONSUMER.DELETE.OBJ_FILES.x",
            "> $JS.API.CONSUMER.INFO.INGEST.ingest-document",
            "> $JS.API.CONSUMER.INFO.QUERIES.query-search",
            "> $JS.API.CONSUMER.MSG.NEXT.INGEST.ingest-document",
            "> $JS.ACK.INGEST.ingest-document.1.1.1.1.0",
            "< _INBOX_ingest.x",
        ],
    ),
    (
        "query",
        &[
            "> acorag.v1.reply.i.x",
            "> acorag.v1.dlq.query-search",
            "> $JS.API.STREAM.INFO.INGEST",
            "> $JS.API.STREAM.MSG.GET.INGEST",
            "> $JS.API.STREAM.INFO.QUERIES",
            "> $JS.API.CONSUMER.INFO.QUERIES.query-search",
            "> $JS.API.CONSUMER.MSG.NEXT.QUERIES.query-search",
            "> $JS.ACK.QUERIES.query-search.1.1.1.1.0",
            "< _INBOX_query.x",
            "< acorag.v1.reply.i.x.cancel",
        ],
    ),
    (
        "migrate",
        &[
            "> acorag.v1.ingest.document.p.d",
            "> acorag.v1.ingest.record.p.d",
            "> acorag.v1.ingest.delete.p.d",
            "> acorag.v1.dlq.ingest-document",
            "> acorag.v1.dlq.query-search",
            "> $O.FILES.C.x",
            "> $O.FILES.M.x",
            "> $JS.API.STREAM.CREATE.x",
            "> $JS.API.STREAM.UPDATE.INGEST",
            "> $JS.API.STREAM.UPDATE.QUERIES",
            "> $JS.API.STREAM.UPDATE.EVENTS",
            "> $JS.API.STREAM.UPDATE.DLQ",
            "> $JS.API.STREAM.UPDATE.OBJ_FILES",
            "> $JS.API.STREAM.INFO.INGEST",
            "> $JS.API.STREAM.INFO.QUERIES",
            "> $JS.API.STREAM.INFO.EVENTS",
            "> $JS.API.STREAM.INFO.DLQ",
            "> $JS.API.STREAM.INFO.OBJ_FILES",
            "> $JS.API.STREAM.PURGE.OBJ_FILES",
            "> $JS.API.STREAM.MSG.GET.INGEST",
            "> $JS.API.DIRECT.GET.OBJ_FILES.$O.FILES.M.x",
            "> $JS.API.CONSUMER.CREATE.INGEST.x.acorag.v1.ingest.document.p.d",
            "> $JS.API.CONSUMER.CREATE.OBJ_FILES.x.$O.FILES.C.x",
            "> $JS.API.CONSUMER.INFO.INGEST.ingest-document",
            "> $JS.API.CONSUMER.INFO.QUERIES.query-search",
            "> $JS.API.CONSUMER.INFO.EVENTS.x",
            "> $JS.API.CONSUMER.INFO.DLQ.x",
            "> $JS.API.CONSUMER.INFO.OBJ_FILES.x",
            "< _INBOX_migrate.x",
        ],
    ),
    (
        "producer",
        &[
            "> acorag.v1.ingest.document.p.d",
            "> $O.FILES.C.x",
            "> $O.FILES.M.x",
            "< _INBOX_producer.x",
            "< acorag.v1.event.p.d.indexed",
        ],
    ),
    (
        "backup",
        &[
            "> $JS.API.STREAM.INFO.INGEST",
            "> $JS.API.STREAM.INFO.DLQ",
            "> $JS.API.STREAM.INFO.OBJ_FILES",
            "> $JS.API.STREAM.MSG.GET.INGEST",
            "> $JS.API.STREAM.MSG.GET.DLQ",
            "> $JS.API.STREAM.MSG.GET.OBJ_FILES",
            "< _INBOX_backup.x",
        ],
    ),
];

/// Everything that anybody might try.
fn universe() -> BTreeSet<String> {
    let mut all: BTreeSet<String> =
        ALLOWED.iter().flat_map(|(_, lines)| *lines).map(|&line| line.to_owned()).collect();
    let publish = ["NAMES", "LIST", "TEMPLATE.NAMES"].map(|call| format!("$JS.API.STREAM.{call}"));
    all.extend(publish.iter().map(|subject| format!("> {subject}")));
    for (stream, consumer) in [
        ("INGEST", "ingest-document"),
        ("QUERIES", "query-search"),
        ("EVENTS", "x"),
        ("DLQ", "x"),
        ("OBJ_FILES", "x"),
    ] {
        for call in [
            "INFO",
            "UPDATE",
            "DELETE",
            "PURGE",
            "MSG.GET",
            "MSG.DELETE",
            "SNAPSHOT",
            "RESTORE",
            "LEADER.STEPDOWN",
        ] {
            all.insert(format!("> $JS.API.STREAM.{call}.{stream}"));
        }
        for call in ["CREATE", "NAMES", "LIST"] {
            all.insert(format!("> $JS.API.CONSUMER.{call}.{stream}"));
        }
        for call in ["CREATE", "DURABLE.CREATE", "INFO", "DELETE", "MSG.NEXT", "PAUSE"] {
            all.insert(format!("> $JS.API.CONSUMER.{call}.{stream}.{consumer}"));
        }
        all.insert(format!("> $JS.API.DIRECT.GET.{stream}"));
        all.insert(format!("> $JS.ACK.{stream}.{consumer}.1.1.1.1.0"));
    }
    for subject in [
        ">",
        "acorag.>",
        "acorag.v1.ingest.>",
        "acorag.v1.query.>",
        "acorag.v1.dlq.>",
        "acorag.v1.event.>",
        "$O.>",
        "$JS.>",
        "$SYS.>",
        "_INBOX.>",
        "*.*.*.*",
    ] {
        all.insert(format!("< {subject}"));
    }
    all
}

#[tokio::test]
async fn a_user_of_nats_may_do_exactly_what_is_listed() {
    let options =
        devstack::Options { nats: Some(accounts::nats_configuration()), ..devstack::Options::default() };
    let stack = tokio::task::spawn_blocking(|| devstack::Stack::start(options)).await.unwrap().unwrap();
    let mut wrong = Vec::new();
    let universe = universe();
    assert_eq!(ALLOWED.map(|(user, _)| user), USERS.map(|user| user));
    for (user, allowed) in ALLOWED {
        let mut session = Session::open(stack.nats_url(), user).await;
        for line in &universe {
            let expected = allowed.contains(&line.as_str());
            if session.may(line).await != expected {
                wrong.push(format!("{user} {line}: {}", if expected { "refused" } else { "allowed" }));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let anonymous = async_nats::connect(stack.nats_url()).await;
    assert!(anonymous.is_err(), "somebody without a name was let in");
}

/// As docs/operations.md says: a second user of the service comes, its processes change over, the first user goes.
#[tokio::test]
async fn a_password_is_changed_while_everybody_stays_connected() {
    let folder = std::env::temp_dir().join(format!("acorag-nats-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut configuration = accounts::nats_configuration();
    let whole = std::fs::read_to_string(&configuration.file).unwrap();
    let old = "{ user: api, password: $NATS_API_PASSWORD, permissions: $api_rights }";
    let new = "{ user: api-b, password: a-new-one, permissions: $api_rights }";
    assert!(whole.contains(old));
    configuration.file = folder.join("nats.conf");
    let file = configuration.file.clone();
    std::fs::write(&file, &whole).unwrap();
    let options = devstack::Options { nats: Some(configuration), ..devstack::Options::default() };
    let stack = tokio::task::spawn_blocking(|| devstack::Stack::start(options)).await.unwrap().unwrap();
    let reload = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let server = stack.process_ids()[0].to_string();
        assert!(std::process::Command::new("kill").args(["-HUP", &server]).status().unwrap().success());
    };
    let connect = async |user: &str, password: &str| {
        let options =
            async_nats::ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned());
        options.custom_inbox_prefix("_INBOX_api").connect(stack.nats_url()).await
    };
    // It asks and hears the answer: of a stream that is not there, but by the right to ask.
    let asks = async |nats: &async_nats::Client| {
        nats.request("$JS.API.STREAM.INFO.INGEST", "".into())
            .await
            .is_ok_and(|answer| !answer.payload.is_empty())
    };
    let first = connect("api", &password("api")).await.unwrap();
    assert!(connect("api-b", "a-new-one").await.is_err());

    reload(&whole.replace(old, &format!("{old}\n            {new}")));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let second = loop {
        match connect("api-b", "a-new-one").await {
            Ok(second) => break second,
            Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
        }
    };
    assert!(asks(&first).await && asks(&second).await);

    reload(&whole.replace(old, new));
    while connect("api", &password("api")).await.is_ok() {
        assert!(std::time::Instant::now() < deadline, "the old password still opens");
    }
    assert!(asks(&second).await);
    // Nobody who had changed over was ever sent away.
    assert_eq!(second.statistics().connects.load(std::sync::atomic::Ordering::Relaxed), 1);
    std::fs::remove_dir_all(folder).unwrap();
}

/// NATS' own protocol, line by line: a refusal comes before the answer to the next PING, so that nothing is waited for.
struct Session {
    lines: BufReader<TcpStream>,
    subscriptions: u32,
}

impl Session {
    async fn open(url: &str, user: &str) -> Self {
        let stream = TcpStream::connect(url.trim_start_matches("nats://")).await.unwrap();
        let mut session = Self { lines: BufReader::new(stream), subscriptions: 0 };
        let name =
            json!({"user": user, "pass": password(user), "verbose": false, "headers": true, "protocol": 1});
        assert_eq!(session.say(&format!("CONNECT {name}\r\n")).await, None);
        session
    }

    async fn may(&mut self, line: &str) -> bool {
        let (verb, subject) = line.split_once(' ').unwrap();
        self.subscriptions += 1;
        let refusal = match verb {
            ">" => self.say(&format!("PUB {subject} 0\r\n\r\n")).await,
            _ => self.say(&format!("SUB {subject} {0}\r\nUNSUB {0}\r\n", self.subscriptions)).await,
        };
        if let Some(refusal) = &refusal {
            assert!(refusal.contains("Permissions Violation"), "{line}: {refusal}");
        }
        refusal.is_none()
    }

    /// What the server objects to.
    async fn say(&mut self, what: &str) -> Option<String> {
        self.lines.get_mut().write_all(format!("{what}PING\r\n").as_bytes()).await.unwrap();
        let mut refusal = None;
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).await.unwrap(), 0, "closed after {what}: {refusal:?}");
            match line.trim_end() {
                "PONG" => return refusal,
                "PING" => self.lines.get_mut().write_all(b"PONG\r\n").await.unwrap(),
                line if line.starts_with("-ERR") => refusal = Some(line.to_owned()),
                line if line.starts_with("MSG") => {
                    let length: usize = line.rsplit(' ').next().unwrap().parse().unwrap();
                    self.lines.read_exact(&mut vec![0; length + 2]).await.unwrap();
                }
                _ => {}
            }
        }
    }
}

/// Permissions say who may publish where, but not where the server sends an answer. An answer on a job's or a query's
/// subject must do nothing.
#[tokio::test]
async fn an_answer_of_the_server_in_the_place_of_a_job_does_nothing() {
    let system = System::start(Options::default()).await.unwrap();
    let client = system.client().unwrap();
    let text = "El pararrayos se conecta a la malla de tierra.";
    let upload = Upload::new("pararrayos.txt", text, json!({"project_id": PROJECT}));
    let id = client.index(upload).await.unwrap();
    let nats = async_nats::connect(system.stack.nats_url()).await.unwrap();
    let mut events = nats.subscribe(format!("acorag.v1.event.{PROJECT}.*.failed")).await.unwrap();
    let stream = jetstream::new(nats.clone());

    // What a stream holds, chosen by whoever stored it: here a perfect deletion and a perfect job.
    let stored = |name: &str, payload: String| (format!("$O.FILES.M.{name}"), payload);
    let forged =
        [stored("delete", "{}".to_owned()), stored("document", json!({"text": "Falso."}).to_string())];
    for (subject, payload) in &forged {
        stream.publish(subject.clone(), payload.clone().into()).await.unwrap().await.unwrap();
    }
    let job = |kind: &str, id: &str| format!("acorag.v1.ingest.{kind}.{PROJECT}.{id}");
    for kind in ["delete", "document"] {
        let read = format!("$JS.API.DIRECT.GET.OBJ_FILES.$O.FILES.M.{kind}");
        nats.publish_with_reply(read, job(kind, &id), "".into()).await.unwrap();
        nats.publish_with_reply("$JS.API.STREAM.INFO.INGEST", job(kind, &id), "".into()).await.unwrap();
        // A receipt, and the empty answer to a pull that finds nothing.
        nats.publish_with_reply("acorag.v1.dlq.x", job(kind, &id), "".into()).await.unwrap();
        let pull = "$JS.API.CONSUMER.MSG.NEXT.INGEST.ingest-record";
        nats.publish_with_reply(pull, job(kind, &id), r#"{"batch":1,"no_wait":true}"#.into()).await.unwrap();
    }
    // Each consumer works in its order, one deletion at a time; documents by several slots. An unreadable job for a new
    // name, the last of all, tells when those before it are done.
    stream.publish(job("document", "ultimo"), "no".into()).await.unwrap().await.unwrap();
    loop {
        let event =
            tokio::time::timeout(std::time::Duration::from_secs(60), events.next()).await.unwrap().unwrap();
        if event.subject.contains(".ultimo.") {
            break;
        }
    }
    let consumers = ["ingest-document", "ingest-delete"];
    for consumer in consumers {
        let mut consumer: jetstream::consumer::PullConsumer =
            stream.get_consumer_from_stream(consumer, "INGEST").await.unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            let info = consumer.info().await.unwrap();
            if info.num_pending == 0 && info.num_ack_pending == 0 {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "{info:?}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    let document = client.document(&id, PROJECT).await.unwrap();
    assert_eq!(document["state"], "indexed", "{document}");
    assert_eq!(
        client.search(PROJECT, "pararrayos malla de tierra").await.unwrap()[0]["snippet"].as_str(),
        Some(text)
    );
    assert_eq!(client.document("ultimo", PROJECT).await.unwrap()["state"], "failed");
}
