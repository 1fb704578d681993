//! The Prometheus metrics of the model. A service registers the model as a collector.

use std::time::Duration;

use prometheus::{
    CounterVec, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use crate::Model;
use crate::queue::Lane;

pub(crate) struct Metrics {
    pub threads: IntGauge,
    waiting: IntGaugeVec,
    texts: IntCounterVec,
    seconds: CounterVec,
}

impl Metrics {
    pub fn new() -> prometheus::Result<Self> {
        let waiting = Opts::new("acorag_embedding_waiting", "Texts that wait for the model");
        let texts = Opts::new("acorag_embedding_texts_total", "Texts by what became of them");
        let what = "Time that texts waited for a thread, and that threads worked on them";
        let seconds = Opts::new("acorag_embedding_seconds_total", what);
        let metrics = Self {
            threads: IntGauge::new("acorag_embedding_threads", "Threads that embed")?,
            waiting: IntGaugeVec::new(waiting, &["lane"])?,
            texts: IntCounterVec::new(texts, &["lane", "outcome"])?,
            seconds: CounterVec::new(seconds, &["lane", "stage"])?,
        };
        // Prometheus cannot see an increase of a counter that first appears with the value one. `Later` has the label of
        // `Soon`.
        for lane in [Lane::Queries, Lane::Soon] {
            for outcome in ["embedded", "failed", "refused", "abandoned"] {
                metrics.texts(lane, outcome, 0);
            }
            for stage in ["waited", "worked"] {
                metrics.time(lane, stage, Duration::ZERO);
            }
        }
        Ok(metrics)
    }

    pub fn texts(&self, lane: Lane, outcome: &str, count: usize) {
        self.texts.with_label_values(&[lane.name(), outcome]).inc_by(count as u64);
    }

    pub fn time(&self, lane: Lane, stage: &str, time: Duration) {
        self.seconds.with_label_values(&[lane.name(), stage]).inc_by(time.as_secs_f64());
    }
}

impl Collector for Model {
    fn desc(&self) -> Vec<&Desc> {
        let Metrics { threads, waiting, texts, seconds } = &self.shared().metrics;
        [threads.desc(), waiting.desc(), texts.desc(), seconds.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Metrics { threads, waiting, texts, seconds } = &self.shared().metrics;
        let [queries, soon, later] = self.shared().queue.waiting();
        for (lane, count) in [(Lane::Queries, queries), (Lane::Soon, soon + later)] {
            waiting.with_label_values(&[lane.name()]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        [threads.collect(), waiting.collect(), texts.collect(), seconds.collect()].concat()
    }
}
