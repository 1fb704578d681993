//! The OpenAPI document, and how the routes document themselves in it.

use aide::{
    OperationOutput,
    openapi::{
        ApiKeyLocation, Header, HeaderStyle, License, MediaType, Parameter, ParameterSchemaOrContent,
        ReferenceOr, Response, SchemaObject, SecurityScheme, StatusCode, Tag,
    },
    transform::TransformOpenApi,
};
use bytes::Bytes;
use schemars::{JsonSchema, Schema, json_schema};
use schemas::ProblemKind::{
    self, BadRequest, Forbidden, Internal, MethodNotAllowed, RateLimited, RequestTimeout, Timeout, TooLarge,
    Unauthorized, Unavailable, UnsupportedMediaType,
};
use serde_json::Value;

/// What the routes use of `aide`.
pub use aide::{
    axum::{
        ApiRouter,
        routing::{delete_with, get_with, post_with},
    },
    transform::TransformOperation,
};

/// The descriptions of the API itself, serialized once.
#[derive(Clone, Default)]
pub struct Documents {
    pub openapi: Bytes,
    pub asyncapi: Bytes,
}

/// Errors that every route documents in addition to its own.
const EVERYWHERE: [ProblemKind; 7] =
    [Unauthorized, Forbidden, MethodNotAllowed, RateLimited, Internal, Unavailable, Timeout];
/// Errors that a JSON body may cause.
pub const JSON_BODY: [ProblemKind; 4] = [BadRequest, RequestTimeout, TooLarge, UnsupportedMediaType];

/// Headers of routes with a rate limit, each with its description.
const LIMIT: [(&str, &str); 4] = [
    (
        "RateLimit-Limit",
        "Requests per period. If a limit is set, other answers have the RateLimit headers too.",
    ),
    ("RateLimit-Remaining", "Requests that are left now."),
    ("RateLimit-Reset", "Seconds until all of them are left again."),
    ("RateLimit-Policy", "The limit and its period in seconds, as in `100;w=60`."),
];

/// Methods with which a route documents itself, in one chain.
pub trait Describe: Sized {
    fn describe(self, id: &str, group: &str, summary: &str) -> Self;
    /// Documents a response whose body is one of acorag's own types.
    fn replies<const STATUS: u16, T: OperationOutput>(self, description: &str) -> Self;
    /// Documents a response whose body is not one of acorag's own types.
    fn answers(self, status: u16, description: &str, media_types: &[&str]) -> Self;
    /// Documents a response of server-sent events whose data is one of acorag's own types.
    fn sends<T: JsonSchema>(self, status: u16, description: &str) -> Self;
    /// Adds another media type to a documented response.
    fn also_answers(self, status: u16, media_type: &str, body: MediaType) -> Self;
    /// Adds a header to a documented response.
    fn header(self, status: u16, name: &str, description: &str) -> Self;
    /// Adds an example of the JSON request body.
    fn example(self, body: Value) -> Self;
    /// Adds an example of the body to a documented response.
    fn reply_example(self, status: u16, body: Value) -> Self;
    /// Documents the errors of this route, and those that every route has.
    fn refuses(self, kinds: &[ProblemKind]) -> Self;
}

impl Describe for TransformOperation<'_> {
    fn describe(self, id: &str, group: &str, summary: &str) -> Self {
        self.id(id).tag(group).summary(summary)
    }

    fn replies<const STATUS: u16, T: OperationOutput>(self, description: &str) -> Self {
        self.response_with::<STATUS, T, _>(|response| response.description(description))
    }

    fn answers(mut self, status: u16, description: &str, media_types: &[&str]) -> Self {
        let mut response = Response { description: description.to_owned(), ..Response::default() };
        for media_type in media_types {
            response.content.insert((*media_type).to_owned(), plain(media_type));
        }
        let responses = &mut self.inner_mut().responses.get_or_insert_default().responses;
        responses.insert(StatusCode::Code(status), ReferenceOr::Item(response));
        self
    }

    fn sends<T: JsonSchema>(self, status: u16, description: &str) -> Self {
        let data = aide::generate::in_context(|ctx| ctx.schema.subschema_for::<T>());
        // OpenAPI 3.1 cannot describe a sequence of events; tools take the schema as that of one event.
        let event = json_schema!({
            "description": "Server-sent events.",
            "properties": {
                "data": { "type": "string", "contentMediaType": "application/json", "contentSchema": data },
            },
        });
        self.answers(status, description, &[]).also_answers(status, "text/event-stream", media(event))
    }

    fn also_answers(mut self, status: u16, media_type: &str, body: MediaType) -> Self {
        if let Some(response) = response(&mut self, status) {
            response.content.insert(media_type.to_owned(), body);
        }
        self
    }

    fn header(mut self, status: u16, name: &str, description: &str) -> Self {
        if let Some(response) = response(&mut self, status) {
            response.headers.insert(name.to_owned(), ReferenceOr::Item(text_header(description)));
        }
        self
    }

    fn example(mut self, body: Value) -> Self {
        if let Some(ReferenceOr::Item(request)) = &mut self.inner_mut().request_body
            && let Some(media) = request.content.get_mut("application/json")
        {
            media.example = Some(body);
        }
        self
    }

    fn reply_example(mut self, status: u16, body: Value) -> Self {
        if let Some(media) =
            response(&mut self, status).and_then(|response| response.content.get_mut("application/json"))
        {
            media.example = Some(body);
        }
        self
    }

    fn refuses(mut self, kinds: &[ProblemKind]) -> Self {
        let responses = &mut self.inner_mut().responses.get_or_insert_default().responses;
        for kind in kinds.iter().chain(&EVERYWHERE) {
            let response = responses.entry(StatusCode::Code(kind.status()));
            response.or_insert_with(|| ReferenceOr::Item(refusal(*kind)));
        }
        self
    }
}

fn response<'o>(operation: &'o mut TransformOperation<'_>, status: u16) -> Option<&'o mut Response> {
    let responses = operation.inner_mut().responses.as_mut()?;
    responses.responses.get_mut(&StatusCode::Code(status))?.as_item_mut()
}

fn plain(media_type: &str) -> MediaType {
    media(match media_type {
        "application/json" => json_schema!({ "type": "object" }),
        // Bytes of any kind have no schema.
        "*/*" => return MediaType::default(),
        _ => json_schema!({ "type": "string" }),
    })
}

pub fn media(json_schema: Schema) -> MediaType {
    MediaType { schema: Some(schema(json_schema)), ..MediaType::default() }
}

fn schema(json_schema: Schema) -> SchemaObject {
    SchemaObject { json_schema, external_docs: None, example: None }
}

fn refusal(kind: ProblemKind) -> Response {
    let example = serde_json::json!({
        "error": kind.title(),
        "detail": "…",
        "request_id": "019abf3c-5f0a-7c60-9a53-1a1f0c7b2d11",
    });
    let body = media(json_schema!({ "$ref": "#/components/schemas/Error" }));
    let mut response = Response { description: kind.title().to_owned(), ..Response::default() };
    response.content.insert("application/json".to_owned(), MediaType { example: Some(example), ..body });
    if matches!(kind.status(), 429 | 503) {
        let header = text_header("Seconds until trying again makes sense.");
        response.headers.insert("Retry-After".to_owned(), ReferenceOr::Item(header));
    }
    if kind == RateLimited {
        let headers = LIMIT.map(|(name, text)| (name.to_owned(), ReferenceOr::Item(text_header(text))));
        response.headers.extend(headers);
    }
    response
}

fn text_header(description: &str) -> Header {
    Header {
        description: Some(description.to_owned()),
        style: HeaderStyle::Simple,
        required: false,
        deprecated: None,
        format: ParameterSchemaOrContent::Schema(schema(json_schema!({ "type": "string" }))),
        example: None,
        examples: Default::default(),
        extensions: Default::default(),
    }
}

/// Removes `null` from a parameter's schema: in a query string, an optional parameter is absent or blank.
pub fn make_optional(parameter: &mut ReferenceOr<Parameter>) {
    let ReferenceOr::Item(Parameter::Query { parameter_data, allow_empty_value, .. }) = parameter else {
        return;
    };
    *allow_empty_value = Some(true);
    let ParameterSchemaOrContent::Schema(schema) = &mut parameter_data.format else { return };
    let Some(object) = schema.json_schema.as_object_mut() else { return };
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

/// Adds what all routes share: the title, the schema of errors, the authentication methods and the groups.
pub fn complete(api: TransformOpenApi<'_>) -> TransformOpenApi<'_> {
    let apache = "Apache-2.0".to_owned();
    let api = api
        .title("acorag")
        .summary("Answers questions over project documents, in Spanish and English.")
        .version(env!("CARGO_PKG_VERSION"))
        .license(License { name: apache.clone(), identifier: Some(apache), ..License::default() });
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
    let token = SecurityScheme::Http {
        scheme: "bearer".to_owned(),
        bearer_format: None,
        description: Some("An API key, the token of a login, or a JWT of the configured issuer.".to_owned()),
        extensions: Default::default(),
    };
    let api_key = SecurityScheme::ApiKey {
        location: ApiKeyLocation::Header,
        name: "X-API-Key".to_owned(),
        description: Some("An API key.".to_owned()),
        extensions: Default::default(),
    };
    api.security_scheme("token", token).security_scheme("api_key", api_key)
}

/// Writes the document without types that nothing refers to, such as types of parameters: the document lists their fields
/// one by one.
pub fn written(mut document: Value) -> String {
    loop {
        let text = document.to_string();
        let Some(Value::Object(schemas)) = document.pointer_mut("/components/schemas") else { return text };
        let before = schemas.len();
        schemas.retain(|name, _| text.contains(&format!("\"#/components/schemas/{name}\"")));
        if schemas.len() == before {
            return text;
        }
    }
}
