//! PostgreSQL: initialized once in a data folder, and reachable over TCP with a random password.

use std::fs::{self, DirBuilder, Permissions};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::Signal;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::data::remove;
use crate::launch::Launch;
use crate::server::Server;
use crate::shelter::{self, user_of_postgres};

const USER: &str = "acorag";
const DATABASE: &str = "acorag";
const DUPLICATE_DATABASE: &str = "42P04";
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
const OWN_SETTINGS: [&str; 10] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    "shared_buffers=256MB",
    "maintenance_work_mem=256MB",
    "random_page_cost=1.1",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    "fsync=on",
];

/// Starts the server and creates the database of its URL. `folder` contains the data; `settings` (`name=value`) override
/// the settings of this module.
pub(crate) fn start(
    installation: &Path,
    folder: &Path,
    log: &Path,
    port: u16,
    settings: &[String],
) -> Result<Server> {
    let folder = shelter::reachable(folder)?;
    shelter::create(&folder)?;
    let data = folder.join("postgres");
    let password_file = folder.join("postgres.password");
    if !data.exists() {
        initialize(installation, &data, &password_file, log)?;
    }
    let password = fs::read_to_string(&password_file)
        .with_context(|| format!("cannot read {}", password_file.display()))?;
    let port_setting = format!("port={port}");
    let own_settings = OWN_SETTINGS.into_iter().chain([port_setting.as_str()]);
    let mut launch = program(installation, "postgres", log)
        .arg("-D")
        .arg(data)
        .args(own_settings.chain(settings.iter().map(String::as_str)).flat_map(|it| ["-c", it]));
    // SIGINT is a fast shutdown: PostgreSQL disconnects its clients and loses no data.
    launch.stop_signal = Signal::INT;
    let url = format!("postgres://{USER}:{password}@127.0.0.1:{port}/{DATABASE}");
    let maintenance = of_database(&url, "postgres");
    let answers = move || execute(&maintenance, "SELECT 1");
    let server = Server::start_new("PostgreSQL", url, launch, answers)?;
    let created = execute(&of_database(server.url(), "postgres"), &format!("CREATE DATABASE {DATABASE}"));
    if let Err(error) = created {
        let code = error.downcast_ref::<sqlx::Error>().and_then(|error| error.as_database_error()?.code());
        // Existing data already has the database.
        ensure!(code.as_deref() == Some(DUPLICATE_DATABASE), error);
    }
    Ok(server)
}

/// Creates an empty database and returns its URL.
pub(crate) fn create_database(server: &Server, name: &str) -> Result<String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    ensure!(
        !name.is_empty() && name.len() < 64 && name.chars().all(plain),
        "{name:?} is no name for a database: a-z, 0-9 and _ only, at most 63 characters"
    );
    let maintenance = of_database(server.url(), "postgres");
    execute(&maintenance, &format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"))?;
    execute(&maintenance, &format!("CREATE DATABASE \"{name}\""))?;
    Ok(of_database(server.url(), name))
}

/// Returns the URL of another database of the server.
fn of_database(url: &str, name: &str) -> String {
    format!("{}{name}", url.trim_end_matches(DATABASE))
}

/// Uses a separate thread, because the caller may be a task of a runtime, which must not block on another runtime.
fn execute(url: &str, sql: &str) -> Result<()> {
    let run = async {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
        anyhow::Ok(connection.close().await?)
    };
    let wait = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { tokio::time::timeout(ANSWER_WITHIN, run).await? })
    };
    thread::scope(|scope| scope.spawn(wait).join())
        .map_err(|_| anyhow!("a connection to PostgreSQL panicked"))?
}

fn initialize(installation: &Path, data: &Path, password_file: &Path, log: &Path) -> Result<()> {
    // The folder gets its final name only when the database is complete.
    let part = data.with_extension("part");
    remove(&part)?;
    DirBuilder::new().mode(0o700).create(&part)?;
    fs::write(password_file, new_password()?)?;
    fs::set_permissions(password_file, Permissions::from_mode(0o600))?;
    if let Some(user) = user_of_postgres() {
        chown(&part, Some(user), Some(user))?;
        chown(password_file, Some(user), Some(user))?;
    }
    let initdb = program(installation, "initdb", log)
        .args(["--username", USER, "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-instructions"])
        .args(["--auth-host", "password", "--auth-local", "reject"])
        .arg("--pwfile")
        .arg(password_file)
        .arg("-D")
        .arg(&part);
    let status = initdb.start()?.wait()?;
    if !status.success() {
        let said = fs::read_to_string(log).unwrap_or_default();
        bail!("initdb failed ({status}):\n{}", said.trim());
    }
    Ok(fs::rename(part, data)?)
}

fn program(installation: &Path, name: &str, log: &Path) -> Launch {
    let path = installation.join("bin").join(name);
    let mut launch = Launch::new(path).env("LD_LIBRARY_PATH", installation.join("lib")).log(log);
    launch.user = user_of_postgres();
    launch
}

fn new_password() -> Result<String> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
