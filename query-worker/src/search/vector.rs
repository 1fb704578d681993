//! The vector leg: finds the passages nearest in meaning to the query.

use pgvector::HalfVector;
use sqlx::{AssertSqlSafe, PgConnection};

use super::{Hit, Place, filter::Documents, keys};
use crate::scope::{Projects, among};

/// Maximum number of passages that the leg returns.
pub const NEAREST: usize = 80;

/// Maximum total number of passages that are compared one by one: those of a large project without an index of its own, of
/// all small projects together, or of the documents that a filter leaves. This is exact, and not slower than an index which
/// has mostly other passages.
const EXACT: i64 = 20_000;
/// Maximum number of large projects that are searched one by one, so that each search can use the project's own index.
/// If there are more, one search uses the shared index for all of them.
const ONE_BY_ONE: usize = 16;

/// What a query looks for. Its vector is compared with those of the model with the number `own`.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub own: i16,
    pub vector: &'a [f32],
    pub documents: &'a Documents,
    /// Passages that are wanted whether they are near or not, if an index is used.
    pub others: &'a [Place],
}

/// The nearest passages; a hit's score is the cosine similarity.
#[derive(Default)]
pub struct Nearest {
    /// If one scan of an index was enough, they include the other passages that were wanted, which saves a look-up.
    pub hits: Vec<Hit>,
    /// Maximum similarity of a passage that is not among the hits.
    pub most_of_others: f32,
}

pub async fn find(tx: &mut PgConnection, projects: &Projects, wanted: Wanted<'_>) -> sqlx::Result<Nearest> {
    let (large, small) = projects.by_size();
    let are_few = wanted.documents.only().is_some() && wanted.documents.chunks <= EXACT;
    // The projects of each statement (`None` means all), and whether it uses an index.
    let statements: Vec<(Option<&[i32]>, bool)> = if are_few || large.is_empty() && projects.chunks <= EXACT {
        vec![(Some(&*projects.keys), false)]
    } else if projects.everything || large.len() > ONE_BY_ONE {
        vec![((!projects.everything).then_some(&*projects.keys), true)]
    } else {
        let few: Vec<i32> =
            large.iter().copied().filter(|project| projects.size(*project) <= EXACT).collect();
        let indexed = if few.is_empty() { Vec::new() } else { indexed(tx, wanted.own, &few).await? };
        // Without an index of its own, a project is new among the large ones, or it has most of its partition.
        let by_index = |project: &i32| !few.contains(project) || indexed.contains(project);
        let large = large.chunks(1).map(|project| (Some(project), project.iter().all(by_index)));
        let small = (!small.is_empty()).then_some((Some(&*small), projects.in_small() > EXACT));
        large.chain(small).collect()
    };
    let is_alone = statements.len() == 1;
    let is_exact = statements.iter().all(|(_, by_index)| !by_index);
    let mut hits = Vec::new();
    for (projects, by_index) in statements {
        let others = if is_alone && by_index { wanted.others } else { &[] };
        hits.extend(first(tx, projects, by_index, Wanted { others, ..wanted }).await?);
    }
    if !is_alone {
        // A relaxed scan may return neighbours slightly out of order.
        hits.sort_by(|a, b| b.score.total_cmp(&a.score));
        hits.truncate(NEAREST);
    }
    // A scan of an index may have missed any of them.
    let most_of_others = if is_exact { hits.get(NEAREST - 1).map_or(0.0, |last| last.score) } else { 1.0 };
    Ok(Nearest { hits, most_of_others })
}

/// Returns those of the projects whose vectors have an index of their own that is complete (migrations/src/vectors.rs).
async fn indexed(tx: &mut PgConnection, own: i16, projects: &[i32]) -> sqlx::Result<Vec<i32>> {
    sqlx::query_scalar(
        "SELECT key FROM unnest($2::int[]) AS key
         JOIN pg_index ON indexrelid = to_regclass(format('embedding_%s_of_%s', $1::smallint, key))
         WHERE indisvalid",
    )
    .bind(own)
    .bind(projects)
    .fetch_all(tx)
    .await
}

/// Returns the nearest passages of some projects, and the other passages that are wanted. With an index, it is the project's
/// own if only one project is named and has one, else the shared one; without, every passage is compared.
async fn first(
    tx: &mut PgConnection,
    projects: Option<&[i32]>,
    by_index: bool,
    Wanted { own, vector, documents, others }: Wanted<'_>,
) -> sqlx::Result<Vec<Hit>> {
    // An index serves only an order by the vector as one of the model's dimension.
    let cast = if by_index { format!("::halfvec({})", vector.len()) } else { String::new() };
    let distance = format!("(vector{cast}) <#> $1");
    let condition = match projects {
        None => String::new(),
        // The project is part of its own index, which a plan for any value of a parameter could not use.
        Some([project]) if by_index => format!("AND project_key = {project}"),
        Some(projects) => format!("AND project_key {}", among("$2", projects)),
    };
    let (other_projects, others) = keys(others.iter().copied());
    // Only what a plan does not depend on is a parameter. Materialized, because the limit must stay beside the bare order.
    let statement = format!(
        "WITH nearest AS MATERIALIZED (
             SELECT project_key, chunk_key, document_key, {distance} AS distance FROM embedding
             WHERE model = {own} {condition} {filter}
             ORDER BY {distance} LIMIT {NEAREST})
         SELECT coalesce(array_agg(project_key), '{{}}'), coalesce(array_agg(chunk_key), '{{}}'),
                coalesce(array_agg(document_key), '{{}}'), coalesce(array_agg(score), '{{}}')
         FROM (SELECT project_key, chunk_key, document_key, (-distance)::real AS score FROM nearest
               UNION ALL
               SELECT project_key, chunk_key, document_key, (-(vector <#> $1))::real FROM embedding
               WHERE model = {own} AND project_key {among_others} AND chunk_key = ANY($5)) AS found",
        filter = match (documents.only(), documents.all_but()) {
            (Some(_), _) => "AND document_key = ANY($3)",
            (_, Some(_)) => "AND document_key <> ALL($3)",
            _ => "",
        },
        among_others = among("$4", &other_projects),
    );
    // One row of arrays costs both sides less than a row for each passage.
    let found: (Vec<i32>, Vec<i64>, Vec<i64>, Vec<f32>) = sqlx::query_as(AssertSqlSafe(statement))
        .bind(HalfVector::from_f32_slice(vector))
        .bind(projects.unwrap_or_default())
        .bind(documents.only().or(documents.all_but()))
        .bind(other_projects)
        .bind(others)
        .fetch_one(tx)
        .await?;
    let (projects, passages, documents, scores) = found;
    let found = projects.into_iter().zip(passages).zip(documents).zip(scores);
    let hit = |(((project_key, chunk_key), document_key), score)| Hit {
        project_key,
        chunk_key,
        document_key,
        score,
    };
    Ok(found.map(hit).collect())
}

/// Returns the keys of project, passage and document of those passages that were not removed, and their similarity to the
/// query's vector, if there is one and the passage has a vector of the same model.
pub async fn look_up(
    tx: &mut PgConnection,
    vector: Option<(i16, &[f32])>,
    places: &[Place],
) -> sqlx::Result<Vec<(i32, i64, i64, Option<f32>)>> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let (projects, chunks) = keys(places.iter().copied());
    sqlx::query_as(
        "SELECT c.project_key, c.key, c.document_key, (-(e.vector <#> $1))::real
         FROM chunk c LEFT JOIN embedding e
              -- The projects are named again, so that the other partitions are left out.
              ON e.model = $4 AND e.project_key = ANY($2) AND e.project_key = c.project_key AND e.chunk_key = c.key
         WHERE c.project_key = ANY($2) AND c.key = ANY($3)",
    )
    .bind(vector.map(|(_, vector)| HalfVector::from_f32_slice(vector)))
    .bind(projects)
    .bind(chunks)
    .bind(vector.map(|(model, _)| model))
    .fetch_all(tx)
    .await
}
