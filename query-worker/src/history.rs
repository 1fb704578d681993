//! Earlier questions and answers. Callers see only their own turns, and only those whose projects they may still read.

use platform::nats::Context;
use schemas::history::{ConversationHistory, History, UserHistory};

use crate::{app::App, chat::store, error::Result, scope};

pub async fn of_conversation(app: App, _: Context, query: ConversationHistory) -> Result<History> {
    let mut transaction = scope::begin_for(&app.pool, &query.scope, &query.caller).await?;
    let conversation = Some(query.conversation_id.as_str());
    let history = store::history(&mut transaction, &query.caller, conversation, None, query.limit).await?;
    Ok(History { history })
}

pub async fn of_user(app: App, _: Context, query: UserHistory) -> Result<History> {
    let mut transaction = scope::begin_for(&app.pool, &query.scope, &query.caller).await?;
    let user = Some(query.user_id.as_str());
    let history = store::history(&mut transaction, &query.caller, None, user, query.limit).await?;
    Ok(History { history })
}
