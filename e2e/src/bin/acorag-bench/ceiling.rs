//! The speed of the model alone on this machine at this time. Nothing that uses the model can be faster.

use std::{cell::RefCell, time::Instant};

use anyhow::Result;
use devstack::Paths;
use e2e::{Random, median, prose, timed};
use embedding::{Config, Embed as _, Model};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::figures::{mean, range};

pub struct Ceiling {
    pub model: Model,
    /// The rates measured so far, in texts per second.
    passages: Vec<f64>,
    queries: Vec<f64>,
}

/// The same values as in the workers: passages per call, and calls at the same time.
const SLICE: usize = 16;
const CALLS: usize = 3;
const QUERIES_AT_ONCE: usize = 8;

impl Ceiling {
    pub async fn new(paths: &Paths) -> Result<Self> {
        let config = Config {
            model_dir: paths.model.clone(),
            ort_dylib_path: paths.onnxruntime.clone(),
            // As in the workers: one thread per core.
            embed_threads: None,
            embed_queue: 256.try_into()?,
            in_background: false,
        };
        let model = Model::load(&config).await?;
        model.warm_up().await?;
        Ok(Self { model, passages: Vec::new(), queries: Vec::new() })
    }

    /// Texts with one passage each, of typical length.
    pub fn texts(&self, random: &mut Random, count: usize) -> Vec<String> {
        const TOKENS: usize = 190;
        let one = |random: &mut Random| {
            let mut text = prose::sentence(random);
            loop {
                let longer = format!("{text} {}", prose::sentence(random));
                if self.model.count_tokens(&longer) > TOKENS {
                    return text;
                }
                text = longer;
            }
        };
        (0..count).map(|_| one(random)).collect()
    }

    pub async fn measure_passages(&mut self, texts: &[String]) -> Result<()> {
        let started = Instant::now();
        let slices = texts
            .chunks(SLICE)
            .map(|slice| self.model.passages(slice.iter().cloned().map(Into::into).collect()));
        stream::iter(slices).buffer_unordered(CALLS).try_for_each(|_| async { Ok(()) }).await?;
        self.passages.push(texts.len() as f64 / started.elapsed().as_secs_f64());
        Ok(())
    }

    pub async fn measure_queries(&mut self, queries: &[String]) -> Result<()> {
        let started = Instant::now();
        let calls = queries.iter().map(|query| self.model.query(query));
        stream::iter(calls).buffer_unordered(QUERIES_AT_ONCE).try_for_each(|_| async { Ok(()) }).await?;
        self.queries.push(queries.len() as f64 / started.elapsed().as_secs_f64());
        Ok(())
    }

    /// The milliseconds that the model needs for one query when it has no other work.
    pub async fn lone_query(&self, queries: &[String]) -> Result<f64> {
        let mut times = Vec::with_capacity(queries.len());
        for query in queries {
            times.push(timed(self.model.query(query)).await?.1);
        }
        Ok(median(times))
    }

    /// Passages per second: the mean of all measurements so far, which were made before and after the compared ones.
    pub fn passages(&self) -> f64 {
        mean(&self.passages)
    }

    pub fn queries(&self) -> f64 {
        mean(&self.queries)
    }

    /// The relative difference between repeated measurements; ratios have this uncertainty.
    pub fn spread(&self) -> f64 {
        let spread = |rates: &[f64]| {
            let (low, high) = range(rates.iter().copied());
            (high - low) / mean(rates)
        };
        spread(&self.passages).max(spread(&self.queries))
    }
}

/// Questions that were not asked before, so that no cache contains their answers.
pub struct Questions(RefCell<(Random, usize)>);

impl Questions {
    pub fn new(random: Random) -> Self {
        Self(RefCell::new((random, 0)))
    }

    pub fn some(&self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.one()).collect()
    }

    pub fn one(&self) -> String {
        let (random, asked) = &mut *self.0.borrow_mut();
        *asked += 1;
        format!("{} {asked}", prose::question(random))
    }
}
