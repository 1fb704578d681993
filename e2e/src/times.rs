//! How long something takes.

use std::time::Instant;

/// Returns the result of `work`, and the milliseconds that it took.
pub async fn timed<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<(T, f64), E> {
    let started = Instant::now();
    let result = work.await?;
    Ok((result, started.elapsed().as_secs_f64() * 1_000.0))
}

/// Returns percentiles by the nearest-rank method: each is one of the values, or NaN if there are none. Each share is between
/// 0 and 1.
pub fn percentiles<const N: usize>(mut values: Vec<f64>, shares: [f64; N]) -> [f64; N] {
    values.sort_by(f64::total_cmp);
    shares.map(|share| {
        let rank = (share * values.len() as f64).ceil() as usize;
        values.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
    })
}

pub fn median(values: Vec<f64>) -> f64 {
    let [median] = percentiles(values, [0.5]);
    median
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        assert_eq!(percentiles(vec![3.0, 1.0, 4.0, 2.0], [0.5, 0.95, 0.0]), [2.0, 4.0, 1.0]);
        let hundred = (1..=100).map(f64::from).collect();
        assert_eq!(percentiles(hundred, [0.5, 0.95, 0.99, 1.0]), [50.0, 95.0, 99.0, 100.0]);
        assert_eq!(percentiles(vec![7.0], [0.5]), [7.0]);
        assert!(percentiles(vec![], [0.5])[0].is_nan());
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}
