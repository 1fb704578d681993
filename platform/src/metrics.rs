//! Prometheus metrics: one registry per process, rendered as text.

use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
    process_collector::ProcessCollector,
};

/// Histogram buckets from half a millisecond to one minute, for both cached searches and long chats.
const SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Returns a registry with the metrics of the process itself: memory, CPU time, threads, open files.
pub fn registry() -> prometheus::Result<Registry> {
    let registry = Registry::new();
    registry.register(Box::new(ProcessCollector::for_self()))?;
    Ok(registry)
}

fn registered<M: Collector + Clone + 'static>(registry: &Registry, metric: M) -> prometheus::Result<M> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

type Labels<'a> = &'a [&'a str];

pub fn counter(registry: &Registry, name: &str, help: &str, by: Labels) -> prometheus::Result<IntCounterVec> {
    registered(registry, IntCounterVec::new(Opts::new(name, help), by)?)
}

pub fn gauge(registry: &Registry, name: &str, help: &str, by: Labels) -> prometheus::Result<IntGaugeVec> {
    registered(registry, IntGaugeVec::new(Opts::new(name, help), by)?)
}

pub fn seconds(registry: &Registry, name: &str, help: &str, by: Labels) -> prometheus::Result<HistogramVec> {
    registered(registry, HistogramVec::new(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()), by)?)
}

/// Creates these counters with the value zero: Prometheus cannot see an increase of a counter that first appears with
/// the value one.
pub fn from_zero(counter: &IntCounterVec, labels: &[&[&str]]) {
    for labels in labels {
        counter.with_label_values(labels);
    }
}

pub fn render(registry: &Registry) -> prometheus::Result<String> {
    TextEncoder::new().encode_to_string(&registry.gather())
}
