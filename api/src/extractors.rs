//! Extractors for handlers. A request that cannot be read is refused with the common error body, which names the field.

use std::{sync::Arc, time::Duration};

use aide::{OperationInput, generate::GenContext, openapi::Operation};
use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use bytes::Bytes;
use platform::nats::{self, request::Requester};
use schemars::JsonSchema;
use schemas::{
    Metadata, Problem, ProblemKind, ProjectId, Scope,
    account::{self, CallerLimits, Role, refusal},
    fields::OLD_NAMES,
    lenient::{self, Form},
    messages,
    problem::UiLanguage,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{App, Error, openapi};

/// The id of this request in all services.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

impl RequestId {
    /// Returns the client's id if it may be used in logs and headers, otherwise a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(schemas::headers::REQUEST_ID).and_then(|value| value.to_str().ok());
        Self(match given {
            Some(id) if nats::is_request_id(id) => id.to_owned(),
            _ => uuid::Uuid::now_v7().to_string(),
        })
    }

    /// Returns the context for messages that are sent on behalf of this request.
    pub fn context(&self) -> nats::Context {
        nats::Context::new(&self.0)
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self::of(&parts.headers)))
    }
}

impl OperationInput for RequestId {}

/// Returns the language of messages to the caller who sent these headers.
pub fn language(headers: &HeaderMap) -> UiLanguage {
    let accepted: Vec<&str> =
        headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok()).collect();
    UiLanguage::from_accept_language(&accepted.join(","))
}

/// Prefix of the id of a caller who is identified by the address alone.
const BY_ADDRESS: &str = "ip:";

/// Who sent the request, and from which address, as [`crate::authentication`] determined.
#[derive(Debug, Clone)]
pub struct Caller {
    pub account: Arc<account::Caller>,
    pub address: Arc<str>,
}

impl Caller {
    pub fn is_known_by_address(&self) -> bool {
        self.account.id.starts_with(BY_ADDRESS)
    }

    /// Returns a caller without a token, who is identified by the address alone.
    pub fn of_address(address: String, role: Role, scope: Scope) -> Self {
        let account = account::Caller {
            id: format!("{BY_ADDRESS}{address}"),
            user_id: None,
            name: String::new(),
            role,
            scope,
            limits: CallerLimits::default(),
        };
        Self { account: Arc::new(account), address: address.into() }
    }

    pub fn require(&self, role: Role) -> Result<(), Problem> {
        if self.account.role >= role { Ok(()) } else { Err(refusal::role(role.name())) }
    }

    pub fn may_write(&self, project: &ProjectId) -> Result<(), Problem> {
        self.require(Role::Write)?;
        if self.account.scope.allows(project) { Ok(()) } else { Err(refusal::project()) }
    }

    /// Returns the project that an upload names. If it names none: the caller's project if there is exactly one,
    /// otherwise the default project. A caller with several others must name one.
    pub fn project_of(&self, upload: &Metadata) -> Result<ProjectId, Problem> {
        if let Some(named) = &upload.project_id {
            return Ok(named.clone());
        }
        let default = ProjectId::default_project();
        match &self.account.scope {
            Scope::Projects(projects) if projects.len() == 1 => Ok(projects[0].clone()),
            Scope::Projects(projects) if projects.len() > 1 && !projects.contains(&default) => {
                Err(messages::fields::missing().about("metadata.project_id"))
            }
            _ => Ok(default),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!("a route takes a caller but has no authentication in front of it");
            Problem::internal().into()
        })
    }
}

impl OperationInput for Caller {}

/// Sends small queries to a worker on behalf of the caller.
pub struct Lookup {
    requester: Requester,
    patience: Duration,
    pub id: RequestId,
    pub caller: Caller,
    pub language: UiLanguage,
}

impl Lookup {
    pub async fn ask<Q: schemas::Request>(&self, query: &Q) -> Result<Q::Reply, Problem> {
        self.requester.ask(&self.id.context(), query, self.patience).await
    }

    /// Returns what the caller may read: everything, or only the project that the request names.
    pub fn scope(&self, project: Option<&ProjectId>) -> Scope {
        self.caller.account.scope.narrowed(project)
    }
}

impl FromRequestParts<App> for Lookup {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        Ok(Self {
            requester: app.requester.clone(),
            patience: app.requests.lookup_timeout,
            id: RequestId::from_request_parts(parts, app).await?,
            caller: Caller::from_request_parts(parts, app).await?,
            language: language(&parts.headers),
        })
    }
}

impl OperationInput for Lookup {}

/// A JSON body. [`crate::arrival`] has already received it completely.
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: Form> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        if !may_be_json(request.headers()) {
            return Err(messages::http::not_json().problem(ProblemKind::UnsupportedMediaType).into());
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            tracing::error!(%rejection, "a JSON body that crate::arrival did not wait for");
            Problem::internal()
        })?;
        lenient::read("", &bytes).map(Self).map_err(Error)
    }
}

impl<T: JsonSchema> OperationInput for Json<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        axum::Json::<T>::operation_input(ctx, operation);
    }
}

/// Parameters of the query string. A blank parameter counts as absent; of a repeated one, the last value counts.
pub struct Query<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let axum::extract::Query(pairs) =
            axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
                .map_err(|rejection| lenient::misfit("query string", &rejection.body_text()))?;
        let mut fields = Map::new();
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.trim().is_empty()) {
            // PostgreSQL cannot store a NUL, and no parameter needs one.
            if value.contains('\0') {
                return Err(messages::fields::nul().about(&name).into());
            }
            fields.insert(name, Value::String(value));
        }
        // No parameter of today has one of these names.
        lenient::rename(&mut fields, OLD_NAMES);
        lenient::fit("", fields).map(Self).map_err(Error)
    }
}

impl<T: JsonSchema> OperationInput for Query<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let known = operation.parameters.len();
        axum::extract::Query::<T>::operation_input(ctx, operation);
        operation.parameters.iter_mut().skip(known).for_each(openapi::make_optional);
    }
}

pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) if rejection.status() == StatusCode::BAD_REQUEST => {
                Err(lenient::misfit("id", &rejection.body_text()).into())
            }
            Err(rejection) => {
                tracing::error!(%rejection, "a route's path does not fit its handler");
                Err(Problem::internal().into())
            }
        }
    }
}

impl<T: JsonSchema> OperationInput for Path<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        axum::extract::Path::<T>::operation_input(ctx, operation);
    }
}

/// Whether the body may be JSON. A missing Content-Type is accepted, because some old clients do not send it.
pub fn may_be_json(headers: &HeaderMap) -> bool {
    let Some(media_type) = headers.get(header::CONTENT_TYPE) else { return true };
    let Ok(media_type) = media_type.to_str() else { return false };
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(essence.as_str(), "" | "application/json")
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

#[cfg(test)]
mod tests;
