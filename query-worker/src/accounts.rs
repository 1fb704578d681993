//! Accounts: verifies tokens, registers users, logs them in and out, and runs the operator's commands for keys and accounts.

pub mod commands;
pub(crate) mod password;
mod store;
mod token;

use chrono::{TimeDelta, Utc};
use platform::nats::Context;
use schemas::{
    Problem, ProjectId,
    account::{Caller, LoggedOut, Login, Logout, Me, Register, Session, User, VerifyToken, refusal},
};

use crate::{app::App, error::Result};

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Whether everybody may register an account.
    #[arg(long, env = "REGISTRATION", value_enum, default_value_t = Registration::Closed)]
    pub registration: Registration,
    /// Projects that a newly registered user may read, separated by commas; none by default.
    #[arg(long, env = "REGISTERED_PROJECTS", value_delimiter = ',')]
    pub registered_projects: Vec<ProjectId>,
    /// How long a login session is valid, in hours.
    #[arg(long, env = "SESSION_HOURS", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=8760))]
    pub session_hours: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Registration {
    Open,
    Closed,
}

/// Returns the owner of a token. The database is asked each time, so that a revoked key is refused at once.
pub async fn verify(app: App, _: Context, query: VerifyToken) -> Result<Caller> {
    let found = store::caller(&app.pool, &query.token_sha256).await?;
    Ok(found.ok_or_else(refusal::unauthorized)?)
}

pub async fn register(app: App, _: Context, query: Register) -> Result<Session> {
    if app.accounts.registration == Registration::Closed {
        return Err(refusal::registration_closed().into());
    }
    let Register { email, password, full_name } = query.checked()?;
    let user = User { id: uuid::Uuid::now_v7().to_string(), email, full_name, created_at: Utc::now() };
    let hash = app.passwords.hash(password).await?;
    let session = new_session(&app, user)?;
    if !store::register(&app.pool, &session, &hash, &app.accounts.registered_projects).await? {
        return Err(refusal::email_taken().into());
    }
    tracing::info!(user_id = session.user.id, "registered");
    Ok(session)
}

pub async fn login(app: App, _: Context, query: Login) -> Result<Session> {
    let query = query.checked()?;
    let (user, hash) = store::account(&app.pool, &query.email).await?.unzip();
    // Verified even if the account does not exist, so that the response time does not tell which accounts exist.
    let matches = app.passwords.verify(query.password, hash.clone()).await?;
    if let Some((user, hash)) = user.zip(hash).filter(|_| matches) {
        let session = new_session(&app, user)?;
        if store::open_session(&app.pool, &session, &hash).await? {
            return Ok(session);
        }
    }
    Err(refusal::bad_login().into())
}

/// Returns a session that is not stored yet.
fn new_session(app: &App, user: User) -> Result<Session> {
    let token = token::new(token::SESSION).map_err(|error| {
        tracing::error!(%error, "no random numbers from the system");
        Problem::internal()
    })?;
    let expires_at = Utc::now() + TimeDelta::hours(i64::from(app.accounts.session_hours));
    Ok(Session { access_token: token, token_type: "bearer".to_owned(), expires_at, user })
}

/// Ends the session of a token. An api that has just looked it up may accept it for less than a second more.
pub async fn logout(app: App, _: Context, query: Logout) -> Result<LoggedOut> {
    if store::close_session(&app.pool, &query.token_sha256).await? {
        return Ok(LoggedOut {});
    }
    Err(refusal::no_session().into())
}

pub async fn me(app: App, _: Context, query: Me) -> Result<User> {
    let (user, _) = store::account(&app.pool, &query.user_id).await?.ok_or_else(Problem::not_found)?;
    Ok(user)
}
