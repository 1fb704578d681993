//! The routes: folders are nouns, a handler's documentation stands beside it.

mod documents;
mod events;
mod files;
mod search;
mod service;
mod upload;

use aide::axum::ApiRouter;

use crate::{App, web};

/// What needs a known caller.
pub fn guarded() -> ApiRouter<App> {
    ApiRouter::new()
        .merge(search::routes())
        .merge(upload::routes())
        .merge(documents::routes())
        .merge(events::routes())
        .merge(files::routes())
}

/// What anybody may see.
pub fn open() -> ApiRouter<App> {
    ApiRouter::new()
        .merge(service::routes())
        .route("/", axum::routing::get(web::page))
        .route("/assets/{name}", axum::routing::get(web::asset))
}
