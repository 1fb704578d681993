use std::collections::VecDeque;

use super::*;

/// Simulates workers that answer one call after the other, `spacing` apart, with `slots` calls in progress at the same
/// time; calls arrive `every` so often. Returns the seconds that the calls admitted in the second half took, sorted, and
/// the share of all calls that was refused.
fn simulate(spacing: f64, slots: usize, every: f64, seconds: f64) -> (Vec<f64>, f64) {
    let start = Instant::now();
    let at = |second: f64| start + Duration::from_secs_f64(second);
    let mut state = State { bound: FIRST, in_progress: 0, window: Window::new(start) };
    // When each call in progress came and when it ends; the end of the call that came `slots` earlier is its start.
    let mut queue: VecDeque<(f64, f64)> = VecDeque::new();
    let mut ends: VecDeque<f64> = VecDeque::from(vec![0.0; slots]);
    let (mut took, mut refused, mut calls) = (Vec::new(), 0.0, 0.0);
    let (mut now, mut free_at) = (0.0_f64, 0.0_f64);
    while now < seconds {
        while queue.front().is_some_and(|(_, end)| *end <= now) {
            let (came, end) = queue.pop_front().unwrap();
            let begun = ends.pop_front().unwrap().max(came);
            ends.push_back(end);
            state.in_progress -= 1;
            state.answered(at(end), at(end) - at(came), at(end) - at(begun));
            if came > seconds / 2.0 {
                took.push(end - came);
            }
        }
        calls += 1.0;
        state.window.reached |= f64::from(state.in_progress) + 2.0 > state.bound;
        if f64::from(state.in_progress) + 1.0 > state.bound {
            refused += 1.0;
        } else {
            state.in_progress += 1;
            free_at = free_at.max(now) + spacing;
            queue.push_back((now, free_at));
        }
        now += every;
    }
    took.sort_by(f64::total_cmp);
    (took, refused / calls)
}

fn p95(sorted: &[f64]) -> f64 {
    sorted[sorted.len() * 95 / 100]
}

#[test]
fn what_the_workers_can_do_is_admitted_and_twice_as_much_is_refused_half() {
    // From a machine that answers 70 calls a second to workers that answer 2,000.
    for (spacing, slots) in [(0.014, 6), (0.0005, 120), (0.1, 6)] {
        let (quiet, refused) = simulate(spacing, slots, spacing / 0.9, 60.0);
        assert!(refused < 0.01, "{spacing}: {refused} refused");
        let (busy, refused) = simulate(spacing, slots, spacing / 2.0, 60.0);
        assert!((0.45..0.60).contains(&refused), "{spacing}: {refused} refused");
        let work = spacing * slots as f64;
        let tolerated = work + work.max(TRANSPORT.as_secs_f64());
        assert!(p95(&busy) < 1.5 * tolerated, "{spacing}: {} s, {} s", p95(&quiet), p95(&busy));
    }
}

#[test]
fn a_burst_on_an_idle_system_is_admitted() {
    let admission = Admission::new(&crate::metrics::Metrics::new().unwrap().limited);
    let burst: Vec<_> = (0..FIRST as u32).map(|_| admission.searches.admit()).collect();
    assert!(burst.iter().all(Result::is_ok));
    assert!(admission.searches.admit().is_err() && admission.chats.admit().is_ok());
    drop(burst);
    assert!(admission.searches.admit().is_ok());
}

#[test]
fn after_an_overload_bursts_are_admitted_again() {
    let start = Instant::now();
    let mut state = State { bound: FIRST, in_progress: 0, window: Window::new(start) };
    let mut answers = |from: u64, wait: u64| {
        for answer in 0..20 {
            let took = Duration::from_millis(20 + wait);
            state.answered(
                start + Duration::from_millis(from + answer * 25),
                took,
                Duration::from_millis(20),
            );
        }
        state.bound
    };
    assert!(answers(0, 400) < 10.0);
    assert!(answers(2_000, 1) >= FIRST);
}
