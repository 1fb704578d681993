//! What is searched, what one might search, and what there is to be found.

pub(crate) mod log;
mod store;
mod suggest;

use platform::nats::Context;
use schemas::{
    Problem,
    analytics::{
        DocumentStats, GetDocumentStats, GetPopularSearches, GetSuggestions, PopularSearches, ReportSearches,
        Reported, Suggestions,
    },
};

use crate::{app::App, scope};

pub async fn popular(app: App, _: Context, query: GetPopularSearches) -> Result<PopularSearches, Problem> {
    let read = async {
        let mut transaction = scope::begin(&app.pool, &query.scope).await?;
        store::popular(&mut transaction, query.days, query.limit).await
    };
    let searches = read.await.map_err(|error| scope::problem(&error))?;
    Ok(PopularSearches { days: query.days, searches })
}

/// Searches that the cache answered: the api tells of them now and then.
pub async fn report(app: App, _: Context, query: ReportSearches) -> Result<Reported, Problem> {
    for search in query.searches {
        app.search_log.note(search);
    }
    Ok(Reported {})
}

pub async fn suggestions(app: App, _: Context, query: GetSuggestions) -> Result<Suggestions, Problem> {
    let read = async {
        let mut transaction = scope::begin(&app.pool, &query.scope).await?;
        suggest::find(&mut transaction, &query.q, usize::from(query.limit)).await
    };
    let suggestions = read.await.map_err(|error| scope::problem(&error))?;
    Ok(Suggestions { suggestions })
}

pub async fn documents(app: App, _: Context, query: GetDocumentStats) -> Result<DocumentStats, Problem> {
    let counted = async {
        let mut transaction = scope::begin(&app.pool, &query.scope).await?;
        store::documents(&mut transaction).await
    };
    counted.await.map_err(|error| scope::problem(&error))
}
