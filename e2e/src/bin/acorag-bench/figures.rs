//! The figures of a run, as a table and as JSON.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::plot::Plot;

/// A measured value, with the value of the same run that it is compared with.
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    against: Option<(String, f64)>,
}

#[derive(Default)]
pub struct Figures {
    figures: Vec<Figure>,
    /// The parts of the run that failed, with the reason.
    failures: Vec<(String, String)>,
}

impl Figures {
    /// Adds a value that needs no comparison.
    pub fn plain(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.push(Figure { name: name.into(), value, unit, against: None });
    }

    /// Adds a value that is compared with another one of the same unit.
    pub fn ratio(
        &mut self,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        what: impl Into<String>,
        baseline: f64,
    ) {
        self.push(Figure { name: name.into(), value, unit, against: Some((what.into(), baseline)) });
    }

    /// Notes that a part of the run failed. The figures of the other parts stay.
    pub fn failed(&mut self, part: &str, error: &anyhow::Error) {
        eprintln!("{part} failed: {error:#}");
        self.failures.push((part.to_owned(), format!("{error:#}")));
    }

    pub fn failures(&self) -> usize {
        self.failures.len()
    }

    fn push(&mut self, figure: Figure) {
        eprintln!("{}", row(&figure));
        self.figures.push(figure);
    }

    pub fn table(&self) -> String {
        let head = format!("{:<48} {:>10} {:<6} {:>8}  {}", "figure", "measured", "", "ratio", "against");
        let rows = self.figures.iter().map(row);
        let failures = self.failures.iter().map(|(part, error)| format!("failed: {part}: {error}"));
        [head].into_iter().chain(rows).chain(failures).collect::<Vec<_>>().join("\n")
    }

    pub fn json(&self) -> Value {
        let figures = self.figures.iter().map(|Figure { name, value, unit, against }| {
            let against = against.as_ref().map(|(what, baseline)| {
                json!({"what": what, "value": tidy(*baseline), "ratio": tidy(value / baseline)})
            });
            json!({"name": name, "value": tidy(*value), "unit": unit, "against": against})
        });
        figures.collect()
    }
}

/// The folder for the results. They are written after each part, so that a run that is cut short leaves what it has.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn write(&self, name: &str, content: &str) -> Result<()> {
        fs::create_dir_all(&self.0).with_context(|| format!("creating {}", self.0.display()))?;
        let path = self.0.join(name);
        fs::write(&path, content).with_context(|| format!("writing {}", path.display()))
    }

    pub fn draw(&self, name: &str, plot: &Plot) -> Result<()> {
        plot.svg()?.map_or(Ok(()), |svg| self.write(name, &svg))
    }
}

fn row(Figure { name, value, unit, against }: &Figure) -> String {
    let (ratio, against) = match against {
        Some((what, baseline)) => {
            (format!("{:.2}", value / baseline), format!("{what}: {} {unit}", short(*baseline)))
        }
        None => (String::new(), String::new()),
    };
    format!("{name:<48} {:>10} {unit:<6} {ratio:>8}  {against}", short(*value)).trim_end().to_owned()
}

fn short(value: f64) -> String {
    let digits = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

/// Rounds to four decimals; the measurements are less exact than that.
fn tidy(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Returns the lowest and the highest value.
pub fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_the_figure_against_its_baseline() {
        let mut figures = Figures::default();
        figures.ratio("search", 30.0, "1/s", "ceiling", 40.0);
        figures.plain("memory", 21.25, "MB");
        figures.failed("chat", &anyhow::anyhow!("no answer"));
        let json = figures.json();
        assert_eq!(json[0]["against"], json!({"what": "ceiling", "value": 40.0, "ratio": 0.75}));
        assert_eq!(json[1]["against"], Value::Null);
        let table = figures.table();
        assert!(table.contains("0.75  ceiling: 40.0 1/s") && table.contains("chat: no answer"), "{table}");
    }
}
