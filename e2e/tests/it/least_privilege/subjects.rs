//! Users of NATS: each may use exactly the subjects listed here.

use std::collections::BTreeSet;

use async_nats::ConnectErrorKind;
use e2e::accounts::{self, USERS, password};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

/// The subjects of `universe` to which each user may publish (`>`) or subscribe (`<`). An object name or
/// token is `x`.
const ALLOWED: [(&str, &[&str]); 6] = [
    (
        "api",
        &[
            "> acorag.v1.ingest.upload.p.d",
            "> acorag.v1.ingest.delete.p.d",
            "> acorag.v1.query.search.documents",
            "> acorag.v1.secret.auth.login",
            "> acorag.v1.event.p.d.queued",
            "> acorag.v1.reply.i.x.cancel",
            "> $O.FILES.C.x",
            "> $O.FILES.M.x",
            "> $JS.API.STREAM.INFO.INGEST",
            "> $JS.API.STREAM.INFO.OBJ_FILES",
            "> $JS.API.STREAM.PURGE.OBJ_FILES",
            "> $JS.API.STREAM.MSG.GET.OBJ_FILES",
            "> $JS.API.DIRECT.GET.OBJ_FILES",
            "> $JS.API.DIRECT.GET.OBJ_FILES.$O.FILES.M.x",
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
            "> acorag.v1.ingest.upload.p.d",
            "> acorag.v1.ingest.record.p.d",
            "> acorag.v1.ingest.batch.p.d",
            "> acorag.v1.ingest.bulk.p.d",
            "> acorag.v1.ingest.import.p.d",
            "> acorag.v1.ingest.delete.p.d",
            "> acorag.v1.event.p.d.queued",
            "> acorag.v1.event.p.d.indexed",
            "> acorag.v1.dlq.ingest-document",
            "> acorag.v1.dlq.ingest-batch",
            "> acorag.v1.dlq.ingest-bulk",
            "> acorag.v1.dlq.ingest-import",
            "> $O.FILES.C.x",
            "> $O.FILES.M.x",
            "> $JS.API.STREAM.INFO.INGEST",
            "> $JS.API.STREAM.INFO.DLQ",
            "> $JS.API.STREAM.INFO.OBJ_FILES",
            "> $JS.API.STREAM.PURGE.OBJ_FILES",
            "> $JS.API.STREAM.MSG.GET.INGEST",
            "> $JS.API.STREAM.MSG.DELETE.INGEST",
            "> $JS.API.STREAM.MSG.GET.DLQ",
            "> $JS.API.STREAM.MSG.DELETE.DLQ",
            "> $JS.API.STREAM.MSG.GET.PARTS",
            "> $JS.API.STREAM.PURGE.PARTS",
            "> $JS.API.STREAM.MSG.GET.OBJ_FILES",
            "> $JS.API.DIRECT.GET.OBJ_FILES",
            "> $JS.API.DIRECT.GET.OBJ_FILES.$O.FILES.M.x",
            "> $JS.API.CONSUMER.INFO.INGEST.ingest-document",
            "> $JS.API.CONSUMER.INFO.QUERIES.query-search",
            "> $JS.API.CONSUMER.MSG.NEXT.INGEST.ingest-document",
            "> $JS.ACK.INGEST.ingest-document.1.1.1.1.0",
            "> $JS.API.CONSUMER.INFO.QUERIES.query-letters",
            "> $JS.API.CONSUMER.MSG.NEXT.QUERIES.query-letters",
            "> $JS.ACK.QUERIES.query-letters.1.1.1.1.0",
            "> acorag.v1.reply.i.x",
            "< _INBOX_ingest.x",
            "< acorag.v1.reply.i.x.cancel",
        ],
    ),
    (
        "query",
        &[
            "> acorag.v1.reply.i.x",
            "> acorag.v1.dlq.query-search",
            "> $JS.API.STREAM.MSG.GET.INGEST",
            "> $JS.API.STREAM.INFO.QUERIES",
            "> $JS.API.CONSUMER.INFO.QUERIES.query-letters",
            "> $JS.API.CONSUMER.INFO.QUERIES.query-search",
            "> $JS.API.CONSUMER.MSG.NEXT.QUERIES.query-search",
            "> $JS.ACK.QUERIES.query-search.1.1.1.1.0",
            "< _INBOX_query.x",
            "< acorag.v1.secret.>",
            "< acorag.v1.reply.i.x.cancel",
        ],
    ),
    (
        "migrate",
        &[
            "> acorag.v1.ingest.document.p.d",
            "> acorag.v1.ingest.upload.p.d",
            "> acorag.v1.ingest.record.p.d",
            "> acorag.v1.ingest.batch.p.d",
            "> acorag.v1.ingest.bulk.p.d",
            "> acorag.v1.ingest.import.p.d",
            "> acorag.v1.ingest.delete.p.d",
            "> acorag.v1.dlq.ingest-document",
            "> acorag.v1.dlq.ingest-batch",
            "> acorag.v1.dlq.ingest-bulk",
            "> acorag.v1.dlq.ingest-import",
            "> acorag.v1.dlq.query-search",
            "> acorag.v1.file.p.f",
            "> $O.FILES.C.x",
            "> $O.FILES.M.x",
            "> $JS.API.STREAM.CREATE.x",
            "> $JS.API.STREAM.UPDATE.INGEST",
            "> $JS.API.STREAM.UPDATE.QUERIES",
            "> $JS.API.STREAM.UPDATE.EVENTS",
            "> $JS.API.STREAM.UPDATE.DLQ",
            "> $JS.API.STREAM.UPDATE.OBJ_FILES",
            "> $JS.API.STREAM.UPDATE.PARTS",
            "> $JS.API.STREAM.INFO.INGEST",
            "> $JS.API.STREAM.INFO.QUERIES",
            "> $JS.API.STREAM.INFO.EVENTS",
            "> $JS.API.STREAM.INFO.DLQ",
            "> $JS.API.STREAM.INFO.OBJ_FILES",
            "> $JS.API.STREAM.INFO.PARTS",
            "> $JS.API.STREAM.PURGE.OBJ_FILES",
            "> $JS.API.STREAM.MSG.GET.INGEST",
            "> $JS.API.DIRECT.GET.OBJ_FILES.$O.FILES.M.x",
            "> $JS.API.CONSUMER.CREATE.INGEST.ingest-document",
            "> $JS.API.CONSUMER.CREATE.INGEST.x.acorag.v1.ingest.document.p.d",
            "> $JS.API.CONSUMER.CREATE.OBJ_FILES.x.$O.FILES.C.x",
            "> $JS.API.CONSUMER.INFO.INGEST.ingest-document",
            "> $JS.API.CONSUMER.INFO.QUERIES.query-letters",
            "> $JS.API.CONSUMER.INFO.QUERIES.query-search",
            "> $JS.API.CONSUMER.INFO.EVENTS.x",
            "> $JS.API.CONSUMER.INFO.DLQ.x",
            "> $JS.API.CONSUMER.INFO.OBJ_FILES.x",
            "> $JS.API.CONSUMER.INFO.PARTS.x",
            "< _INBOX_migrate.x",
        ],
    ),
    (
        "producer",
        &[
            "> acorag.v1.ingest.document.p.d",
            "> acorag.v1.file.p.f",
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
            "> $JS.API.STREAM.MSG.GET.PARTS",
            "> $JS.API.STREAM.MSG.GET.OBJ_FILES",
            "> $JS.API.DIRECT.GET.OBJ_FILES",
            "< _INBOX_backup.x",
        ],
    ),
];

/// Returns all subjects that the test tries for every user.
fn universe() -> BTreeSet<String> {
    let mut all: BTreeSet<String> =
        ALLOWED.iter().flat_map(|(_, lines)| *lines).map(|&line| line.to_owned()).collect();
    let publish = ["NAMES", "LIST", "TEMPLATE.NAMES"].map(|call| format!("$JS.API.STREAM.{call}"));
    all.extend(publish.iter().map(|subject| format!("> {subject}")));
    for (stream, consumer) in [
        ("INGEST", "ingest-document"),
        ("QUERIES", "query-search"),
        ("QUERIES", "query-letters"),
        ("EVENTS", "x"),
        ("DLQ", "x"),
        ("OBJ_FILES", "x"),
        ("PARTS", "x"),
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
        "acorag.v1.file.>",
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
    let anonymous = async_nats::connect(stack.nats_url()).await.unwrap_err();
    assert_eq!(anonymous.kind(), ConnectErrorKind::AuthorizationViolation, "{anonymous}");
}

/// Follows docs/operations.md: a second user is added, the processes of the service change to it, and the
/// first user is removed.
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
    // Whether the client may send a request and receives the answer. The answer is an error, because the
    // stream does not exist, but this does not matter here.
    let asks = async |nats: &async_nats::Client| {
        nats.request("$JS.API.STREAM.INFO.INGEST", "".into())
            .await
            .is_ok_and(|answer| !answer.payload.is_empty())
    };
    let first = connect("api", &password("api")).await.unwrap();
    let unknown = connect("api-b", "a-new-one").await.unwrap_err();
    assert_eq!(unknown.kind(), ConnectErrorKind::AuthorizationViolation, "{unknown}");

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
    // The server never closed the connection of the second user.
    assert_eq!(second.statistics().connects.load(std::sync::atomic::Ordering::Relaxed), 1);
    std::fs::remove_dir_all(folder).unwrap();
}

/// A connection that uses the NATS protocol directly, line by line. The server sends a refusal before its
/// answer to the next PING, so the test need not wait to know that there was none.
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

    /// Sends a line; returns the refusal of the server, if there is one.
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
