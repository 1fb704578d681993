//! How well the terms find: BM25 over a folder in BEIR's format (corpus.jsonl, queries.jsonl, qrels/test.tsv).
//!
//! `cargo run -p analysis --example bm25 -- DIR` prints recall@1 and MRR@10 for the parameters in use and others.
#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::path::{Path, PathBuf};

use analysis::{bm25, detect, terms};
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: bm25 DIR")?);
    let index = Index::read(&folder.join("corpus.jsonl"))?;
    let queries: Vec<(String, Vec<terms::QueryTerm>)> = records(&folder.join("queries.jsonl"))?
        .iter()
        .map(|query| (field(query, "_id"), terms::query_terms(&field(query, "text"))))
        .collect();
    let relevant = relevant(&folder.join("qrels/test.tsv"))?;
    let mut settings = vec![(bm25::K1, bm25::B)];
    for k1 in [0.6, 0.9, 1.2, 1.5, 1.8] {
        settings.extend([0.3, 0.4, 0.5, 0.6, 0.75, 0.9].map(|b| (k1, b)));
    }
    println!("{} chunks, {} queries", index.chunks.len(), queries.len());
    for (k1, b) in settings {
        let (mut first, mut reciprocal, mut asked) = (0.0, 0.0, 0.0);
        for (id, query) in &queries {
            let Some(wanted) = relevant.get(id) else { continue };
            asked += 1.0;
            let found = index.search(query, k1, b);
            if let Some(rank) = found.iter().take(10).position(|id| wanted.contains(*id)) {
                reciprocal += 1.0 / (rank + 1) as f64;
                first += f64::from(u8::from(rank == 0));
            }
        }
        println!("k1 {k1:.2} b {b:.2}  recall@1 {:.4}  mrr@10 {:.4}", first / asked, reciprocal / asked);
    }
    Ok(())
}

struct Index {
    chunks: Vec<(String, u32)>,
    postings: HashMap<String, Vec<(usize, u32)>>,
}

impl Index {
    fn read(path: &Path) -> Result<Index, Box<dyn Error>> {
        let mut index = Index { chunks: Vec::new(), postings: HashMap::new() };
        for (chunk, record) in records(path)?.iter().enumerate() {
            let text = format!("{}\n{}", field(record, "title"), field(record, "text"));
            let terms = terms::index_terms(&text, detect(&text));
            index.chunks.push((field(record, "_id"), terms.iter().map(|term| term.frequency).sum()));
            for term in terms {
                index.postings.entry(term.text).or_default().push((chunk, term.frequency));
            }
        }
        Ok(index)
    }

    /// As the database does it: per word of the query the best of its forms, summed over the words.
    fn search(&self, query: &[terms::QueryTerm], k1: f64, b: f64) -> Vec<&str> {
        let average =
            self.chunks.iter().map(|(_, length)| f64::from(*length)).sum::<f64>() / self.chunks.len() as f64;
        let mut scores: HashMap<usize, f64> = HashMap::new();
        for word in query {
            let mut best: HashMap<usize, f64> = HashMap::new();
            for postings in word.forms.iter().filter_map(|form| self.postings.get(form)) {
                let idf = bm25::idf(self.chunks.len() as u64, postings.len() as u64);
                for (chunk, frequency) in postings {
                    let length = f64::from(self.chunks[*chunk].1) / average;
                    let frequency = f64::from(*frequency);
                    let weight = idf * frequency * (k1 + 1.0) / (frequency + k1 * (1.0 - b + b * length));
                    let entry = best.entry(*chunk).or_default();
                    *entry = entry.max(weight);
                }
            }
            for (chunk, weight) in best {
                *scores.entry(chunk).or_default() += weight;
            }
        }
        let mut ranked: Vec<(usize, f64)> = scores.into_iter().collect();
        ranked.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
        ranked.into_iter().map(|(chunk, _)| self.chunks[chunk].0.as_str()).collect()
    }
}

fn records(path: &Path) -> Result<Vec<Value>, Box<dyn Error>> {
    Ok(std::fs::read_to_string(path)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

fn field(record: &Value, name: &str) -> String {
    record[name].as_str().unwrap_or_default().to_owned()
}

fn relevant(path: &Path) -> Result<HashMap<String, HashSet<String>>, Box<dyn Error>> {
    let mut relevant: HashMap<String, HashSet<String>> = HashMap::new();
    for line in std::fs::read_to_string(path)?.lines().skip(1) {
        let mut columns = line.split('\t');
        if let (Some(query), Some(chunk)) = (columns.next(), columns.next()) {
            relevant.entry(query.to_owned()).or_default().insert(chunk.to_owned());
        }
    }
    Ok(relevant)
}
