//! Locks that a panic does not break.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also if a thread panicked while it held the lock: one failed request must not make all others fail.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
