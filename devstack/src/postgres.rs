//! PostgreSQL: made once in a data folder, reachable over TCP with a password of its own.
//!
//! PostgreSQL refuses to run as root. When root starts the stack, it runs as the user nobody; what that user cannot
//! reach (a clone below /root, say) lives in a shelter below /var/tmp instead.

use std::fs::{self, DirBuilder, Permissions};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Signal, geteuid};
use sha2::{Digest, Sha256};

use crate::fetch::{Stamp, hex, report};
use crate::launch::Launch;
use crate::packages::{self, remove, run};
use crate::postgres_wire::{Connection, ServerError};
use crate::server::Server;

pub(crate) const USER: &str = "acorag";
const DATABASE: &str = "acorag";
const NOBODY: u32 = 65_534;
const DUPLICATE_DATABASE: &str = "42P04";

/// The installation that PostgreSQL's user can reach.
pub(crate) fn installation(stack: &Path) -> Result<PathBuf> {
    Ok(place(stack)?.join("postgres"))
}

pub(crate) fn installation_is_ready(stack: &Path) -> Result<bool> {
    let place = place(stack)?;
    Ok(place == stack || is_copied(&place))
}

/// Copies the installation to the shelter, where one is needed.
pub(crate) fn prepare_installation(stack: &Path) -> Result<()> {
    let place = place(stack)?;
    if place == stack || is_copied(&place) {
        return Ok(());
    }
    let stamp = copy_stamp(&place);
    report(format_args!(
        "PostgreSQL does not run as root: copying it to {}, for the user nobody",
        place.display()
    ));
    make_shelter(&place)?;
    stamp.remove()?;
    let part = place.join("postgres.part");
    remove(&part)?;
    run(Command::new("cp").arg("-a").arg(stack.join("postgres/.")).arg(&part))?;
    remove(&place.join("postgres"))?;
    fs::rename(part, place.join("postgres"))?;
    stamp.write()
}

/// The folder below /var/tmp that stands in for one which PostgreSQL's user cannot reach.
pub(crate) fn shelter(folder: &Path) -> PathBuf {
    let name = hex(&Sha256::digest(folder.as_os_str().as_encoded_bytes())[..8]);
    Path::new("/var/tmp").join(format!("acorag-{name}"))
}

/// A PostgreSQL server and the way into it.
pub(crate) struct Postgres {
    pub server: Server,
    port: u16,
    password: String,
}

impl Postgres {
    /// `folder` keeps the data; `settings` come after our own, as `name=value`.
    pub fn new(
        installation: &Path,
        folder: &Path,
        log: &Path,
        port: u16,
        settings: &[String],
    ) -> Result<Self> {
        let folder = place(folder)?;
        make_shelter(&folder)?;
        let data = folder.join("postgres");
        let password_file = folder.join("postgres.password");
        if !data.exists() {
            initialize(installation, &data, &password_file, log)?;
        }
        let password = fs::read_to_string(&password_file)
            .with_context(|| format!("cannot read {}", password_file.display()))?;
        let launch = program(installation, "postgres", log)
            // Fast shutdown: clients are sent away, nothing is lost.
            .stop_signal(Signal::INT)
            .arg("-D")
            .arg(data)
            .args(own_settings(port).iter().chain(settings).flat_map(|setting| ["-c", setting]));
        let probe = password.clone();
        let answers = move || Connection::open(port, USER, &probe, "postgres").map(drop);
        let url = format!("postgres://{USER}:{password}@127.0.0.1:{port}/{DATABASE}");
        let server = Server::new("PostgreSQL", url, launch, Box::new(answers))
            // After a kill, until the last backend has noticed.
            .retry_when_it_says("pre-existing shared memory block");
        Ok(Self { server, port, password })
    }

    /// Starts it, with the database that its URL names.
    pub fn start(&self) -> Result<()> {
        self.server.start()?;
        match self.execute(&format!("CREATE DATABASE {DATABASE}")) {
            Err(error)
                if error.downcast_ref::<ServerError>().is_some_and(|e| e.code == DUPLICATE_DATABASE) =>
            {
                Ok(())
            }
            result => result,
        }
    }

    /// Makes an empty database and returns its URL.
    pub fn database(&self, name: &str) -> Result<String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        ensure!(
            !name.is_empty() && name.len() < 64 && name.chars().all(plain),
            "{name:?} is no name for a database: a-z, 0-9 and _ only, at most 63 characters"
        );
        self.execute(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"))?;
        self.execute(&format!("CREATE DATABASE \"{name}\""))?;
        Ok(format!("postgres://{USER}:{}@127.0.0.1:{}/{name}", self.password, self.port))
    }

    fn execute(&self, sql: &str) -> Result<()> {
        Connection::open(self.port, USER, &self.password, "postgres")?.execute(sql)
    }
}

fn own_settings(port: u16) -> Vec<String> {
    let mut settings = vec![format!("port={port}")];
    settings.extend(
        [
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
        ]
        .map(str::to_owned),
    );
    settings
}

fn initialize(installation: &Path, data: &Path, password_file: &Path, log: &Path) -> Result<()> {
    // Only a complete database ever has the final name.
    let part = data.with_extension("part");
    remove(&part)?;
    DirBuilder::new().mode(0o700).create(&part)?;
    fs::write(password_file, new_password()?)?;
    fs::set_permissions(password_file, Permissions::from_mode(0o600))?;
    if let Some(user) = other_user() {
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
    Launch::new(installation.join("bin").join(name))
        .env("LD_LIBRARY_PATH", installation.join("lib"))
        .user(other_user())
        .log(log)
}

/// Whom PostgreSQL runs as when it cannot run as this process's user.
pub fn other_user() -> Option<u32> {
    geteuid().is_root().then_some(NOBODY)
}

/// The folder itself, or its shelter when PostgreSQL's user cannot reach it.
fn place(folder: &Path) -> Result<PathBuf> {
    if other_user().is_none() {
        return Ok(folder.to_owned());
    }
    for ancestor in folder.ancestors() {
        let mode =
            fs::metadata(ancestor).with_context(|| format!("cannot look at {}", ancestor.display()))?.mode();
        if mode & 0o001 == 0 {
            return Ok(shelter(folder));
        }
    }
    Ok(folder.to_owned())
}

fn make_shelter(place: &Path) -> Result<()> {
    if !place.exists() {
        DirBuilder::new().mode(0o755).create(place)?;
        fs::set_permissions(place, Permissions::from_mode(0o755))?;
    }
    // Anybody may write below /var/tmp: do not use what somebody else has put there.
    let found = fs::symlink_metadata(place)?;
    ensure!(
        found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o022 == 0,
        "{} is not this user's own folder; remove it",
        place.display()
    );
    Ok(())
}

fn is_copied(place: &Path) -> bool {
    copy_stamp(place).is_current() && place.join("postgres/bin/postgres").is_file()
}

fn copy_stamp(place: &Path) -> Stamp {
    packages::stamp(place.join("packages.stamp"))
}

fn new_password() -> Result<String> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex(&bytes))
}
