//! Reads what the index contains for some terms.

use std::collections::{HashMap, HashSet};

use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    block::{self, Posting, best_pairs},
    pending,
};
use crate::scope::for_projects;

/// Maximum number of postings of one term that are read before it is known whether all are needed.
const AT_ONCE: u64 = 4_096;
/// Up to this number of passages, a word's blocks are read together with the list of them. Of more passages, only the
/// smallest blocks are.
const FEW_PASSAGES: u64 = 60_000;
const SMALL: i32 = 32;
/// Up to this number of projects, a statement names them, so that the partitions of others are left out.
const FEW_PROJECTS: usize = 16;

/// What the index of some projects contains for some terms. It is read in a transaction with one snapshot (REPEATABLE
/// READ), because no merge may happen between its statements.
pub struct Index {
    pub terms: HashMap<String, List>,
    /// Removed passages that are not purged yet.
    pub dead: HashSet<i64>,
}

/// What the index contains for one term.
#[derive(Default)]
pub struct List {
    /// How many passages have the term.
    pub passages: u64,
    pub blocks: Vec<Block>,
    /// The pairs of frequency and length of all blocks ([`block::best_pairs`]).
    best: Vec<u8>,
    /// The unmerged postings, each with the key of its project.
    pub pending: Vec<(i32, Posting)>,
}

/// A block, possibly without its postings.
#[derive(Debug)]
pub struct Block {
    pub project_key: i32,
    pub first: i64,
    pub last: i64,
    data: Option<Vec<u8>>,
}

/// What is read at first: the blocks of a term in a project, the best pairs of all of them in one value; without a term, the
/// unmerged words of a document (`data`), or the keys of removed passages (`first`).
#[derive(sqlx::FromRow)]
struct Row {
    project_key: i32,
    term: String,
    passages: i64,
    best: Vec<u8>,
    first: Vec<i64>,
    last: Vec<i64>,
    data: Vec<Option<Vec<u8>>>,
}

/// One row for each term: a common one has thousands of blocks.
const FIRST: &str = "
    SELECT project_key, term, sum(passages) AS passages, string_agg(best, '') AS best, array_agg(first) AS first,
           array_agg(last) AS last, array_agg(CASE WHEN passages < $3 THEN data END) AS data
    FROM posting WHERE project_key = ANY($1) AND term = ANY($2) GROUP BY project_key, term
    UNION ALL
    SELECT project_key, '', 0, '', '{}', '{}', ARRAY[data] FROM posting_pending WHERE project_key = ANY($1)
    UNION ALL
    SELECT project_key, '', 0, '', array_agg(chunk_key), '{}', '{}' FROM posting_dead
    WHERE project_key = ANY($1) GROUP BY project_key";

impl Index {
    /// `passages` is the number of passages in the projects.
    pub async fn read(
        tx: &mut PgConnection,
        projects: &[i32],
        passages: u64,
        terms: &[&str],
    ) -> sqlx::Result<Self> {
        let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(for_projects(FIRST, projects)))
            .bind(projects)
            .bind(terms)
            .bind(if passages <= FEW_PASSAGES { i32::MAX } else { SMALL })
            .fetch_all(&mut *tx)
            .await?;
        let mut index = Self { terms: HashMap::new(), dead: HashSet::new() };
        let mut wanted: Vec<&[u8]> = terms.iter().map(|term| term.as_bytes()).collect();
        wanted.sort_unstable();
        for row in rows {
            index.add(row, &wanted);
        }
        for list in index.terms.values_mut() {
            list.blocks.sort_unstable_by_key(|block| block.first);
            list.pending.sort_unstable_by_key(|(_, posting)| posting.chunk);
        }
        let few = terms.iter().filter_map(|term| {
            let list = index.terms.get(*term).filter(|list| list.passages <= AT_ONCE)?;
            Some((*term, (0..list.blocks.len()).collect()))
        });
        let few: Vec<_> = few.collect();
        index.load(tx, &few).await?;
        Ok(index)
    }

    /// `wanted` are the terms in ascending order.
    fn add(&mut self, row: Row, wanted: &[&[u8]]) {
        let Row { project_key, term, passages, best, first, last, data } = row;
        if !term.is_empty() {
            let list = self.terms.entry(term).or_default();
            list.passages += passages.unsigned_abs();
            list.best.extend(best);
            let blocks = first.into_iter().zip(last).zip(data);
            list.blocks.extend(blocks.map(|((first, last), data)| Block { project_key, first, last, data }));
            return;
        }
        self.dead.extend(first);
        for data in data.iter().flatten() {
            let mut wanted = wanted.iter().peekable();
            pending::decode(
                data,
                |term| {
                    while wanted.next_if(|wanted| **wanted < term).is_some() {}
                    wanted.peek().is_some_and(|wanted| **wanted == term)
                },
                |term, posting| {
                    let list = self.terms.entry(term.to_owned()).or_default();
                    list.passages += 1;
                    list.pending.push((project_key, posting));
                },
            );
        }
    }

    /// Reads the postings of these blocks that are not read yet. The blocks are given by term and position.
    pub async fn load(&mut self, tx: &mut PgConnection, wanted: &[(&str, Vec<usize>)]) -> sqlx::Result<()> {
        let (mut projects, mut terms, mut firsts) = (Vec::new(), Vec::new(), Vec::new());
        for (term, places) in wanted {
            let Some(list) = self.terms.get(*term) else { continue };
            for block in places.iter().filter_map(|place| list.blocks.get(*place)) {
                if block.data.is_none() {
                    projects.push(block.project_key);
                    terms.push(*term);
                    firsts.push(block.first);
                }
            }
        }
        if terms.is_empty() {
            return Ok(());
        }
        let mut named = projects.clone();
        named.sort_unstable();
        named.dedup();
        let read: Vec<(String, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT p.term, p.first, p.data FROM unnest($1::int[], $2::text[], $3::bigint[]) AS wanted(project_key, term, first)
             JOIN posting p ON p.project_key = wanted.project_key AND p.term = wanted.term AND p.first = wanted.first
             WHERE $4::int[] IS NULL OR p.project_key = ANY($4)",
        )
        .bind(&projects)
        .bind(&terms)
        .bind(&firsts)
        .bind(Some(named).filter(|named| named.len() <= FEW_PROJECTS))
        .fetch_all(tx)
        .await?;
        for (term, first, data) in read {
            let Some(list) = self.terms.get_mut(&term) else { continue };
            // A passage is in only one block of a term, so no two blocks begin with the same passage.
            if let Ok(place) = list.blocks.binary_search_by_key(&first, |block| block.first) {
                list.blocks[place].data = Some(data);
            }
        }
        Ok(())
    }
}

impl Block {
    /// The block's postings, each with the key of its project; none if they are not read yet.
    pub fn postings(&self) -> impl Iterator<Item = (i32, Posting)> + '_ {
        let postings = block::postings(self.first, self.data.as_deref().unwrap_or_default());
        postings.map(|posting| (self.project_key, posting))
    }
}

impl List {
    /// The pairs of frequency and length among which is the posting with the highest weight, for any average length.
    pub fn best(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let pending = self.pending.iter().map(|(_, posting)| (posting.frequency, posting.length));
        best_pairs(&self.best).chain(pending)
    }
}
