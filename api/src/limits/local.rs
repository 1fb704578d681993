//! Rate limits that this process counts alone, while Redis is unavailable.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{Class, Rule, Verdict};
use platform::lock::lock;

type Key = (Class, Rule, String);

/// For each key, the time at which its bucket will be full again, as in the script of [`super::shared`].
#[derive(Clone, Default)]
pub struct Local(Arc<Mutex<HashMap<Key, Instant>>>);

impl Local {
    pub fn check(&self, class: Class, rule: Rule, key: &str, now: Instant) -> Verdict {
        let mut buckets = lock(&self.0);
        let full = buckets.entry((class, rule, key.to_owned())).or_insert(now);
        let (interval, capacity) = (rule.interval(), rule.interval() * rule.count);
        let reset = full.saturating_duration_since(now);
        if reset + interval > capacity {
            let retry = (reset + interval).saturating_sub(capacity);
            return Verdict { allowed: false, remaining: 0, retry, reset };
        }
        let reset = reset + interval;
        *full = now + reset;
        let remaining = capacity.saturating_sub(reset).as_nanos() / interval.as_nanos().max(1);
        let remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
        Verdict { allowed: true, remaining, retry: Duration::ZERO, reset }
    }

    /// Forgets callers whose whole quota is available again.
    pub fn tidy(&self) {
        let now = Instant::now();
        lock(&self.0).retain(|_, full| *full > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bucket_then_a_wait() {
        let (local, rule, start) = (Local::default(), Rule { count: 3, seconds: 3_600 }, Instant::now());
        let check = |key, second| local.check(Class::Upload, rule, key, start + Duration::from_secs(second));
        let found: Vec<_> =
            (0..4).map(|_| check("a", 0)).map(|found| (found.allowed, found.remaining)).collect();
        assert_eq!(found, [(true, 2), (true, 1), (true, 0), (false, 0)]);
        let refused = check("a", 100);
        assert_eq!((refused.retry.as_secs(), refused.reset.as_secs()), (1_100, 3_500));
        assert!(check("b", 100).allowed);
        assert!(!check("a", 1_199).allowed && check("a", 1_200).allowed && !check("a", 1_200).allowed);
    }
}
