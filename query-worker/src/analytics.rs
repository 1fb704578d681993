//! Statistics of searches and documents, and suggestions for searches.

mod search_log;
mod store;
mod suggest;

use platform::nats::Context;
use schemas::analytics::{
    DocumentStats, GetDocumentStats, GetPopularSearches, GetSuggestions, PopularSearches, ReportSearches,
    Reported, Suggestions,
};

pub use self::search_log::SearchLog;
use crate::{app::App, error::Result, scope};

pub async fn popular(app: App, _: Context, query: GetPopularSearches) -> Result<PopularSearches> {
    let mut transaction = scope::begin(&app.pool, &query.scope).await?;
    let searches = store::popular(&mut transaction, query.days, query.limit).await?;
    Ok(PopularSearches { days: query.days, searches })
}

/// Logs searches that the cache answered; the api reports them from time to time.
pub async fn report(app: App, _: Context, query: ReportSearches) -> Result<Reported> {
    for search in query.searches {
        app.search_log.add(search);
    }
    Ok(Reported {})
}

pub async fn suggestions(app: App, _: Context, query: GetSuggestions) -> Result<Suggestions> {
    let mut transaction = scope::begin(&app.pool, &query.scope).await?;
    let suggestions = suggest::find(&mut transaction, &query.q, usize::from(query.limit)).await?;
    Ok(Suggestions { suggestions })
}

pub async fn documents(app: App, _: Context, query: GetDocumentStats) -> Result<DocumentStats> {
    let mut transaction = scope::begin(&app.pool, &query.scope).await?;
    Ok(store::documents(&mut transaction).await?)
}
