use std::collections::VecDeque;

use super::*;

/// Simulates workers that answer one call after the other, `spacing` apart, with `slots` calls in progress at the same
/// time; calls arrive `every` so often, at the processes in turn, which begin with these bounds. Returns the seconds that
/// the calls admitted in the second half took, sorted, and the share of the calls of each process that was refused then.
fn simulate(bounds: &[f64], spacing: f64, slots: usize, every: f64, seconds: f64) -> (Vec<f64>, Vec<f64>) {
    let start = Instant::now();
    let at = |second: f64| start + Duration::from_secs_f64(second);
    let mut processes: Vec<State> = bounds
        .iter()
        .map(|bound| State { bound: *bound, has_queued: bounds.len() > 1, ..State::new(start) })
        .collect();
    // When each call in progress came, when it ends, and at which process; the end of the call that came `slots` earlier
    // is its start.
    let mut queue: VecDeque<(f64, f64, usize)> = VecDeque::new();
    let mut ends: VecDeque<f64> = VecDeque::from(vec![0.0; slots]);
    let (mut took, mut refused) = (Vec::new(), vec![0.0; bounds.len()]);
    let (mut now, mut free_at) = (0.0_f64, 0.0_f64);
    for turn in (0..bounds.len()).cycle() {
        while queue.front().is_some_and(|(_, end, _)| *end <= now) {
            let (came, end, process) = queue.pop_front().unwrap();
            let begun = ends.pop_front().unwrap().max(came);
            ends.push_back(end);
            processes[process].in_progress -= 1;
            processes[process].answered(at(end), at(end) - at(came), at(end) - at(begun));
            if came > seconds / 2.0 {
                took.push(end - came);
            }
        }
        let state = &mut processes[turn];
        state.window.reached |= f64::from(state.in_progress) + 2.0 > state.bound;
        if f64::from(state.in_progress) + 1.0 > state.bound {
            refused[turn] += if now > seconds / 2.0 { 1.0 } else { 0.0 };
        } else {
            state.in_progress += 1;
            free_at = free_at.max(now) + spacing;
            queue.push_back((now, free_at, turn));
        }
        now += every;
        if now > seconds {
            break;
        }
    }
    took.sort_by(f64::total_cmp);
    let calls = seconds / 2.0 / every / bounds.len() as f64;
    (took, refused.iter().map(|refused| refused / calls).collect())
}

fn p95(sorted: &[f64]) -> f64 {
    sorted[sorted.len() * 95 / 100]
}

#[test]
fn what_the_workers_can_do_is_admitted_and_twice_as_much_is_refused_half() {
    // From a machine that answers 70 calls a second to workers that answer 2,000.
    for (spacing, slots) in [(0.014, 6), (0.0005, 120), (0.1, 6)] {
        let (quiet, refused) = simulate(&[FIRST], spacing, slots, spacing / 0.9, 60.0);
        assert!(refused[0] < 0.01, "{spacing}: {refused:?} refused");
        let (busy, refused) = simulate(&[FIRST], spacing, slots, spacing / 2.0, 60.0);
        assert!((0.45..0.60).contains(&refused[0]), "{spacing}: {refused:?} refused");
        let work = spacing * slots as f64;
        let tolerated = work + work.max(TRANSPORT.as_secs_f64());
        assert!(p95(&busy) < 1.5 * tolerated, "{spacing}: {} s, {} s", p95(&quiet), p95(&busy));
    }
}

#[test]
fn processes_that_share_the_workers_come_to_refuse_about_the_same_share() {
    let (_, refused) = simulate(&[30.0, LEAST], 0.014, 6, 0.007, 120.0);
    assert!(refused.iter().all(|refused| (0.3..0.7).contains(refused)), "{refused:?}");
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
    let mut state = State::new(start);
    let mut answers = |from: u64, count: u64, wait: u64| {
        for answer in 0..count {
            let took = Duration::from_millis(20 + wait);
            let now = start + Duration::from_millis(from + answer * 25);
            state.answered(now, took, Duration::from_millis(20));
        }
        state.bound
    };
    assert!(answers(0, 200, 400) < 10.0);
    assert!(answers(10_000, 20, 1) >= FIRST);
}

#[test]
fn after_a_time_without_calls_the_bound_starts_again() {
    let admission = Admission::new(&crate::metrics::Metrics::new().unwrap().limited);
    let set = |since: Instant| {
        *lock(&admission.chats.state) = State { bound: LEAST, has_queued: true, ..State::new(since) };
    };
    let admitted = || (0..10).map_while(|_| admission.chats.admit().ok()).collect::<Vec<_>>().len();
    set(Instant::now());
    assert_eq!(admitted() as f64, LEAST);
    set(Instant::now().checked_sub(IDLE * 2).unwrap());
    assert_eq!(admitted(), 10);
}
