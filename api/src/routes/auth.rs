//! `POST /auth/register`, `POST /auth/login`, `GET /auth/me`.

use std::time::Duration;

use aide::{
    axum::{
        ApiRouter,
        routing::{get_with, post_with},
    },
    transform::TransformOperation,
};
use axum::{extract::State, http::StatusCode};
use schemas::{
    Problem,
    ProblemKind::{self, Conflict, NotFound},
    account::{Login, Me, Register, Session, User},
    messages,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{
    App, Error,
    extractors::{Caller, Json, Lookup},
    limits::{Class, Limits},
    openapi::{Describe as _, JSON_BODY},
};

pub fn routes_without_token() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route("/auth/register", post_with(register, document_register))
        .api_route("/auth/login", post_with(login, document_login))
}

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().api_route("/auth/me", get_with(me, document_me))
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
    State(limits): State<Limits>,
    Json(request): Json<Login>,
) -> Result<axum::Json<Session>, Error> {
    let request = request.checked()?;
    // A password is guessed from many addresses, too. By hash, because Redis need not know whose account it is.
    let account = schemas::text::hex(Sha256::digest(&request.email));
    limits.charge(Class::Login, &format!("account:{account}")).await?;
    Ok(axum::Json(patiently(&lookup, &request).await?))
}

/// Asks until a worker has time to check a password: each checks few at a time and keeps no request waiting.
async fn patiently<Q: schemas::Request>(lookup: &Lookup, query: &Q) -> Result<Q::Reply, Problem> {
    const LONGEST: Duration = Duration::from_millis(1_600);
    let mut pause = Duration::from_millis(100);
    loop {
        match lookup.ask(query).await {
            Err(problem) if problem.kind == ProblemKind::Overloaded && pause <= LONGEST => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            outcome => return outcome,
        }
    }
}

async fn me(lookup: Lookup, caller: Caller) -> Result<axum::Json<User>, Error> {
    let Some(user_id) = caller.account.user_id.clone() else {
        return Err(messages::http::no_account().problem(ProblemKind::NotFound).into());
    };
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
