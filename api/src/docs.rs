//! Helpers by which a route documents itself, and the OpenAPI document as a whole.

use aide::{
    openapi::{
        Header, HeaderStyle, Info, License, MediaType, OpenApi, ParameterSchemaOrContent, ReferenceOr,
        Response, SchemaObject, SecurityScheme, StatusCode, Tag,
    },
    transform::{TransformOpenApi, TransformOperation},
};
use schemars::json_schema;
use schemas::ProblemKind::{
    self, Forbidden, Internal, MethodNotAllowed, Overloaded, RateLimited, Timeout, Unauthorized,
};
use serde_json::{Map, Value};

use crate::caller::Auth;

/// What any route of the api proper may be refused with.
const EVERYWHERE: [ProblemKind; 7] =
    [Unauthorized, Forbidden, MethodNotAllowed, RateLimited, Internal, Overloaded, Timeout];

/// Documents a route's refusals: its own, and those that can happen everywhere.
pub fn refuses<'t>(mut operation: TransformOperation<'t>, own: &[ProblemKind]) -> TransformOperation<'t> {
    let responses = operation.inner_mut().responses.get_or_insert_with(Default::default);
    for kind in own.iter().chain(&EVERYWHERE) {
        responses
            .responses
            .entry(StatusCode::Code(kind.status()))
            .or_insert_with(|| ReferenceOr::Item(refusal(*kind)));
    }
    operation
}

/// Documents an answer that is no type of ours.
pub fn answers<'t>(
    mut operation: TransformOperation<'t>,
    status: u16,
    description: &str,
    media_types: &[&str],
) -> TransformOperation<'t> {
    let mut response = Response { description: description.to_owned(), ..Response::default() };
    for media_type in media_types {
        response.content.insert((*media_type).to_owned(), plain(media_type));
    }
    let responses = operation.inner_mut().responses.get_or_insert_with(Default::default);
    responses.responses.insert(StatusCode::Code(status), ReferenceOr::Item(response));
    operation
}

fn plain(media_type: &str) -> MediaType {
    let json_schema = match media_type {
        // A sequence of events is neither a text nor an object: its description tells what they hold.
        "text/event-stream" => json_schema!({ "description": "Server-sent events." }),
        "application/json" => json_schema!({ "type": "object" }),
        _ => json_schema!({ "type": "string" }),
    };
    let schema = SchemaObject { json_schema, external_docs: None, example: None };
    MediaType { schema: Some(schema), ..MediaType::default() }
}

/// Documents that an answer may also come in another media type.
pub fn also_answers<'t>(
    mut operation: TransformOperation<'t>,
    status: u16,
    media_type: &str,
) -> TransformOperation<'t> {
    let responses = operation.inner_mut().responses.get_or_insert_with(Default::default);
    if let Some(ReferenceOr::Item(response)) = responses.responses.get_mut(&StatusCode::Code(status)) {
        response.content.insert(media_type.to_owned(), plain(media_type));
    }
    operation
}

/// Shows a request's JSON body by an example.
pub fn example<'t>(mut operation: TransformOperation<'t>, body: serde_json::Value) -> TransformOperation<'t> {
    if let Some(ReferenceOr::Item(request)) = &mut operation.inner_mut().request_body
        && let Some(media) = request.content.get_mut("application/json")
    {
        media.example = Some(body);
    }
    operation
}

/// Documents a header of one of the route's answers.
pub fn header<'t>(
    mut operation: TransformOperation<'t>,
    status: u16,
    name: &str,
    description: &str,
) -> TransformOperation<'t> {
    let responses = operation.inner_mut().responses.get_or_insert_with(Default::default);
    if let Some(ReferenceOr::Item(response)) = responses.responses.get_mut(&StatusCode::Code(status)) {
        response.headers.insert(name.to_owned(), ReferenceOr::Item(text_header(description)));
    }
    operation
}

fn refusal(kind: ProblemKind) -> Response {
    let example = serde_json::json!({
        "error": kind.title(),
        "detail": "…",
        "request_id": "019abf3c-5f0a-7c60-9a53-1a1f0c7b2d11",
    });
    let schema = SchemaObject {
        json_schema: json_schema!({ "$ref": "#/components/schemas/Error" }),
        external_docs: None,
        example: None,
    };
    let media = MediaType { schema: Some(schema), example: Some(example), ..MediaType::default() };
    let mut response = Response { description: kind.title().to_owned(), ..Response::default() };
    response.content.insert("application/json".to_owned(), media);
    if matches!(kind.status(), 429 | 503) {
        response.headers.insert(
            "Retry-After".to_owned(),
            ReferenceOr::Item(text_header("Seconds until trying again makes sense.")),
        );
    }
    response
}

fn text_header(description: &str) -> Header {
    Header {
        description: Some(description.to_owned()),
        style: HeaderStyle::Simple,
        required: false,
        deprecated: None,
        format: ParameterSchemaOrContent::Schema(SchemaObject {
            json_schema: json_schema!({ "type": "string" }),
            external_docs: None,
            example: None,
        }),
        example: None,
        examples: Default::default(),
        extensions: Default::default(),
    }
}

/// The document's frame; routes add themselves.
pub fn frame() -> OpenApi {
    OpenApi {
        info: Info {
            title: "acorag".to_owned(),
            summary: Some("Answers questions over project documents, in Spanish and English.".to_owned()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            license: Some(License {
                name: "Apache-2.0".to_owned(),
                identifier: Some("Apache-2.0".to_owned()),
                ..License::default()
            }),
            ..Info::default()
        },
        ..OpenApi::default()
    }
}

/// What concerns all routes: the error's schema, the ways to prove who one is, the groups.
pub fn complete(api: TransformOpenApi<'_>) -> TransformOpenApi<'_> {
    let groups = [
        ("search", "Finding passages."),
        ("chat", "Asking the documents."),
        ("documents", "Uploading documents, following and fetching them."),
        ("analytics", "What is searched, said and stored."),
        ("accounts", "Users and their tokens."),
        ("service", "Health, numbers and documentation."),
    ];
    let api = groups.into_iter().fold(api, |api, (name, description)| {
        api.tag(Tag { name: name.to_owned(), description: Some(description.to_owned()), ..Tag::default() })
    });
    aide::generate::in_context(|ctx| ctx.schema.subschema_for::<schemas::problem::Body>());
    api.security_scheme(
        "token",
        SecurityScheme::Http {
            scheme: "bearer".to_owned(),
            bearer_format: None,
            description: Some(
                "An API key, the token of a login, or a JWT of the configured issuer.".to_owned(),
            ),
            extensions: Default::default(),
        },
    )
    .security_scheme(
        "api_key",
        SecurityScheme::ApiKey {
            location: aide::openapi::ApiKeyLocation::Header,
            name: "X-API-Key".to_owned(),
            description: Some("An API key.".to_owned()),
            extensions: Default::default(),
        },
    )
}

/// The document written out. Without tokens, none is asked for in it either.
pub fn written(openapi: &OpenApi, auth: Auth) -> serde_json::Result<Vec<u8>> {
    let mut document = serde_json::to_value(openapi)?;
    if auth == Auth::Off
        && let Some(Value::Object(paths)) = document.get_mut("paths")
    {
        let operations = paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut);
        operations.filter_map(Value::as_object_mut).for_each(|operation| drop(operation.remove("security")));
    }
    forget_unused(&mut document);
    serde_json::to_vec(&document)
}

/// Parameters are taken apart into their fields, which leaves their types behind: nobody refers to them.
fn forget_unused(document: &mut Value) {
    loop {
        let text = document.to_string();
        let Some(Value::Object(schemas)) = document.pointer_mut("/components/schemas") else { return };
        let before = schemas.len();
        schemas.retain(|name, _| text.contains(&format!("\"#/components/schemas/{name}\"")));
        if schemas.len() == before {
            return;
        }
    }
}
