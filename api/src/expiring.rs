//! A set of keys, each with its own expiry time. The number of keys is limited.

use std::{collections::HashMap, sync::Mutex, time::Instant};

use platform::lock::lock;

pub struct Expiring {
    most: usize,
    until: Mutex<HashMap<String, Instant>>,
}

impl Expiring {
    /// Keeps at most `most` keys. While none of them has expired, further keys are not stored.
    pub fn new(most: usize) -> Self {
        Self { most, until: Mutex::default() }
    }

    pub fn insert(&self, key: &str, now: Instant, until: Instant) {
        let mut known = lock(&self.until);
        if known.len() >= self.most {
            known.retain(|_, until| *until > now);
        }
        if known.len() < self.most || known.contains_key(key) {
            known.insert(key.to_owned(), until);
        }
    }

    /// Returns the expiry time of this key; `None` when the key is unknown or has expired.
    pub fn get(&self, key: &str, now: Instant) -> Option<Instant> {
        lock(&self.until).get(key).copied().filter(|until| *until > now)
    }

    pub fn count(&self, now: Instant) -> usize {
        let mut known = lock(&self.until);
        known.retain(|_, until| *until > now);
        known.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_key_counts_until_its_moment_and_the_bound_holds() {
        let (known, start) = (Expiring::new(2), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        known.insert("a", at(0), at(300));
        known.insert("a", at(10), at(310));
        known.insert("b", at(200), at(500));
        known.insert("c", at(201), at(501));
        assert_eq!((known.get("c", at(201)), known.count(at(201))), (None, 2));
        assert_eq!((known.get("a", at(309)), known.get("a", at(310))), (Some(at(310)), None));
        known.insert("d", at(310), at(400));
        assert_eq!([known.count(at(399)), known.count(at(400)), known.count(at(500))], [2, 1, 0]);
    }
}
