//! The routes: folders are nouns, a handler's documentation stands beside it.

mod analytics;
mod ask_document;
mod auth;
mod chat;
mod documents;
mod events;
mod feedback;
mod files;
mod history;
mod search;
mod service;
mod upload;

use aide::axum::ApiRouter;

use crate::{App, web};

/// Under the limit for searches.
pub fn searching() -> ApiRouter<App> {
    search::routes()
}

/// Under the limit for chats.
pub fn chatting() -> ApiRouter<App> {
    chat::routes()
}

/// Under the limit for uploads.
pub fn uploading() -> ApiRouter<App> {
    ApiRouter::new().merge(upload::routes()).merge(ask_document::routes())
}

/// Everything else that needs a known caller.
pub fn reading() -> ApiRouter<App> {
    ApiRouter::new()
        .merge(documents::routes())
        .merge(events::routes())
        .merge(files::routes())
        .merge(history::routes())
        .merge(feedback::routes())
        .merge(analytics::routes())
        .merge(auth::own())
}

/// For those who have no token yet.
pub fn entering() -> ApiRouter<App> {
    auth::entering()
}

/// What anybody may see.
pub fn open() -> ApiRouter<App> {
    ApiRouter::new()
        .merge(service::routes())
        .route("/", axum::routing::get(web::page))
        .route("/assets/{name}", axum::routing::get(web::asset))
}
