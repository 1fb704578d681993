//! The documents that a search may find. Its filters are resolved before the legs run, so that both legs apply them at low
//! cost.

use std::collections::HashSet;

use documents::index::Allowed;
use schemas::{DocumentId, search::Search};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::scope::Projects;

pub struct Documents {
    which: Which,
    /// Number of their passages, or more.
    pub chunks: i64,
}

enum Which {
    All,
    Only(Vec<i64>),
    AllBut(Vec<i64>),
}

impl Documents {
    /// Returns the documents that match the filters. If they have most of the passages, the other ones are named, which are
    /// fewer.
    pub async fn matching(tx: &mut PgConnection, projects: &Projects, query: &Search) -> sqlx::Result<Self> {
        let filters = &query.filters;
        if filters.is_empty() && query.document_id.is_none() {
            return Ok(Self { which: Which::All, chunks: projects.chunks });
        }
        // A document's parts are the records of an import and the attachments of a mail. The fields have an index that only
        // `acorag_filtered` can use (migrations/sql/0014_filters.sql).
        let (keys, chunks): (Vec<i64>, i64) = sqlx::query_as(
            "SELECT coalesce(array_agg(key), '{}'), coalesce(sum(chunks), 0)::bigint
             FROM acorag_filtered($2, $3, $4, CASE WHEN $5::text IS NOT NULL THEN ARRAY(
                 SELECT key FROM document WHERE id = $5
                 UNION ALL
                 SELECT part.key FROM document part JOIN document whole
                      ON whole.project_key = part.parent_project AND whole.key = part.parent_key
                 WHERE whole.id = $5) END)
             WHERE project_key = ANY($1)",
        )
        .bind(&projects.keys)
        .bind(documents::read::wanted(&filters.fields))
        .bind(filters.date_from)
        .bind(filters.date_to)
        .bind(query.document_id.as_ref().map(DocumentId::as_str))
        .fetch_one(&mut *tx)
        .await?;
        if chunks <= projects.chunks / 2 {
            return Ok(Self { which: Which::Only(keys), chunks });
        }
        let others = sqlx::query_scalar(
            "SELECT coalesce(array_agg(key), '{}') FROM document
             WHERE project_key = ANY($1) AND chunks > 0 AND key <> ALL($2)",
        )
        .bind(&projects.keys)
        .bind(keys)
        .fetch_one(tx)
        .await?;
        Ok(Self { which: Which::AllBut(others), chunks })
    }

    /// Returns these documents without some of them.
    pub fn without(&self, some: &HashSet<i64>) -> Self {
        let which = match &self.which {
            Which::All => Which::AllBut(some.iter().copied().collect()),
            Which::Only(keys) => {
                Which::Only(keys.iter().copied().filter(|key| !some.contains(key)).collect())
            }
            Which::AllBut(keys) => Which::AllBut(keys.iter().chain(some).copied().collect()),
        };
        Self { which, chunks: self.chunks }
    }

    pub fn are_none(&self) -> bool {
        matches!(&self.which, Which::Only(keys) if keys.is_empty())
    }

    /// Whether there are any.
    pub async fn exist(&self, tx: &mut PgConnection, projects: &Projects) -> sqlx::Result<bool> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM document WHERE project_key = ANY($1) AND chunks > 0
                            AND ($2::bigint[] IS NULL OR key = ANY($2)) AND ($3::bigint[] IS NULL OR key <> ALL($3)))",
        )
        .bind(&projects.keys)
        .bind(self.only())
        .bind(self.all_but())
        .fetch_one(tx)
        .await
    }

    /// The only documents, if they are named one by one.
    pub fn only(&self) -> Option<&[i64]> {
        if let Which::Only(keys) = &self.which { Some(keys) } else { None }
    }

    /// The only documents that are left out, if they are named one by one.
    pub fn all_but(&self) -> Option<&[i64]> {
        if let Which::AllBut(keys) = &self.which { Some(keys) } else { None }
    }

    /// Returns the keys of all passages of the documents that are named, for [`Self::allowed`].
    pub async fn passages(&self, tx: &mut PgConnection, projects: &Projects) -> sqlx::Result<Vec<i64>> {
        let Some(documents) = self.only().or(self.all_but()).filter(|documents| !documents.is_empty()) else {
            return Ok(Vec::new());
        };
        let keys = "SELECT coalesce(array_agg(key ORDER BY key), '{}') FROM chunk
                    WHERE project_key = ANY($1) AND document_key = ANY($2)";
        let keys = sqlx::query_scalar(AssertSqlSafe(crate::scope::for_projects(keys, &projects.keys)));
        keys.bind(&projects.keys).bind(documents).fetch_one(tx).await
    }

    pub fn allowed<'a>(&self, passages: &'a [i64]) -> Allowed<'a> {
        match self.which {
            Which::All => Allowed::All,
            Which::Only(_) => Allowed::Only(passages),
            Which::AllBut(_) => Allowed::AllBut(passages),
        }
    }
}
