//! The routes and their middleware. The documentation of each handler is in the same file as the handler.

mod analytics;
mod ask_document;
mod auth;
mod chat;
mod conversations;
mod dead_letters;
mod documents;
mod events;
mod files;
mod search;
mod service;
mod upload;
mod web;

use std::{sync::Arc, time::Duration};

use aide::{axum::ApiRouter, openapi::OpenApi};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state, map_request},
};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tower_layer::Layer as _;

use crate::{
    App, Config, arrival,
    authentication::{Auth, anonymous, authenticate},
    cors,
    limits::{Class, limit},
    local, middleware,
    openapi::{self, Documents},
    server, throttle,
};

/// Returns the router. A request passes the layers from the last one added to the first.
pub fn router(mut app: App, config: &Config) -> Router {
    let limited = |class, routes: ApiRouter<App>| {
        routes.route_layer(from_fn_with_state((app.limits.clone(), class), limit))
    };
    let reading = documents::routes()
        .merge(events::routes())
        .merge(files::routes())
        .merge(conversations::routes())
        .merge(analytics::routes())
        .merge(dead_letters::routes())
        .merge(auth::routes());
    let requires_token = config.authentication.auth == Auth::Required;
    let authenticated = limited(Class::Search, search::routes())
        .merge(limited(Class::Chat, chat::routes()))
        .merge(limited(Class::Upload, upload::routes().merge(ask_document::routes())))
        .merge(limited(Class::Read, reading))
        .with_path_items(|path| {
            if requires_token {
                path.security_requirement("token").security_requirement("api_key")
            } else {
                path
            }
        })
        .route_layer(from_fn_with_state(app.authenticator.clone(), authenticate));
    let anonymous = limited(Class::Login, auth::routes_without_token())
        .route_layer(from_fn_with_state(app.authenticator.clone(), anonymous));
    let mut document = OpenApi::default();
    let router = authenticated
        .merge(anonymous)
        .merge(service::routes())
        .merge(web::routes())
        .finish_api_with(&mut document, openapi::complete);
    app.documents = Documents {
        openapi: serde_json::to_value(&document)
            .map(openapi::written)
            .inspect_err(|error| tracing::error!(%error, "writing the OpenAPI document"))
            .unwrap_or_default()
            .into(),
        asyncapi: schemas::asyncapi::document().to_string().into(),
    };
    let rule = config.limits.rate_limit_address.rule();
    let throttle = rule.and_then(|rule| throttle::config(rule, config.authentication.trusted_proxies));
    let mut router = router
        .fallback(middleware::not_found)
        .method_not_allowed_fallback(middleware::method_not_allowed)
        .with_state(app.clone())
        .layer(DefaultBodyLimit::max(arrival::MAX_BODY))
        .layer(CatchPanicLayer::custom(middleware::panicked));
    if let Some((rule, throttle)) = rule.zip(throttle.clone()) {
        router = router.layer(throttle::layer(throttle, rule, app.metrics.limited.clone()));
    }
    // Every minute, callers and addresses that were inactive are forgotten.
    let limits = app.limits;
    tokio::spawn(app.stopping.run_until_cancelled_owned(async move {
        let mut minutes = tokio::time::interval(Duration::from_secs(60));
        loop {
            minutes.tick().await;
            limits.local.tidy();
            if let Some(throttle) = &throttle {
                throttle.limiter().retain_recent();
            }
        }
    }));
    let permits = Arc::new(Semaphore::new(config.requests.max_concurrent_requests));
    router = router
        .layer(from_fn_with_state(permits, middleware::admit))
        .layer(from_fn_with_state(app.arrivals, arrival::receive))
        .layer(from_fn_with_state(app.streams, middleware::end_in_time));
    let origins = Arc::new(config.origins.clone());
    if config.authentication.auth == Auth::Off {
        router = router.layer(from_fn_with_state(origins.clone(), local::guard));
    }
    let observed = (app.metrics, config.server.speaks_tls());
    // The CORS layer is outside of every layer that refuses calls, so that a page can read the error response.
    let router = router
        .layer(cors::layer(&origins, config.authentication.auth))
        .layer(from_fn_with_state(observed, middleware::observe))
        .layer(from_fn(server::occupy));
    // What matches no route gets a second try.
    let again = map_request(middleware::without_last_slash).layer(router.clone());
    router.fallback_service(again)
}
