//! What was asked and answered before. A caller sees its own turns, and of them only those whose projects it may still
//! read.

use platform::nats::Context;
use schemas::{
    Problem, Scope,
    history::{ConversationHistory, History, UserHistory},
};

use crate::{app::App, chat::store, owner, scope};

pub async fn of_conversation(app: App, _: Context, query: ConversationHistory) -> Result<History, Problem> {
    read(&app, &query.scope, &query.caller, Some(&query.conversation_id), None, query.limit).await
}

pub async fn of_user(app: App, _: Context, query: UserHistory) -> Result<History, Problem> {
    read(&app, &query.scope, &query.caller, None, Some(&query.user_id), query.limit).await
}

async fn read(
    app: &App,
    scope: &Scope,
    caller: &str,
    conversation: Option<&str>,
    user: Option<&str>,
    limit: u8,
) -> Result<History, Problem> {
    let read = async {
        let mut transaction = owner::begin(&app.pool, scope, caller).await?;
        store::history(&mut transaction, caller, conversation, user, limit).await
    };
    let history = read.await.map_err(|error| scope::problem(&error))?;
    Ok(History { history })
}
