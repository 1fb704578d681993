//! The same limits in this process alone, while Redis is away.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DefaultKeyedStateStore,
};

use super::{Class, Rule, Verdict};

type Limiter = RateLimiter<String, DefaultKeyedStateStore<String>, DefaultClock, StateInformationMiddleware>;

#[derive(Clone, Default)]
pub struct Local(Arc<Mutex<Limiters>>);

type Limiters = HashMap<(Class, Rule), Arc<Limiter>>;

impl Local {
    pub fn check(&self, class: Class, rule: Rule, key: &str) -> Verdict {
        let Some(limiter) = self.limiter(class, rule) else {
            return Verdict {
                allowed: true,
                remaining: rule.count,
                retry: Duration::ZERO,
                reset: Duration::ZERO,
            };
        };
        let reset = |remaining: u32| rule.interval() * rule.count.saturating_sub(remaining);
        match limiter.check_key(&key.to_owned()) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                Verdict { allowed: true, remaining, retry: Duration::ZERO, reset: reset(remaining) }
            }
            Err(early) => {
                let retry = early.wait_time_from(DefaultClock::default().now());
                Verdict { allowed: false, remaining: 0, retry, reset: reset(0) }
            }
        }
    }

    pub fn tidy(&self) {
        for limiter in self.0.lock().unwrap_or_else(PoisonError::into_inner).values() {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    fn limiter(&self, class: Class, rule: Rule) -> Option<Arc<Limiter>> {
        let quota = Quota::with_period(rule.interval())?.allow_burst(NonZeroU32::new(rule.count)?);
        let mut limiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let limiter = limiters.entry((class, rule)).or_insert_with(|| {
            Arc::new(RateLimiter::keyed(quota).with_middleware::<StateInformationMiddleware>())
        });
        Some(limiter.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bucket_then_a_wait() {
        let (local, rule) = (Local::default(), Rule { count: 3, seconds: 3_600 });
        let allowed: Vec<bool> = (0..5).map(|_| local.check(Class::Upload, rule, "a").allowed).collect();
        assert_eq!(allowed, [true, true, true, false, false]);
        assert!(local.check(Class::Upload, rule, "b").allowed);
        let refused = local.check(Class::Upload, rule, "a");
        assert!(
            refused.retry > Duration::from_secs(1_100) && refused.retry <= Duration::from_secs(1_200),
            "{refused:?}"
        );
    }
}
