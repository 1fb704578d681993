//! A resource that requests or jobs hold for some time, with a maximum in total and a maximum for each holder.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use schemas::{Problem, ProblemKind, messages};

use crate::lock::lock;

#[derive(Clone)]
pub struct Shares(Arc<Pool>);

struct Pool {
    most: usize,
    /// Maximum that one holder may have.
    part: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by: HashMap<String, usize>,
}

/// A part of the resource that a request or a job holds. It is released when this is dropped.
pub struct Share {
    shares: Shares,
    holder: String,
    weight: usize,
}

impl Shares {
    pub fn new(most: usize, part: usize) -> Self {
        Self(Arc::new(Pool { most, part, taken: Mutex::default() }))
    }

    /// One holder may have at most half of the resource, so that it alone cannot exclude the others.
    pub fn halved(most: usize) -> Self {
        Self::new(most, most.div_ceil(2))
    }

    /// A weight above a holder's part counts as the whole part, so a holder that has nothing else gets it.
    pub fn take(&self, holder: &str, weight: usize) -> Result<Share, Problem> {
        let weight = weight.min(self.0.part.max(1));
        let mut taken = lock(&self.0.taken);
        if taken.all + weight > self.0.most {
            return Err(Problem::overloaded());
        }
        let own = taken.by.get(holder).copied().unwrap_or_default();
        if own + weight > self.0.part {
            return Err(messages::http::too_many_at_once().problem(ProblemKind::RateLimited).retry_after(1));
        }
        taken.all += weight;
        taken.by.insert(holder.to_owned(), own + weight);
        Ok(Share { shares: self.clone(), holder: holder.to_owned(), weight })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = lock(&self.shares.0.taken);
        taken.all -= self.weight;
        if let Some(own) = taken.by.get_mut(&self.holder) {
            *own -= self.weight;
            if *own == 0 {
                taken.by.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_has_its_part_and_all_together_have_no_more_than_there_is() {
        let shares = Shares::halved(4);
        let kind = |holder: &str, weight| shares.take(holder, weight).map_err(|problem| problem.kind);
        let first = kind("a", 1).unwrap();
        let second = kind("a", 1).unwrap();
        assert_eq!(kind("a", 1).err(), Some(ProblemKind::RateLimited));
        let third = kind("b", 1).unwrap();
        assert_eq!(kind("c", 2).err(), Some(ProblemKind::Overloaded));
        drop(first);
        assert!(kind("a", 1).is_ok() && kind("c", 2).is_ok());
        drop((second, third));
        let whole = kind("d", 3).unwrap();
        assert_eq!(kind("d", 1).err(), Some(ProblemKind::RateLimited));
        drop(whole);
        let left = lock(&shares.0.taken);
        assert!(left.all == 0 && left.by.is_empty(), "nothing is remembered of who left");
    }
}
