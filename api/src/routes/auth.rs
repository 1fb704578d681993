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
    Problem, ProblemKind,
    ProblemKind::{BadRequest, Conflict, NotFound, RequestTimeout, TooLarge, UnsupportedMediaType},
    account::{Login, Me, Register, Session, User},
};
use sha2::{Digest as _, Sha256};

use super::documents::Lookup;
use crate::{
    App, Error,
    caller::Caller,
    docs,
    extract::{Json, RequestId},
    limits::{Class, Limits},
};

pub fn entering() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route("/auth/register", post_with(register, document_register))
        .api_route("/auth/login", post_with(login, document_login))
}

pub fn own() -> ApiRouter<App> {
    ApiRouter::new().api_route("/auth/me", get_with(me, document_me))
}

async fn register(
    State(lookup): State<Lookup>,
    id: RequestId,
    Json(request): Json<Register>,
) -> Result<(StatusCode, axum::Json<Session>), Error> {
    let session = enter(&lookup, &id, &request.checked()?).await?;
    Ok((StatusCode::CREATED, axum::Json(session)))
}

async fn login(
    State(lookup): State<Lookup>,
    State(limits): State<Limits>,
    id: RequestId,
    Json(request): Json<Login>,
) -> Result<axum::Json<Session>, Error> {
    let request = request.checked()?;
    // A password is guessed from many addresses, too. Redis need not know whose it is.
    let account: String = Sha256::digest(&request.email).iter().map(|byte| format!("{byte:02x}")).collect();
    limits.charge(Class::Login, &format!("account:{account}")).await?;
    Ok(axum::Json(enter(&lookup, &id, &request).await?))
}

/// Waits for a worker that has a hand free for a password: each takes few at a time and keeps none waiting.
async fn enter<Q: schemas::Request>(lookup: &Lookup, id: &RequestId, query: &Q) -> Result<Q::Reply, Problem> {
    const LONGEST: Duration = Duration::from_millis(1_600);
    let mut pause = Duration::from_millis(100);
    loop {
        match lookup.ask(id, query).await {
            Err(problem) if problem.kind == ProblemKind::Overloaded && pause <= LONGEST => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            outcome => return outcome,
        }
    }
}

async fn me(State(lookup): State<Lookup>, caller: Caller, id: RequestId) -> Result<axum::Json<User>, Error> {
    let Some(user_id) = caller.user_id().map(ToOwned::to_owned) else {
        return Err(Problem::new(
            ProblemKind::NotFound,
            "Su clave no pertenece a ninguna cuenta de usuario.",
            "Your key belongs to no user account.",
        )
        .into());
    };
    Ok(axum::Json(lookup.ask(&id, &Me { user_id }).await?))
}

fn document_register(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let operation = operation
        .id("register")
        .tag("accounts")
        .summary("Makes an account, unless registration is closed.")
        .response_with::<201, axum::Json<Session>, _>(|response| {
            response.description("The account, logged in.")
        });
    let example = serde_json::json!({ "email": "ana@obra.cl", "password": "una clave larga", "full_name": "Ana Rojas" });
    docs::refuses(
        docs::example(operation, example),
        &[BadRequest, RequestTimeout, Conflict, TooLarge, UnsupportedMediaType],
    )
}

fn document_login(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let operation =
        operation.id("login").tag("accounts").summary("Gives a token for an email and its password.");
    let example = serde_json::json!({ "email": "ana@obra.cl", "password": "una clave larga" });
    docs::refuses(
        docs::example(operation, example),
        &[BadRequest, RequestTimeout, TooLarge, UnsupportedMediaType],
    )
}

fn document_me(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    docs::refuses(operation.id("me").tag("accounts").summary("The account behind the token."), &[NotFound])
}
