//! Addresses that sent too many tokens of nobody's: for a while none of theirs is looked up, unless it was good before.
//! Nobody guesses a token of 256 bits, but each attempt would cost a worker a query.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use schemas::{Problem, ProblemKind};

use crate::limits::{Class, Limits};

#[derive(Clone)]
pub struct Strangers {
    limits: Limits,
    /// Until when.
    refused: Arc<Mutex<HashMap<String, Instant>>>,
}

/// Addresses remembered at most.
const MOST: usize = 10_000;

impl Strangers {
    pub fn new(limits: Limits) -> Self {
        Self { limits, refused: Arc::default() }
    }

    /// Whether a token from there may be looked up.
    pub fn check(&self, address: &str) -> Result<(), Problem> {
        let until = self.refused.lock().unwrap_or_else(PoisonError::into_inner).get(address).copied();
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(left) => Err(refusal(u32::try_from(left.as_secs()).unwrap_or(u32::MAX).saturating_add(1))),
        }
    }

    /// Counts a token that was nobody's.
    pub async fn charge(&self, address: &str) {
        let Err(refusal) = self.limits.charge(Class::Token, address).await else { return };
        let now = Instant::now();
        let until = now + Duration::from_secs(refusal.retry_after.unwrap_or(1).into());
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= MOST {
            refused.retain(|_, until| *until > now);
        }
        if refused.len() < MOST {
            refused.insert(address.to_owned(), until);
        }
    }
}

fn refusal(seconds: u32) -> Problem {
    Problem::new(
        ProblemKind::RateLimited,
        format!("Demasiadas solicitudes con claves desconocidas desde esta dirección. Inténtelo de nuevo en {seconds} s."),
        format!("Too many requests with unknown keys from this address. Try again in {seconds} s."),
    )
    .retry_after(seconds)
}
