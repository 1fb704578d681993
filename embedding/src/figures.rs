//! What the model does, for Prometheus: read from its counters at every scrape.

use prometheus::{
    CounterVec, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use crate::{Lane, Model};

/// Register it beside a service's own metrics.
pub struct Figures {
    model: Model,
    threads: IntGauge,
    waiting: IntGaugeVec,
    texts: IntCounterVec,
    seconds: CounterVec,
}

impl Figures {
    pub fn new(model: Model) -> prometheus::Result<Self> {
        Ok(Self {
            model,
            threads: IntGauge::new("acorag_embedding_threads", "Threads that embed")?,
            waiting: IntGaugeVec::new(
                Opts::new("acorag_embedding_waiting", "Texts that wait for the model"),
                &["lane"],
            )?,
            texts: IntCounterVec::new(
                Opts::new("acorag_embedding_texts_total", "Texts by what became of them"),
                &["lane", "outcome"],
            )?,
            seconds: CounterVec::new(
                Opts::new(
                    "acorag_embedding_seconds_total",
                    "Time that texts waited for a thread, and that threads worked on them",
                ),
                &["lane", "stage"],
            )?,
        })
    }

    fn update(&self, name: &str, lane: &Lane) {
        self.waiting.with_label_values(&[name]).set(i64::try_from(lane.waiting).unwrap_or(i64::MAX));
        for (outcome, count) in [
            ("embedded", lane.embedded),
            ("failed", lane.failed),
            ("refused", lane.refused),
            ("abandoned", lane.abandoned),
        ] {
            let counter = self.texts.with_label_values(&[name, outcome]);
            counter.inc_by(count.saturating_sub(counter.get()));
        }
        for (stage, time) in [("waited", lane.waited), ("worked", lane.worked)] {
            let counter = self.seconds.with_label_values(&[name, stage]);
            counter.inc_by((time.as_secs_f64() - counter.get()).max(0.0));
        }
    }
}

impl Collector for Figures {
    fn desc(&self) -> Vec<&Desc> {
        [self.threads.desc(), self.waiting.desc(), self.texts.desc(), self.seconds.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let stats = self.model.stats();
        self.threads.set(i64::try_from(stats.threads).unwrap_or(i64::MAX));
        self.update("query", &stats.queries);
        self.update("passage", &stats.passages);
        [self.threads.collect(), self.waiting.collect(), self.texts.collect(), self.seconds.collect()]
            .concat()
    }
}
