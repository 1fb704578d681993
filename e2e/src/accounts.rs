//! The account of each service, created from the files that operators use.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use devstack::{NatsConfiguration, Stack};

/// The users of NATS.
pub const USERS: [&str; 6] = ["api", "ingest", "query", "migrate", "producer", "backup"];

/// The users that also have a login in PostgreSQL, such as acorag_ingest_worker.
const DATABASE_USERS: [&str; 4] = ["migrate", "ingest", "query", "backup"];

/// The password of a user of NATS and of its login in PostgreSQL.
pub fn password(user: &str) -> String {
    format!("password-of-{user}")
}

pub(crate) fn ops(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../ops").join(file)
}

pub fn nats_configuration() -> NatsConfiguration {
    let variable = |user: &str| format!("NATS_{}_PASSWORD", user.to_uppercase());
    NatsConfiguration {
        file: ops("nats/nats.conf"),
        environment: USERS.map(|user| (variable(user), password(user))).into(),
    }
}

/// Runs `ops/postgres/roles.sql` as operators do.
pub fn create_logins(stack: &Stack) -> Result<()> {
    let postgres = &stack.paths().postgres;
    let mut psql = Command::new(postgres.join("bin/psql"));
    psql.env("LD_LIBRARY_PATH", postgres.join("lib")).args(["--no-psqlrc", "--quiet", "--file"]);
    psql.arg(ops("postgres/roles.sql"));
    for user in DATABASE_USERS {
        psql.arg(format!("--set={user}_password={}", password(user)));
    }
    let output = psql.arg(stack.database_url()).output().context("running psql")?;
    ensure!(output.status.success(), "roles.sql: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Makes Valkey require a password: `password("valkey")`.
pub(crate) fn protect_valkey(stack: &Stack) -> Result<()> {
    let answers = valkey(stack, &[format!("CONFIG SET requirepass {}", password("valkey"))])?;
    ensure!(answers == ["+OK"], "Valkey: {answers:?}");
    Ok(())
}

/// Returns the answers of Valkey, one line for each command.
pub fn valkey(stack: &Stack, commands: &[String]) -> Result<Vec<String>> {
    let address = stack.redis_url().trim_start_matches("redis://");
    let mut connection = BufReader::new(TcpStream::connect(address)?);
    let mut answers = Vec::new();
    for command in commands {
        connection.get_mut().write_all(format!("{command}\r\n").as_bytes())?;
        let mut line = String::new();
        connection.read_line(&mut line)?;
        answers.push(line.trim_end().to_owned());
    }
    Ok(answers)
}

/// The URL of Valkey at this address, with its password.
pub fn valkey_url(scheme: &str, password: &str, address: &str) -> String {
    format!("{scheme}://:{password}@{address}")
}

/// The URL of the stack's database for a login.
pub fn database_url(stack: &Stack, login: &str) -> Result<String> {
    let (_, place) = stack.database_url().split_once('@').context("a database URL with a password")?;
    let user = login.split('_').nth(1).context("a login of roles.sql")?;
    Ok(format!("postgres://{login}:{}@{place}", password(user)))
}

/// The environment variables with the accounts of a program, such as `acorag-ingest-worker`.
pub(crate) fn environment(stack: &Stack, program: &str) -> Result<BTreeMap<&'static str, String>> {
    let user = program.split('-').nth(1).context("a program")?;
    let valkey = stack.redis_url().trim_start_matches("redis://");
    // The api uses no database.
    let database =
        if user == "api" { Ok(String::new()) } else { database_url(stack, &program.replace('-', "_")) };
    Ok([
        ("REDIS_URL", valkey_url("redis", &password("valkey"), valkey)),
        ("NATS_USER", user.to_owned()),
        ("NATS_PASSWORD", password(user)),
        ("DATABASE_URL", database?),
    ]
    .into())
}
