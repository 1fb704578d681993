//! Hashes passwords with argon2id, on threads that may block.

use std::sync::{Arc, LazyLock};

use argon2::{
    Argon2,
    password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString, rand_core::OsRng},
};
use schemas::Problem;
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::error::Result;

/// Maximum number of hashes that are computed at the same time. Each needs 19 MiB and one core, so more would slow down
/// searches. A further login is refused as overload and does not wait: the api sends it again, perhaps to a worker that has
/// room.
const MAX_HASHES: usize = 2;

/// The hash to compare with if the account does not exist, so that the response takes as long as for an existing one.
static DUMMY_HASH: LazyLock<String> = LazyLock::new(|| hash("no account").unwrap_or_default());

#[derive(Clone)]
pub struct Passwords(Arc<Semaphore>);

impl Passwords {
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_HASHES)))
    }

    pub async fn hash(&self, password: String) -> Result<String> {
        Ok(self.blocking(move || hash(&password)).await?.ok_or_else(Problem::internal)?)
    }

    /// Whether the password matches the hash. Without a hash the result is false, after the same time.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        self.blocking(move || {
            let matches = verify(&password, hash.as_deref().unwrap_or(&DUMMY_HASH));
            hash.is_some() && matches
        })
        .await
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let permit = self.0.clone().try_acquire_owned().map_err(|_| Problem::overloaded())?;
        // The thread keeps the permit, because it continues even if the login is cancelled.
        let work = spawn_blocking(move || (work(), permit));
        Ok(work.await.map(|(done, _)| done).map_err(|error| {
            tracing::error!(%error, "hashing a password");
            Problem::internal()
        })?)
    }
}

/// Returns the hash of a password in PHC format, with a new salt.
pub fn hash(password: &str) -> Option<String> {
    let salt = SaltString::generate(&mut OsRng);
    let hashed = Argon2::default().hash_password(password.as_bytes(), &salt);
    hashed.map_err(|error| tracing::error!(%error, "hashing a password")).ok().map(|hash| hash.to_string())
}

fn verify(password: &str, hash: &str) -> bool {
    let verified = PasswordHash::new(hash)
        .map_err(|error| tracing::error!(%error, "a stored password hash cannot be read"))
        .map(|hash| Argon2::default().verify_password(password.as_bytes(), &hash));
    matches!(verified, Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use schemas::ProblemKind;

    use super::*;

    #[tokio::test]
    async fn a_login_above_the_limit_is_refused_at_once() {
        let passwords = Passwords::new();
        let permits = passwords.0.clone().try_acquire_many_owned(MAX_HASHES as u32).unwrap();
        let new = passwords.hash("x".into()).await.map(drop);
        let unknown = passwords.verify("x".into(), None).await.map(drop);
        for refused in [new, unknown] {
            assert_eq!(Problem::from(refused.unwrap_err()).kind, ProblemKind::Overloaded);
        }
        drop(permits);
        assert!(passwords.hash("x".into()).await.is_ok());
    }

    #[tokio::test]
    async fn only_the_right_password_matches() {
        let passwords = Passwords::new();
        let hash = passwords.hash("hormigón H-35".into()).await.unwrap();
        let cost = |hash: &str| hash.rsplitn(3, '$').nth(2).map(str::to_owned);
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert_eq!(cost(&DUMMY_HASH), cost(&hash), "hashing for a missing account takes as long");
        assert!(passwords.verify("hormigón H-35".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("hormigon H-35".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("no account".into(), None).await.unwrap());
        assert!(!passwords.verify("x".into(), Some("broken".into())).await.unwrap());
    }
}
