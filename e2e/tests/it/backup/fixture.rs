//! The folders of a backup test: the backups, and the targets of restores.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::PathBuf,
    process::{Command, Output},
};

use devstack::{Paths, Stack, user_of_postgres};
use e2e::System;
use sqlx::{AssertSqlSafe, PgPool};
use tempfile::TempDir;

/// A folder that the user of PostgreSQL can reach, with the backups, the key, and folders for restored data.
pub struct Fixture {
    pub folder: TempDir,
    pub recipient: String,
    /// The password of PostgreSQL, before and after a restore.
    password: String,
    paths: Paths,
}

impl Fixture {
    pub fn new(stack: &Stack) -> Self {
        let (paths, password) =
            (stack.paths().clone(), stack.database_url().split([':', '@']).nth(2).unwrap());
        let folder = tempfile::Builder::new().prefix("acorag-fixture-").tempdir_in("/var/tmp").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(e2e::binary("acorag-backup").unwrap(), folder.path().join("acorag-backup")).unwrap();
        let mut fixture = Self { folder, recipient: String::new(), password: password.to_owned(), paths };
        for name in ["backups", "keys", "tmp"] {
            fixture.make(name);
        }
        let identity = fixture.path("keys/identity");
        fixture.recipient = succeeds(fixture.run(&["keygen", identity.to_str().unwrap()])).trim().to_owned();
        fixture
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Creates a folder that belongs to the user of PostgreSQL.
    pub fn make(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        if let Some(user) = user_of_postgres() {
            chown(&path, Some(user), Some(user)).unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    /// Returns a command of `acorag-backup` that runs as the user of PostgreSQL.
    pub fn run(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path("acorag-backup"));
        command.args(arguments).current_dir(self.folder.path());
        command.env("BACKUP_DIR", self.path("backups")).env("BACKUP_IDENTITY", self.path("keys/identity"));
        command.env("BACKUP_RECIPIENT", &self.recipient).env("TMPDIR", self.path("tmp"));
        command.env("POSTGRES_BIN", self.paths.postgres.join("bin"));
        command.env("LD_LIBRARY_PATH", self.paths.postgres.join("lib")).env("LOG_FORMAT", "text");
        if let Some(user) = user_of_postgres() {
            command.uid(user).gid(user);
        }
        command
    }

    /// Makes a running PostgreSQL archive its log into this folder.
    pub async fn archive_from(&self, stack: &Stack) {
        let pool = PgPool::connect(stack.database_url()).await.unwrap();
        let command = format!(
            "RUST_LOG=warn BACKUP_DIR={} BACKUP_RECIPIENT={} {} archive %p",
            self.path("backups").display(),
            self.recipient,
            self.path("acorag-backup").display()
        );
        for setting in ["archive_mode = on".to_owned(), format!("archive_command = '{command}'")] {
            sqlx::query(AssertSqlSafe(format!("ALTER SYSTEM SET {setting}"))).execute(&pool).await.unwrap();
        }
        pool.close().await;
        tokio::task::block_in_place(|| {
            stack.postgres().and_then(|server| server.stop().and_then(|()| server.start()))
        })
        .unwrap();
    }

    /// Returns the command for a backup, with the rights of the backup's own user.
    pub fn back_up(&self, system: &System, arguments: &[&str]) -> Command {
        let (_, server) = system.stack.database_url().split_once('@').unwrap();
        let mut command = self.run(&[&["run"], arguments].concat());
        command.env("DATABASE_URL", format!("postgres://acorag_backup:secret%21@{server}"));
        command.env("NATS_URL", system.stack.nats_url());
        command
    }

    /// Returns the number of complete backups.
    pub fn sets(&self) -> usize {
        let sets = fs::read_dir(self.path("backups/sets")).unwrap();
        sets.filter(|set| set.as_ref().unwrap().path().join("set.json").exists()).count()
    }

    /// Creates the folder for a restored acorag, with the files that are needed to start it.
    pub fn target(&self, name: &str) -> Target {
        let folder = self.path(name);
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.join("postgres.password"), &self.password).unwrap();
        let pgdata = self.make(&format!("{name}/postgres"));
        Target { folder, pgdata }
    }

    /// Restores into an empty target and into a new, empty NATS, whose data stays in the target.
    pub async fn restore(&self, target: &Target, arguments: &[&str]) -> Output {
        self.restore_beside("postgres://acorag@nowhere/acorag", target, arguments).await
    }

    pub async fn restore_beside(&self, database: &str, target: &Target, arguments: &[&str]) -> Output {
        let nats = target.start_beside(database).await;
        let mut command = self.run(&[&["restore"], arguments].concat());
        command.env("DATABASE_URL", database).env("NATS_URL", nats.nats_url()).env("PGDATA", &target.pgdata);
        tokio::task::spawn_blocking(move || {
            let output = command.output().unwrap();
            drop(nats);
            output
        })
        .await
        .unwrap()
    }
}

pub struct Target {
    pub folder: PathBuf,
    pub pgdata: PathBuf,
}

impl Target {
    pub fn options(&self) -> devstack::Options {
        devstack::Options { data: Some(self.folder.clone()), ..Default::default() }
    }

    /// Starts the servers of the target, but uses this running database.
    pub async fn start_beside(&self, database: &str) -> Stack {
        let database_url = Some(database.to_owned());
        let options = devstack::Options { database_url, ..self.options() };
        tokio::task::spawn_blocking(|| Stack::start(options)).await.unwrap().unwrap()
    }

    pub async fn start(&self) -> Stack {
        let options = self.options();
        tokio::task::spawn_blocking(|| Stack::start(options)).await.unwrap().unwrap()
    }
}

pub fn succeeds(mut command: impl std::borrow::BorrowMut<Command>) -> String {
    let output = command.borrow_mut().output().unwrap();
    expect(&output);
    String::from_utf8(output.stdout).unwrap()
}

pub fn expect(output: &Output) {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}

pub fn refuses(output: &Output, because: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains(because), "{}: {said}", output.status);
}
