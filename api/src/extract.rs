//! What handlers take from a request. A request that cannot be read is refused in the one shape, and the field named.

use std::time::Duration;

use aide::{
    OperationInput,
    generate::GenContext,
    openapi::{Operation, Parameter, ParameterSchemaOrContent, ReferenceOr},
};
use axum::{
    extract::{FromRequest, FromRequestParts, Request, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, Uri, header, request::Parts},
};
use bytes::Bytes;
use platform::nats;
use schemars::{JsonSchema, Schema};
use schemas::{Problem, ProblemKind, problem::UiLanguage};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Error;

/// How long a small body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// The one id under which all services know this request.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

impl RequestId {
    /// The client's own when it can stand in logs and headers, else a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(schemas::headers::REQUEST_ID).and_then(|value| value.to_str().ok());
        Self(match given {
            Some(id) if nats::is_request_id(id) => id.to_owned(),
            _ => uuid::Uuid::now_v7().to_string(),
        })
    }

    /// For messages sent on behalf of this request.
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

/// The language of sentences for this caller.
#[derive(Debug, Clone, Copy)]
pub struct Language(pub UiLanguage);

impl Language {
    pub fn of(headers: &HeaderMap) -> Self {
        let accepted: Vec<&str> =
            headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok()).collect();
        Self(UiLanguage::from_accept_language(&accepted.join(",")))
    }
}

impl<S: Sync> FromRequestParts<S> for Language {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Ok(Self::of(&parts.headers))
    }
}

impl OperationInput for Language {}

/// A JSON body.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                ProblemKind::UnsupportedMediaType,
                "El cuerpo debe ser JSON (Content-Type: application/json).",
                "The body must be JSON (Content-Type: application/json).",
            )
            .into());
        }
        let bytes = tokio::time::timeout(BODY_PATIENCE, Bytes::from_request(request, state))
            .await
            .map_err(|_| stalled())?
            .map_err(|rejection| unread(&rejection))?;
        json(&bytes).map(Self).map_err(Error)
    }
}

impl<T: JsonSchema> OperationInput for Json<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        axum::Json::<T>::operation_input(ctx, operation);
    }
}

/// Reads a JSON object; what does not fit is named by its path.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // A list would pass for the fields of an object in their order, which nobody means.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(misfit("body", "expected an object, found a list"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.inner();
        if inner.is_data() && path != "." {
            misfit(&path, inner)
        } else if inner.is_data() {
            misfit("body", inner)
        } else {
            not_json(inner)
        }
    })?;
    deserializer.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

/// Parameters of the query string. An empty one counts as absent.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let given = parts.uri.query().unwrap_or_default();
        let kept: Vec<&str> = given
            .split('&')
            .filter(|pair| pair.split_once('=').is_some_and(|(_, value)| !value.is_empty()))
            .collect();
        // No parameter means it, and a database cannot hold it.
        if let Some(pair) = kept.iter().find(|pair| pair.contains("%00")) {
            let field = pair.split_once('=').map_or("query string", |(name, _)| name);
            return Err(misfit(field, "a NUL character").into());
        }
        let uri = Uri::try_from(format!("/?{}", kept.join("&"))).map_err(|error| unreadable_query(&error))?;
        axum::extract::Query::<T>::try_from_uri(&uri).map(|axum::extract::Query(value)| Self(value)).map_err(
            |rejection| {
                let cause = std::error::Error::source(&rejection)
                    .map_or_else(|| rejection.to_string(), ToString::to_string);
                Error(unreadable_query(&cause))
            },
        )
    }
}

impl<T: JsonSchema> OperationInput for Query<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let known = operation.parameters.len();
        axum::extract::Query::<T>::operation_input(ctx, operation);
        for parameter in operation.parameters.iter_mut().skip(known) {
            if let ReferenceOr::Item(Parameter::Query { parameter_data, allow_empty_value, .. }) = parameter {
                *allow_empty_value = Some(true);
                if let ParameterSchemaOrContent::Schema(schema) = &mut parameter_data.format {
                    without_null(&mut schema.json_schema);
                }
            }
        }
    }
}

/// A query string has no null: an optional parameter is simply not there.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    object.remove("default");
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(options)) = object.get_mut("anyOf") {
        options.retain(|option| option["type"] != "null");
        if let [Value::Object(only)] = options.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            object.extend(only);
        }
    }
}

/// Parts of the path.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) if rejection.status() == StatusCode::BAD_REQUEST => {
                Err(misfit("id", rejection.body_text().trim_start_matches("Invalid URL: ")).into())
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

fn is_json(headers: &HeaderMap) -> bool {
    let Some(media_type) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn unread(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        too_large("1 MiB")
    } else {
        Problem::new(
            ProblemKind::BadRequest,
            "El cuerpo de la petición no llegó completo.",
            "The body of the request did not arrive whole.",
        )
    }
}

pub fn too_large(limit: &str) -> Problem {
    Problem::new(
        ProblemKind::TooLarge,
        format!("Es demasiado grande: el máximo es {limit}."),
        format!("It is too large: the limit is {limit}."),
    )
}

pub fn stalled() -> Problem {
    Problem::new(
        ProblemKind::RequestTimeout,
        "La petición dejó de llegar. Envíela de nuevo.",
        "The request stopped arriving. Send it again.",
    )
}

/// A field that is there but not of the expected form.
pub fn misfit(field: &str, cause: impl std::fmt::Display) -> Problem {
    Problem::field(
        field,
        &format!("no tiene la forma esperada ({cause})."),
        &format!("does not have the expected form ({cause})."),
    )
}

fn not_json(cause: &serde_json::Error) -> Problem {
    Problem::new(
        ProblemKind::BadRequest,
        format!("El cuerpo no es JSON válido ({cause})."),
        format!("The body is not valid JSON ({cause})."),
    )
}

fn unreadable_query(cause: &dyn std::fmt::Display) -> Problem {
    let cause = cause.to_string();
    // serde_path_to_error says `limit: invalid digit …`: the name stays in front.
    let (field, cause) = cause.split_once(": ").unwrap_or(("query string", &cause));
    misfit(field, cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{document::ListFilter, search::SearchRequest};

    async fn query(uri: &str) -> Result<ListFilter, Problem> {
        let (mut parts, ()) = axum::http::Request::builder().uri(uri).body(()).unwrap().into_parts();
        Query::<ListFilter>::from_request_parts(&mut parts, &())
            .await
            .map(|query| query.0)
            .map_err(|error| error.0)
    }

    #[test]
    fn bad_json_names_the_field() {
        for (body, start) in [
            (r#"{"query": 1}"#, "query: "),
            (r#"{"query": "a", "filters": {"date_from": "x"}}"#, "filters.date_from: "),
            (r#"{"query": "a", "top_k": "many"}"#, "top_k: "),
            (r#" ["a"]"#, "body: "),
            (r#"{"query": "a""#, "The body is not valid JSON"),
            (r#"{"query": "a"} x"#, "The body is not valid JSON"),
            ("", "The body is not valid JSON"),
        ] {
            let problem = json::<SearchRequest>(body.as_bytes()).unwrap_err();
            assert!(problem.detail.en.starts_with(start), "{body}: {}", problem.detail.en);
            assert_eq!(problem.kind, ProblemKind::BadRequest);
        }
    }

    #[test]
    fn deep_json_is_refused_and_does_not_overflow_the_stack() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
        assert_eq!(json::<serde_json::Value>(deep.as_bytes()).unwrap_err().kind, ProblemKind::BadRequest);
        // What nobody reads is skipped without going down into it.
        assert!(json::<SearchRequest>(format!(r#"{{"query": "a", "x": {deep}}}"#).as_bytes()).is_ok());
    }

    #[tokio::test]
    async fn query_parameters_are_named_and_empty_ones_absent() {
        let filter = query("/documents?project_id=Torre%20Norte&state=&limit=5&unknown=1").await.unwrap();
        assert_eq!(
            (filter.project_id.unwrap().as_str(), filter.state, filter.limit),
            ("Torre Norte", None, Some(5))
        );
        for (uri, field) in [
            ("/d?limit=x", "limit"),
            ("/d?state=gone", "state"),
            ("/d?category=a%00b", "category"),
            ("/d?project_id=%0A%0B", "project_id"),
        ] {
            let problem = query(uri).await.unwrap_err();
            assert!(problem.detail.en.starts_with(field), "{uri}: {}", problem.detail.en);
        }
    }
}
