//! Reads data sets in the BEIR folder format.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub struct DataSet {
    pub corpus: Vec<Document>,
    /// The queries that have a relevant document in the corpus.
    pub queries: Vec<Query>,
}

#[derive(Deserialize)]
pub struct Document {
    #[serde(rename = "_id", deserialize_with = "id")]
    pub id: String,
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub text: String,
}

#[derive(Deserialize)]
pub struct Query {
    #[serde(rename = "_id", deserialize_with = "id")]
    pub id: String,
    pub text: String,
    /// The grade of each judged document; 0 is not relevant.
    #[serde(skip)]
    pub relevant: HashMap<String, u32>,
}

impl DataSet {
    pub fn read(folder: &Path) -> Result<Self> {
        let corpus: Vec<Document> = lines(&folder.join("corpus.jsonl"))?;
        let mut queries: Vec<Query> = lines(&folder.join("queries.jsonl"))?;
        let known: HashSet<_> = corpus.iter().map(|document| document.id.as_str()).collect();
        ensure!(known.len() == corpus.len(), "corpus.jsonl has two documents with the same _id");

        let path = folder.join("qrels/test.tsv");
        let mut judged = judgements(open(&path)?).with_context(|| path.display().to_string())?;
        for query in &mut queries {
            query.relevant = judged.remove(&query.id).unwrap_or_default();
        }
        if let Some((query, _)) = judged.iter().next() {
            bail!("{} judges query {query}, which queries.jsonl does not have", path.display());
        }
        // A query without relevant documents has no score, so the mean is over the others, as usual with BEIR.
        queries.retain(|query| query.relevant.values().any(|grade| *grade > 0));
        ensure!(!queries.is_empty(), "no query of {} has a relevant document", folder.display());
        let relevant = queries.iter().flat_map(|query| &query.relevant).filter(|(_, grade)| **grade > 0);
        for (document, _) in relevant {
            let exists = known.contains(document.as_str());
            ensure!(exists, "{} names document {document}, which does not exist", path.display());
        }
        Ok(Self { corpus, queries })
    }
}

/// Returns the grades by query id and document id, from tab-separated lines below a heading.
fn judgements(file: impl BufRead) -> Result<HashMap<String, HashMap<String, u32>>> {
    let mut judged: HashMap<String, HashMap<String, u32>> = HashMap::new();
    for (number, line) in file.lines().enumerate().skip(1) {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let [query, document, grade] = line.trim_end().split('\t').collect::<Vec<_>>()[..] else {
            bail!("line {} does not have three columns", number + 1);
        };
        let grade: i64 =
            grade.parse().with_context(|| format!("line {}: the score {grade:?}", number + 1))?;
        let grade = u32::try_from(grade.max(0))?;
        judged.entry(query.to_owned()).or_default().insert(document.to_owned(), grade);
    }
    Ok(judged)
}

fn lines<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Vec<T>> {
    let mut all = Vec::new();
    for (number, line) in open(path)?.lines().enumerate() {
        let line = line.with_context(|| path.display().to_string())?;
        if !line.trim().is_empty() {
            let item = serde_json::from_str(&line);
            all.push(item.with_context(|| format!("{}, line {}", path.display(), number + 1))?);
        }
    }
    Ok(all)
}

fn open(path: &Path) -> Result<BufReader<File>> {
    let needed = "a BEIR folder has corpus.jsonl, queries.jsonl and qrels/test.tsv";
    let file = File::open(path).with_context(|| format!("cannot open {}: {needed}", path.display()))?;
    Ok(BufReader::new(file))
}

/// Reads an id, which some data sets write as a number.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(id) => Ok(id),
        Value::Number(id) => Ok(id.to_string()),
        other => Err(serde::de::Error::custom(format!("_id is {other}, neither a string nor a number"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judgements_are_read_below_their_heading() {
        let file = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t2\r\n\nq2\td1\t0\nq2\td3\t-1\n";
        let judged = judgements(file.as_bytes()).unwrap();
        assert_eq!(judged["q1"], HashMap::from([("d1".to_owned(), 1), ("d2".to_owned(), 2)]));
        assert_eq!(judged["q2"], HashMap::from([("d1".to_owned(), 0), ("d3".to_owned(), 0)]));
    }

    #[test]
    fn a_wrong_judgement_names_its_line() {
        for (file, says) in [("h\nq1\td1", "line 2"), ("h\nq1\td1\t1\nq\td\thigh", "line 3")] {
            let error = judgements(file.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn an_id_may_be_a_number_and_a_title_may_be_missing() {
        let document: Document = serde_json::from_str(r#"{"_id": 7, "text": "t", "metadata": {}}"#).unwrap();
        assert_eq!((document.id.as_str(), document.title.as_str()), ("7", ""));
    }
}
