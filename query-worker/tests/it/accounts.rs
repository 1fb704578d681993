//! Tests of API keys and accounts: commands create them, each request verifies them in the database, and
//! their end takes effect at once.

use std::{process::Command, time::Duration};

use futures::future::join_all;
use query_worker::app::App;
use schemas::{
    Problem, ProblemKind, Scope,
    account::{Caller, LoggedOut, Login, Logout, Me, Register, Role, VerifyToken},
};
use sqlx::{Postgres, Transaction};

use crate::world::{self, World, projects, run};

fn digest(token: &str) -> String {
    use sha2::{Digest as _, Sha256};
    schemas::text::hex(Sha256::digest(token))
}

async fn verify(app: &App, token: &str) -> Result<Caller, Problem> {
    world::ask(app, &VerifyToken { token_sha256: digest(token) }).await
}

async fn logout(app: &App, token: &str) -> Result<LoggedOut, Problem> {
    world::ask(app, &Logout { token_sha256: digest(token) }).await
}

/// Runs the worker's own binary as an operator does.
async fn command(world: &World, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_acorag-query-worker"));
    command.env("DATABASE_URL", &world.database_url).args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn field(output: &str, name: &str) -> String {
    let line = output.lines().find(|line| line.starts_with(name)).unwrap();
    line[name.len()..].trim().to_owned()
}

#[test]
fn a_key_works_until_it_is_revoked() {
    run(async {
        let world = world::samples().await;
        let made = command(
            world,
            &[
                "keys",
                "create",
                "--name",
                "Aconex sync",
                "--role",
                "write",
                "--project",
                "torre-norte",
                "--project",
                "otra obra",
                "--limit-search",
                "500/minute",
                "--expires",
                "90d",
            ],
        )
        .await
        .unwrap();
        let (id, token) = (field(&made, "id"), field(&made, "token"));
        let caller = verify(&world.app, &token).await.unwrap();
        assert_eq!(
            (caller.id, caller.name.as_str(), caller.role),
            (format!("key:{id}"), "Aconex sync", Role::Write)
        );
        assert_eq!(caller.scope, projects(&["torre-norte", "otra obra"]));
        assert_eq!(caller.limits.search.as_deref(), Some("500/minute"));
        let stored: Vec<u8> = sqlx::query_scalar("SELECT token_sha256 FROM api_key WHERE id = $1")
            .bind(&id)
            .fetch_one(&world.pool)
            .await
            .unwrap();
        assert_eq!(stored.len(), 32, "only the hash is kept");

        let listed = command(world, &["keys", "list"]).await.unwrap();
        assert!(
            listed.contains(&id) && listed.contains("Aconex sync") && !listed.contains(&token),
            "{listed}"
        );

        command(world, &["keys", "revoke", &id]).await.unwrap();
        unauthorized(&world.app, &token).await;
        assert!(command(world, &["keys", "list"]).await.unwrap().contains("revoked"));
        assert!(command(world, &["keys", "revoke", "nothing"]).await.unwrap_err().contains("no key nothing"));
    });
}

#[test]
fn a_key_must_say_what_it_is_for_and_expires() {
    run(async {
        let world = world::samples().await;
        for (arguments, said) in [
            (&[][..], "--project <PROJECTS>"),
            (&["--project", "a", "--role", "root"], "one of read, write, admin"),
            (&["--project", "a", "--limit-chat", "many"], "--limit-chat"),
            (&["--project", "a", "--expires", "2020-01-01"], "in the past"),
        ] {
            let arguments = [&["keys", "create", "--name", "x"], arguments].concat();
            let refusal = command(world, &arguments).await.unwrap_err();
            assert!(refusal.contains(said), "{arguments:?}: {refusal}");
        }
        let made = command(world, &["keys", "create", "--name", "all", "--all-projects"]).await.unwrap();
        let token = field(&made, "token");
        assert_eq!(verify(&world.app, &token).await.unwrap().scope, Scope::All);
        sqlx::query("UPDATE api_key SET expires_at = now() - interval '1 second' WHERE id = $1")
            .bind(field(&made, "id"))
            .execute(&world.pool)
            .await
            .unwrap();
        unauthorized(&world.app, &token).await;
    });
}

async fn unauthorized(app: &App, token: &str) {
    assert_eq!(verify(app, token).await.unwrap_err().kind, ProblemKind::Unauthorized);
}

#[test]
fn a_token_that_was_never_given_out_is_refused() {
    run(async {
        let world = world::samples().await;
        for token_sha256 in ["", "xyz", &"0".repeat(64), &"g".repeat(64), "' OR true --"] {
            let problem = world::ask(&world.app, &VerifyToken { token_sha256: token_sha256.to_owned() })
                .await
                .unwrap_err();
            assert_eq!(problem.kind, ProblemKind::Unauthorized);
        }
    });
}

fn register(email: &str) -> Register {
    Register { email: email.into(), password: "hormigón armado".into(), full_name: "Ana".into() }
}

fn login(email: &str, password: &str) -> Login {
    Login { email: email.into(), password: password.into() }
}

#[test]
fn registration_is_closed_unless_opened() {
    run(async {
        let world = world::samples().await;
        let closed = world::ask(&world.app, &register("closed@obra.cl")).await.unwrap_err();
        assert_eq!(closed.kind, ProblemKind::Forbidden);

        let app = world
            .with(&["--registration=open", "--registered-projects=torre-norte", "--session-hours=1"])
            .await;
        let session = world::ask(&app, &register(" Ana@Obra.cl ")).await.unwrap();
        assert_eq!((session.user.email.as_str(), session.token_type.as_str()), ("ana@obra.cl", "bearer"));
        let caller = verify(&app, &session.access_token).await.unwrap();
        assert_eq!((caller.role, caller.scope), (Role::Read, projects(&["torre-norte"])));
        assert_eq!(caller.id, format!("user:{}", session.user.id));
        assert_eq!(
            world::ask(&app, &Me { user_id: session.user.id.clone() }).await.unwrap().full_name,
            "Ana"
        );
        let again = world::ask(&app, &register("ana@obra.cl")).await.unwrap_err();
        assert_eq!(again.kind, ProblemKind::Conflict);

        let back = world::ask(&app, &login("ANA@obra.cl", "hormigón armado")).await.unwrap();
        assert_ne!(back.access_token, session.access_token);
        assert_eq!(back.user.id, session.user.id);
        for (email, password) in [("ana@obra.cl", "hormigon armado"), ("nobody@obra.cl", "hormigón armado")]
        {
            let refused = world::ask(&app, &login(email, password)).await.unwrap_err();
            assert_eq!(refused, schemas::account::refusal::bad_login());
        }

        // A logout ends only its own session. The same logout again is an error.
        assert_eq!(logout(&app, &session.access_token).await, Ok(LoggedOut {}));
        unauthorized(&app, &session.access_token).await;
        assert!(verify(&app, &back.access_token).await.is_ok());
        assert_eq!(logout(&app, &session.access_token).await.unwrap_err().kind, ProblemKind::NotFound);

        // A session that has expired is refused.
        sqlx::query(
            "UPDATE login_session SET expires_at = now() - interval '1 second' WHERE account_id = $1",
        )
        .bind(&session.user.id)
        .execute(&world.pool)
        .await
        .unwrap();
        unauthorized(&app, &back.access_token).await;
    });
}

#[test]
fn a_registration_that_fails_can_be_repeated() {
    run(async {
        let world = World::new("registrations", &["--embed-threads=1", "--registration=open"]).await;
        let execute = async |sql: &'static str| sqlx::query(sql).execute(&world.pool).await.unwrap();
        execute("REVOKE INSERT ON login_session FROM acorag_query").await;
        let failed = world::ask(&world.app, &register("eva@obra.cl")).await.unwrap_err();
        assert_eq!(failed.kind, ProblemKind::Internal);
        execute("GRANT INSERT ON login_session TO acorag_query").await;
        let session = world::ask(&world.app, &register("eva@obra.cl")).await.unwrap();
        assert!(verify(&world.app, &session.access_token).await.is_ok());
    });
}

#[test]
fn the_operator_makes_changes_and_locks_accounts() {
    run(async {
        let world = world::samples().await;
        let made =
            command(world, &["users", "create", "luis@obra.cl", "--full-name", "Luis", "--project", "a"])
                .await
                .unwrap();
        let password = field(&made, "password");
        let session = world::ask(&world.app, &login("luis@obra.cl", &password)).await.unwrap();
        assert_eq!(verify(&world.app, &session.access_token).await.unwrap().scope, projects(&["a"]));

        // Changed rights apply to open sessions, too.
        command(world, &["users", "set", "luis@obra.cl", "--role", "admin", "--all-projects"]).await.unwrap();
        let caller = verify(&world.app, &session.access_token).await.unwrap();
        assert_eq!((caller.role, caller.scope), (Role::Admin, Scope::All));

        let reset = command(world, &["users", "reset-password", " Luis@Obra.cl"]).await.unwrap();
        assert_eq!(field(&reset, "email"), "luis@obra.cl");
        unauthorized(&world.app, &session.access_token).await;
        bad_login(world, "luis@obra.cl", &password).await;
        let password = field(&reset, "password");
        let session = world::ask(&world.app, &login("luis@obra.cl", &password)).await.unwrap();

        command(world, &["users", "disable", "luis@obra.cl"]).await.unwrap();
        unauthorized(&world.app, &session.access_token).await;
        bad_login(world, "luis@obra.cl", &password).await;
        assert!(command(world, &["users", "list"]).await.unwrap().contains("disabled"));
        command(world, &["users", "enable", " Luis@Obra.cl"]).await.unwrap();
        let session = world::ask(&world.app, &login("luis@obra.cl", &password)).await.unwrap();
        assert_eq!(verify(&world.app, &session.access_token).await.unwrap().role, Role::Admin);
        let unknown = command(world, &["users", "disable", "unknown@obra.cl"]).await.unwrap_err();
        assert!(unknown.contains("no account of unknown@obra.cl"), "{unknown}");
    });
}

async fn bad_login(world: &World, email: &str, password: &str) {
    let refused = world::ask(&world.app, &login(email, password)).await.unwrap_err();
    assert_eq!(refused, schemas::account::refusal::bad_login());
}

#[test]
fn a_login_under_way_leaves_no_session_of_an_account_that_changes() {
    run(async {
        let world = world::samples().await;
        // An app of its own, because an app hashes only a few passwords at the same time.
        let app = world.with(&[]).await;
        let create = async |email: &str| {
            let made = command(world, &["users", "create", email, "--project", "a"]).await.unwrap();
            login(email, &field(&made, "password"))
        };
        // The account changes after the login has read it.
        for (email, change) in [
            ("reset@login.cl", "UPDATE account SET password_hash = 'new' WHERE email = $1"),
            ("disabled@login.cl", "UPDATE account SET disabled = true WHERE email = $1"),
        ] {
            let login = create(email).await;
            let mut changing = world.pool.begin().await.unwrap();
            for statement in ["SELECT id FROM account WHERE email = $1 FOR UPDATE", change] {
                sqlx::query(statement).bind(email).execute(&mut *changing).await.unwrap();
            }
            let (refused, ()) = tokio::join!(world::ask(&app, &login), commit_when_awaited(changing));
            assert_eq!(refused.unwrap_err(), schemas::account::refusal::bad_login(), "{email}");
        }
        // The password is reset while a session is being opened.
        create("later@login.cl").await;
        let mut opening = world.pool.begin().await.unwrap();
        sqlx::query(
            "INSERT INTO login_session (token_sha256, account_id, expires_at)
             SELECT '\\x00'::bytea, id, now() + interval '1 hour' FROM account WHERE email = 'later@login.cl'",
        )
        .execute(&mut *opening)
        .await
        .unwrap();
        let reset = command(world, &["users", "reset-password", "later@login.cl"]);
        tokio::join!(reset, commit_when_awaited(opening)).0.unwrap();

        let sessions: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM login_session JOIN account ON account_id = id WHERE email LIKE '%@login.cl'",
        )
        .fetch_one(&world.pool)
        .await
        .unwrap();
        assert_eq!(sessions, 0);
    });
}

/// Commits the transaction as soon as another one waits for it.
async fn commit_when_awaited(mut transaction: Transaction<'static, Postgres>) {
    let awaited = "SELECT EXISTS (SELECT FROM pg_locks
                                  WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))";
    let waiting = async {
        while !sqlx::query_scalar::<_, bool>(awaited).fetch_one(&mut *transaction).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("nobody waits for it");
    transaction.commit().await.unwrap();
}

#[test]
fn an_unknown_address_costs_the_work_of_a_password() {
    run(async {
        let world = world::samples().await;
        // `Overloaded` limits only the hashing of passwords. So this answer shows that a password is hashed
        // even if the account does not exist.
        let attempts = ["unknown@obra.cl"; 30].map(|email| login(email, "wrong password"));
        let refusals = join_all(attempts.iter().map(|login| world::ask(&world.app, login))).await;
        let kinds: Vec<_> = refusals.into_iter().map(|refusal| refusal.unwrap_err().kind).collect();
        assert!(kinds.contains(&ProblemKind::Overloaded), "{kinds:?}");
        assert!(kinds.contains(&ProblemKind::Unauthorized), "{kinds:?}");
    });
}
