//! Reads the earlier turns of a conversation and stores the new one.

use analysis::{Language, detect};
use schemas::{
    ProjectId,
    chat::{ChatQuery, ChatReply, Speaker, Turn},
    problem::UiLanguage,
    search::MAX_QUERY_CHARS,
    text,
};

use super::{Asked, follow_up, store};
use crate::{app::App, scope};

/// The number of stored turns that are used to understand a question.
const TURNS: i64 = 6;

/// Maximum number of characters that an earlier question lends to a follow-up. The follow-up's own words come after them,
/// and a search reads only the first words of a query.
const MAX_LENT_CHARS: usize = 400;

/// The earlier turns of the conversation that the caller may see.
#[derive(Debug, Default)]
pub struct Past {
    /// Oldest first.
    pub turns: Vec<Turn>,
    /// The questions that a follow-up may continue, with their omitted words filled in: the last question and, if it
    /// had no answer, the last question that had one.
    understood: Vec<String>,
    /// The projects of the stored turns; an answer that uses these turns belongs to these projects too.
    projects: Vec<i32>,
}

impl Past {
    /// Returns the possible meanings of a question after these turns, the most likely first; there is at least one.
    pub fn readings(&self, question: &str) -> Vec<String> {
        let mut readings: Vec<String> = Vec::new();
        let previous = self.understood.iter().map(|previous| Some(text::clip(previous, MAX_LENT_CHARS)));
        for previous in previous.chain(self.understood.is_empty().then_some(None)) {
            for reading in follow_up::readings(question, previous) {
                if !readings.contains(&reading) {
                    readings.push(reading);
                }
            }
        }
        readings
    }

    /// Returns the language of a question or, if it is too short to tell, of the last one before it that was long enough.
    pub fn language(&self, question: &str) -> UiLanguage {
        let known = |text: &str| match detect(text) {
            Language::Spanish => Some(UiLanguage::Spanish),
            Language::English => Some(UiLanguage::English),
            Language::Unknown => None,
        };
        let mut before = self.turns.iter().rev().filter(|turn| turn.role == Speaker::User);
        known(question).or_else(|| before.find_map(|turn| known(&turn.content))).unwrap_or_default()
    }

    /// Uses a history that the client sent.
    fn sent(turns: &[Turn]) -> Self {
        let mut past = Self { turns: turns.to_vec(), ..Self::default() };
        // Each question is read after the ones before it, so that a follow-up to a follow-up is understood too.
        for turn in turns.iter().filter(|turn| turn.role == Speaker::User) {
            past.understood = past.readings(text::clip(&turn.content, MAX_QUERY_CHARS));
            past.understood.truncate(1);
        }
        past
    }
}

/// Returns the stored conversation or, if there is none, the history that the client sent. Turns of other callers and
/// turns that used a project outside the scope are ignored, and so is the turn of the query with this id itself, which an
/// earlier delivery may have stored.
pub async fn recall(app: &App, query: &ChatQuery, id: &str) -> sqlx::Result<Past> {
    let Some(conversation) = &query.conversation_id else { return Ok(Past::sent(&query.history)) };
    let mut transaction = scope::begin_for(&app.pool, &query.scope, &query.caller).await?;
    let turns = store::last_turns(&mut transaction, &query.caller, conversation, id, TURNS).await?;
    if turns.is_empty() {
        return Ok(Past::sent(&query.history));
    }
    let projects = turns.iter().flat_map(|turn| turn.projects.iter().copied()).collect();
    let mut understood: Vec<String> = turns.last().map(|turn| turn.understood.clone()).into_iter().collect();
    if turns.last().is_some_and(|turn| !turn.found) {
        understood.extend(turns.iter().rev().find(|turn| turn.found).map(|turn| turn.understood.clone()));
    }
    let said = turns.into_iter().flat_map(|turn| {
        [
            Turn { role: Speaker::User, content: turn.question },
            Turn { role: Speaker::Assistant, content: turn.answer },
        ]
    });
    Ok(Past { turns: said.collect(), understood, projects })
}

/// Stores the turn, once even if the query is delivered again. If that fails, the answer is still sent. `used` are the
/// projects of all retrieved passages, cited or not; without any passages, the projects of the scope count.
pub async fn remember(asked: &Asked<'_>, used: &[ProjectId], understood: &str, reply: &ChatReply) {
    let query = asked.query;
    let used = query.scope.or_own(used);
    let stored = async {
        let mut transaction = scope::begin_for(&asked.app.pool, &query.scope, &query.caller).await?;
        let earlier = &asked.past.projects;
        store::insert(&mut transaction, &asked.id, query, used, earlier, understood, reply).await?;
        transaction.commit().await
    };
    if let Err(error) = stored.await {
        tracing::error!(%error, "a turn of a conversation could not be stored");
    }
}
