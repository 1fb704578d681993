//! The SQL of analytics.

use chrono::{DateTime, Utc};
use schemas::{
    analytics::{DocumentStats, PopularSearch, SearchSeen},
    document::State,
};
use sqlx::{PgConnection, types::Json};

use crate::reply;

/// Stores searches. A search whose projects do not all exist (any more) is left out.
pub async fn log(tx: &mut PgConnection, searches: &[SearchSeen]) -> sqlx::Result<()> {
    // PostgreSQL has no arrays of arrays of different lengths, so the lists of projects are sent as JSON.
    let projects: Vec<_> = searches.iter().map(|search| Json(&search.projects)).collect();
    sqlx::query(
        "INSERT INTO search_log (projects, query, folded, results, times)
         SELECT keys.found, s.query, acorag_search_key(s.query), s.results, s.times
         FROM unnest($1::jsonb[], $2::text[], $3::int[], $4::int[]) AS s(projects, query, results, times)
         CROSS JOIN LATERAL (
             SELECT coalesce(array_agg(p.key ORDER BY p.key), '{}') AS found
             FROM project p WHERE s.projects ? p.id
         ) keys
         WHERE cardinality(keys.found) = jsonb_array_length(s.projects)",
    )
    .bind(projects)
    .bind(searches.iter().map(|search| search.query.as_str()).collect::<Vec<_>>())
    .bind(searches.iter().map(|search| whole(search.results)).collect::<Vec<_>>())
    .bind(searches.iter().map(|search| whole(search.times)).collect::<Vec<_>>())
    .execute(tx)
    .await
    .map(|_| ())
}

/// Returns the most frequent searches. The text of each is read at the end: somebody may search the same very often, and all
/// those texts would not fit into PostgreSQL's memory.
pub async fn popular(tx: &mut PgConnection, days: u16, limit: u8) -> sqlx::Result<Vec<PopularSearch>> {
    let rows: Vec<(String, i64, f64, DateTime<Utc>)> = sqlx::query_as(
        "SELECT newest.query, alike.times, alike.results, alike.searched_at
         FROM (SELECT max(key) AS key, sum(times)::bigint AS times,
                      sum(results::float8 * times) / sum(times) AS results, max(searched_at) AS searched_at
               FROM search_log
               WHERE searched_at > now() - make_interval(days => $1) AND folded <> ''
               GROUP BY folded ORDER BY 2 DESC, 4 DESC LIMIT $2) AS alike
         JOIN search_log AS newest USING (key)
         ORDER BY alike.times DESC, alike.searched_at DESC",
    )
    .bind(i32::from(days))
    .bind(i64::from(limit))
    .fetch_all(tx)
    .await?;
    let view = |(query, count, results, last_searched): (String, i64, f64, DateTime<Utc>)| PopularSearch {
        query,
        count: natural(count),
        average_results: (results * 10.0).round() / 10.0,
        last_searched,
    };
    Ok(rows.into_iter().map(view).collect())
}

/// PostgreSQL's GROUPING value of a count by the first of the five columns.
const BY_STATE: i32 = 0b01111;
/// Maximum number of counts that are read. Whoever sends documents chooses their types and categories, so there may be
/// very many.
const MOST_COUNTS: usize = 5_000;

pub async fn documents(tx: &mut PgConnection) -> sqlx::Result<DocumentStats> {
    // One pass over the table: GROUPING says by which of the five columns a row counts. The states and the total come
    // first, then the most frequent names. The size of a document that was never indexed, or has failed since, may be
    // only what its sender said.
    type Row = (i32, Option<String>, i64, i64, i64, i64, Option<DateTime<Utc>>);
    let mut rows: Vec<Row> = sqlx::query_as(
        "SELECT GROUPING(state, doc_type, category, project, file_type),
                coalesce(state, doc_type, category, project, file_type),
                count(*), count(*) FILTER (WHERE indexed), coalesce(sum(chunks), 0)::bigint,
                coalesce(sum(size) FILTER (WHERE indexed_at IS NOT NULL), 0)::bigint, max(indexed_at)
         FROM (SELECT d.state, coalesce(d.fields->>'doc_type', '') AS doc_type,
                      coalesce(d.fields->>'category', '') AS category, p.id AS project, d.file_type, d.chunks, d.size, d.indexed_at,
                      d.state = 'indexed' AS indexed
               FROM document d JOIN project p ON p.key = d.project_key
               WHERE d.state <> 'deleted') AS d
         GROUP BY GROUPING SETS ((state), (doc_type), (category), (project), (file_type), ())
         ORDER BY GROUPING(doc_type, category, project, file_type) = 15 DESC, 4 DESC LIMIT $1",
    )
    .bind(i64::try_from(MOST_COUNTS + 1).unwrap_or(i64::MAX))
    .fetch_all(tx)
    .await?;
    let mut is_cut = rows.get(MOST_COUNTS).is_some_and(|(_, _, _, indexed, ..)| *indexed > 0);
    rows.truncate(MOST_COUNTS);
    let stored = State::ALL.into_iter().filter(|state| *state != State::Queued);
    let by_state = stored.map(|state| (state.name().to_owned(), 0)).collect();
    let mut stats = DocumentStats { by_state, ..DocumentStats::default() };
    let (mut room, mut kept) = (reply::BUDGET, 0);
    for (grouping, name, all, indexed, chunks, size, indexed_at) in rows {
        let name = name.unwrap_or_default();
        let count = natural(if grouping == BY_STATE { all } else { indexed });
        let counts = match grouping {
            BY_STATE => &mut stats.by_state,
            0b10111 => &mut stats.by_type,
            0b11011 => &mut stats.by_category,
            0b11101 => &mut stats.by_project,
            0b11110 => &mut stats.by_file_type,
            _ => {
                (stats.total_chunks, stats.total_size) = (natural(chunks), natural(size));
                stats.last_indexed_at = indexed_at;
                continue;
            }
        };
        let bytes = reply::size(&(&name, count));
        if count > 0 && bytes <= room {
            room -= bytes;
            kept += 1;
            counts.insert(name, count);
        } else {
            is_cut |= count > 0;
        }
    }
    if is_cut {
        tracing::warn!(kept, "there are too many names for a reply; less frequent ones are left out");
    }
    stats.total_documents = stats.by_state.values().sum();
    Ok(stats)
}

fn natural(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

fn whole(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
