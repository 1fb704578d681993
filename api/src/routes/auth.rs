//! `POST /auth/register`, `POST /auth/login`, `POST /auth/logout`, `GET /auth/me`.

use std::time::Duration;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use schemas::{
    Problem,
    ProblemKind::{self, Conflict, NotFound},
    account::{BY_JWT, Login, Logout, Me, Register, Session, User, refusal},
    messages,
};
use serde_json::json;

use crate::{
    App, Error, JsonResult,
    authentication::{Authenticator, token_sha256},
    extractors::{Json, Lookup},
    logins::Logins,
    openapi::{ApiRouter, Describe as _, JSON_BODY, TransformOperation, get_with, post_with},
};

pub fn routes_without_token() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route("/auth/register", post_with(register, document_register))
        .api_route("/auth/login", post_with(login, document_login))
}

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route("/auth/me", get_with(me, document_me))
        .api_route("/auth/logout", post_with(logout, document_logout))
}

async fn register(
    lookup: Lookup,
    Json(request): Json<Register>,
) -> Result<(StatusCode, axum::Json<Session>), Error> {
    let session = patiently(&lookup, &request.checked()?).await?;
    Ok((StatusCode::CREATED, axum::Json(session)))
}

async fn login(
    lookup: Lookup,
    State(logins): State<Logins>,
    Json(request): Json<Login>,
) -> JsonResult<Session> {
    let request = request.checked()?;
    let attempt = logins.attempt(&request.email, &lookup.caller.address).await?;
    let session = patiently(&lookup, &request).await?;
    logins.succeeded(attempt).await;
    Ok(axum::Json(session))
}

/// Ends the session whose token was sent. API keys and the tokens of an external issuer cannot be ended here.
async fn logout(
    lookup: Lookup,
    State(authenticator): State<Authenticator>,
    headers: HeaderMap,
) -> Result<StatusCode, Error> {
    let token_sha256 = token_sha256(&headers).ok_or_else(refusal::no_session)?;
    lookup.ask(&Logout { token_sha256 }).await?;
    authenticator.forget(&headers);
    Ok(StatusCode::NO_CONTENT)
}

/// Repeats a query with a password for about three seconds, until a worker accepts it: each checks only a few passwords
/// at a time. No stream keeps these queries, so this also bridges the time until a worker has started.
async fn patiently<Q: schemas::Request>(lookup: &Lookup, query: &Q) -> Result<Q::Reply, Problem> {
    const LONGEST: Duration = Duration::from_millis(1_600);
    let mut pause = Duration::from_millis(100);
    loop {
        match lookup.ask(query).await {
            Err(Problem { kind: ProblemKind::Overloaded | ProblemKind::Unavailable, .. })
                if pause <= LONGEST =>
            {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            outcome => return outcome,
        }
    }
}

async fn me(lookup: Lookup) -> JsonResult<User> {
    // The account behind a JWT is that of the company's login service.
    let user_id = lookup.caller.account.user_id.clone().filter(|id| !id.starts_with(BY_JWT));
    let user_id = user_id.ok_or_else(|| messages::http::no_account().problem(NotFound))?;
    Ok(axum::Json(lookup.ask(&Me { user_id }).await?))
}

fn document_register(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    operation
        .describe("register", "accounts", "Makes an account, unless registration is closed.")
        .replies::<201, axum::Json<Session>>("The account, logged in.")
        .example(json!({ "email": "ana@obra.cl", "password": "una clave larga", "full_name": "Ana Rojas" }))
        .refuses(&JSON_BODY)
        .refuses(&[Conflict])
}

fn document_login(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    operation
        .describe("login", "accounts", "Gives a token for an email and its password.")
        .example(json!({ "email": "ana@obra.cl", "password": "una clave larga" }))
        .refuses(&JSON_BODY)
}

fn document_me(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    operation.describe("me", "accounts", "The account behind the token.").refuses(&[NotFound])
}

fn document_logout(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    operation
        .describe("logout", "accounts", "Ends the login whose token is sent.")
        .answers(204, "The token works no more; elsewhere within a second.", &[])
        .refuses(&[NotFound])
}
