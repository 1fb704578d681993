//! Certificates and passwords are changed as docs/operations.md says, while clients search and upload: no
//! request fails, and afterwards the old passwords are refused.

mod served;
pub mod traffic;

use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use async_nats::ConnectOptions;
use devstack::Stack;
use e2e::{
    Certificates, Client, Options, Service, System,
    accounts::{database_url, password, valkey, valkey_url},
    verified,
};
use rustls::pki_types::CertificateDer;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};

use self::{served::Server, traffic::Traffic};
use crate::tls::trusting;

#[tokio::test(flavor = "multi_thread")]
async fn certificates_and_passwords_are_changed_without_a_stop() {
    let options = Options { tls: true, ..Options::default() }.env("SEARCH_TIMEOUT", "60");
    let mut system = System::start(options).await.unwrap();
    let certificates = system.certificates.as_ref().unwrap();
    let client = Client { http: trusting(certificates), url: system.apis[0].url.clone() };
    let accounts = Accounts::of(&system.stack);
    let traffic = Traffic::start(client).await;

    renew_certificates(&system, certificates).await;
    traffic.flows("with renewed certificates").await;

    // 1. A second user (NATS, PostgreSQL) or a second password (Valkey) is added.
    accounts.change(&system.stack, |text| {
        USERS.iter().fold(text, |text, user| {
            let first = format!("{{ user: {user}, ");
            let (before, rest) = text.split_once(&first).unwrap();
            let second = format!("{{ user: {user}-b, password: {NEW}, permissions: ${user}_rights }}");
            format!("{before}{second}\n{first}{rest}")
        })
    });
    let pool = PgPool::connect(system.stack.database_url()).await.unwrap();
    for (login, role) in LOGINS {
        for sql in [
            format!("CREATE ROLE {login}_b LOGIN NOINHERIT PASSWORD '{NEW}'"),
            format!("GRANT {role} TO {login}_b WITH INHERIT FALSE, SET TRUE"),
            format!("GRANT CONNECT ON DATABASE acorag TO {login}_b"),
        ] {
            sqlx::query(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
        }
    }
    let old = password("valkey");
    valkey_does(&system.stack, &old, &format!("ACL SETUSER default >{NEW}"));
    traffic.flows("with two users each").await;

    // 2. The services change to the new users, one after the other. Each new process is ready before the old
    // one ends.
    let front = system.tls_of_valkey.clone().unwrap();
    let authority = certificates.path("ca.crt");
    let changed = |user: &str, login: Option<&str>| {
        let mut changed = vec![
            ("NATS_USER", format!("{user}-b")),
            ("NATS_PASSWORD", NEW.to_owned()),
            ("REDIS_URL", valkey_url("rediss", NEW, &front)),
        ];
        if let Some(login) = login {
            let url = at(&system.stack, &format!("{login}_b"), NEW);
            changed.push(("DATABASE_URL", verified(&url, &authority)));
        }
        changed
    };
    let settings = [
        changed("query", Some("acorag_query_worker")),
        changed("ingest", Some("acorag_ingest_worker")),
        changed("api", None),
    ];
    replace(&mut system.query_workers[0], &settings[0], None).await;
    replace(&mut system.ingest_workers[0], &settings[1], None).await;
    replace(&mut system.apis[0], &settings[2], Some(&traffic)).await;
    traffic.flows("with the second users").await;

    // 3. The first users and the old passwords are removed.
    accounts.change(&system.stack, |text| {
        let mut lines: Vec<&str> = text.lines().collect();
        lines.retain(|line| !USERS.iter().any(|user| line.contains(&format!("{{ user: {user}, "))));
        lines.join("\n")
    });
    for (login, _) in LOGINS {
        let sql = format!("ALTER ROLE {login} PASSWORD '{NEW}'");
        sqlx::query(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    }
    valkey_does(&system.stack, NEW, &format!("ACL SETUSER default <{old}"));
    traffic.flows("without the first users").await;
    println!("{}", traffic.stop().await);

    let certificates = system.certificates.as_ref().unwrap();
    let nats = system.stack.nats_url();
    for user in USERS {
        let refused = enter_nats(nats, user, &password(user), certificates).await.unwrap_err();
        assert!(refused.contains("authorization violation"), "{user}: {refused}");
        enter_nats(nats, &format!("{user}-b"), NEW, certificates).await.unwrap();
    }
    for (login, _) in LOGINS {
        let refused = PgConnection::connect(&database_url(&system.stack, login).unwrap()).await.unwrap_err();
        let code = refused.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
        assert_eq!(code.as_deref(), Some("28P01"), "{login}: {refused}");
        PgConnection::connect(&at(&system.stack, login, NEW)).await.unwrap();
    }
    for (login, _) in LOGINS {
        for sql in [format!("DROP OWNED BY {login}"), format!("DROP ROLE {login}")] {
            sqlx::query(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
        }
    }
    let answers = valkey(&system.stack, &[format!("AUTH {old}")]).unwrap();
    assert!(answers[0].starts_with("-WRONGPASS"), "{answers:?}");
}

/// Runs `ops/tls.sh` again and makes each server load its new certificate.
async fn renew_certificates(system: &System, certificates: &Certificates) {
    let stack = &system.stack;
    let front = system.tls_of_valkey.as_deref().unwrap();
    let database = stack.database_url().rsplit(['@', '/']).nth(1).unwrap();
    let servers = [
        (Server::Nats, stack.nats_url().trim_start_matches("nats://"), "nats.crt"),
        (Server::Postgres, database, "postgres.crt"),
        (Server::Valkey, front, "valkey.crt"),
    ];
    let issued = |file: &str| {
        use rustls::pki_types::pem::PemObject as _;
        CertificateDer::from_pem_file(certificates.path(file)).unwrap()
    };
    let mut before = Vec::new();
    for (server, address, file) in servers {
        before.push(issued(file));
        assert_eq!(server.certificate(address, certificates).await, issued(file), "{file}");
    }
    certificates.renew().unwrap();
    certificates.install_key_of_postgres().unwrap();
    reload_nats(stack);
    let mut connection = PgConnection::connect(stack.database_url()).await.unwrap();
    sqlx::query("SELECT pg_reload_conf()").execute(&mut connection).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    for ((server, address, file), before) in servers.into_iter().zip(before) {
        assert_ne!(before, issued(file));
        while server.certificate(address, certificates).await != issued(file) {
            assert!(Instant::now() < deadline, "the renewed {file} is not served");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The users of `ops/nats/nats.conf` whose services run all the time.
const USERS: [&str; 3] = ["api", "ingest", "query"];
/// The logins of `ops/postgres/roles.sql` for these services, each with the role that it takes.
const LOGINS: [(&str, &str); 2] =
    [("acorag_ingest_worker", "acorag_ingest"), ("acorag_query_worker", "acorag_query")];
const NEW: &str = "a1n0ther2password";

/// A copy of the files of `ops/nats`, which the test changes as an operator would.
struct Accounts(PathBuf);

impl Accounts {
    /// Copies the files beside the server's configuration, and makes the configuration include the copies.
    fn of(stack: &Stack) -> Self {
        let folder = stack.logs().parent().unwrap().join("nats");
        let ops = format!("{}/../ops/nats", env!("CARGO_MANIFEST_DIR"));
        fs::create_dir(folder.join("ops")).unwrap();
        for file in ["nats.conf", "tls.conf"] {
            fs::copy(format!("{ops}/{file}"), folder.join("ops").join(file)).unwrap();
        }
        let own = folder.join("nats.conf");
        let text = fs::read_to_string(&own).unwrap();
        let include = text.lines().find(|line| line.starts_with("include ")).unwrap();
        assert!(include.contains("ops/nats/tls.conf"), "{include}");
        fs::write(own, text.replace(include, "include \"ops/tls.conf\"")).unwrap();
        Self(folder.join("ops/nats.conf"))
    }

    fn change(&self, stack: &Stack, change: impl FnOnce(String) -> String) {
        fs::write(&self.0, change(fs::read_to_string(&self.0).unwrap())).unwrap();
        reload_nats(stack);
    }
}

/// Makes NATS reload its configuration, and waits until this is done.
fn reload_nats(stack: &Stack) {
    let log = stack.logs().join("nats.log");
    let reloaded = || fs::read_to_string(&log).unwrap().matches("Reloaded server configuration").count();
    let before = reloaded();
    let process = stack.process_ids()[0];
    let mut command = Command::new(stack.paths().bin.join("nats-server"));
    let output = command.args(["--signal", &format!("reload={process}")]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let deadline = Instant::now() + Duration::from_secs(60);
    while reloaded() == before {
        assert!(Instant::now() < deadline, "{}", fs::read_to_string(&log).unwrap());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Replaces the process of a service: the new process is ready before the old one is asked to stop, and the
/// old one finishes its requests.
async fn replace(service: &mut Service, settings: &[(&str, String)], traffic: Option<&Traffic>) {
    let successor = service.successor(settings).await.unwrap();
    if let Some(traffic) = traffic {
        traffic.goes_to(&successor.url).await;
    }
    let mut predecessor = std::mem::replace(service, successor);
    tokio::task::block_in_place(|| predecessor.stop()).unwrap();
}

fn valkey_does(stack: &Stack, password: &str, command: &str) {
    let answers = valkey(stack, &[format!("AUTH {password}"), command.to_owned()]).unwrap();
    assert_eq!(answers, ["+OK", "+OK"], "{command}");
}

async fn enter_nats(url: &str, user: &str, password: &str, known: &Certificates) -> Result<(), String> {
    let options = ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
        .add_root_certificates(known.path("ca.crt"))
        .require_tls(true);
    options.connect(url).await.map(drop).map_err(|error| error.to_string())
}

/// The URL of the stack's database for this login and password.
fn at(stack: &Stack, login: &str, password: &str) -> String {
    let (_, place) = stack.database_url().split_once('@').unwrap();
    format!("postgres://{login}:{password}@{place}")
}
