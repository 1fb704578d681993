//! What handlers take from a request. A request that cannot be read is refused in the one shape, and the field named.

use std::time::Duration;

use aide::{
    OperationInput,
    generate::GenContext,
    openapi::{Operation, Parameter, ParameterSchemaOrContent, ReferenceOr},
};
use axum::{
    extract::{FromRequest, FromRequestParts, Request, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use bytes::Bytes;
use platform::nats;
use schemars::{JsonSchema, Schema};
use schemas::{
    Problem, ProblemKind,
    lenient::{self, Form},
    problem::UiLanguage,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

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

impl<S: Send + Sync, T: Form> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        if !may_be_json(request.headers()) {
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
        lenient::read("", &bytes).map(Self).map_err(Error)
    }
}

impl<T: JsonSchema> OperationInput for Json<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        axum::Json::<T>::operation_input(ctx, operation);
    }
}

/// Parameters of the query string. A blank one counts as absent; of one that comes twice, the last counts.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let axum::extract::Query(pairs) =
            axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
                .map_err(|rejection| lenient::misfit("query string", &rejection.body_text()))?;
        let mut fields = Map::new();
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.trim().is_empty()) {
            // No parameter means it, and a database cannot hold it.
            if value.contains('\0') {
                let (es, en) = ("contiene un carácter NUL.", "contains a NUL character.");
                return Err(Problem::field(&name, es, en).into());
            }
            fields.insert(name, Value::String(value));
        }
        lenient::fit("", fields).map(Self).map_err(Error)
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

/// Old clients do not all say what they send.
fn may_be_json(headers: &HeaderMap) -> bool {
    let Some(media_type) = headers.get(header::CONTENT_TYPE) else { return true };
    let Ok(media_type) = media_type.to_str() else { return false };
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(essence.as_str(), "" | "application/json")
        || (essence.starts_with("application/") && essence.ends_with("+json"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::document::ListFilter;

    async fn query(uri: &str) -> Result<ListFilter, Problem> {
        let (mut parts, ()) = axum::http::Request::builder().uri(uri).body(()).unwrap().into_parts();
        Query::<ListFilter>::from_request_parts(&mut parts, &())
            .await
            .map(|query| query.0)
            .map_err(|error| error.0)
    }

    #[test]
    fn json_need_not_say_that_it_is_json() {
        let may_be = |media_type: &str| {
            let value = media_type.parse().unwrap();
            may_be_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, value)]))
        };
        assert!(may_be_json(&HeaderMap::new()) && may_be("") && may_be("Application/JSON; charset=utf-8"));
        assert!(!may_be("text/plain") && !may_be("application/x-www-form-urlencoded"));
    }

    #[tokio::test]
    async fn query_parameters_are_named_and_blank_ones_absent() {
        let filter = query(
            "/documents?project_id=Torre%20Norte&state=&doc_type=+&number=+A-1%20&limit=7&limit=5&cursor&unknown=1",
        )
        .await
        .unwrap();
        let expected = ListFilter {
            project_id: Some("Torre Norte".parse().unwrap()),
            number: Some("A-1".to_owned()),
            limit: Some(5),
            ..ListFilter::default()
        };
        assert_eq!(filter, expected);
        for (uri, detail) in [
            ("/d?limit=x", "limit: debe ser un número entero."),
            ("/d?state=gone", "state: debe ser uno de: queued, processing, indexed, failed, superseded."),
            ("/d?category=a%00b", "category: contiene un carácter NUL."),
            ("/d?project_id=x%0Ay", "project_id: no puede contener caracteres de control."),
        ] {
            assert_eq!(query(uri).await.unwrap_err().detail.es, detail, "{uri}");
        }
    }
}
