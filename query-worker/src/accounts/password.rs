//! Passwords: argon2id, on threads that may block, a few at a time.

use std::sync::{Arc, LazyLock};

use argon2::{
    Argon2,
    password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString, rand_core::OsRng},
};
use schemas::Problem;
use tokio::sync::Semaphore;

/// Each hash takes 19 MiB and a core for a moment: logins must not starve searches. Nobody waits for a turn here, for the
/// slot in which he waited would be one that checks keys; the api asks again.
const AT_ONCE: usize = 2;

/// What is compared when there is no account: as costly as any, and nobody's.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash("nobody's").unwrap_or_default());

#[derive(Clone)]
pub struct Passwords(Arc<Semaphore>);

impl Passwords {
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }

    pub async fn hash(&self, password: String) -> Result<String, Problem> {
        self.blocking(move || hash(&password)).await?.ok_or_else(Problem::internal)
    }

    /// Whether the password is this hash's; for no hash the answer is no, and takes as long.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, Problem> {
        self.blocking(move || {
            let right = verify(&password, hash.as_deref().unwrap_or(&NOBODY));
            hash.is_some() && right
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let Ok(turn) = self.0.clone().try_acquire_owned() else { return Err(Problem::overloaded()) };
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "hashing a password");
            Problem::internal()
        })
    }
}

/// The hash of a password, in PHC form with a salt of its own.
pub fn hash(password: &str) -> Option<String> {
    let salt = SaltString::generate(&mut OsRng);
    let hashed = Argon2::default().hash_password(password.as_bytes(), &salt);
    hashed.map_err(|error| tracing::error!(%error, "hashing a password")).ok().map(|hash| hash.to_string())
}

fn verify(password: &str, hash: &str) -> bool {
    match PasswordHash::new(hash) {
        Ok(parsed) => Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok(),
        Err(error) => {
            tracing::error!(%error, "a stored password hash cannot be read");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use schemas::ProblemKind;

    use super::*;

    #[tokio::test]
    async fn nobody_waits_for_a_turn() {
        let passwords = Passwords::new();
        let turns = passwords.0.clone().try_acquire_many_owned(AT_ONCE as u32).unwrap();
        let refusal = passwords.hash("x".into()).await.unwrap_err();
        assert_eq!(refusal.kind, ProblemKind::Overloaded);
        drop(turns);
        assert!(passwords.hash("x".into()).await.is_ok());
    }

    #[tokio::test]
    async fn the_right_password_and_no_other() {
        let passwords = Passwords::new();
        let hash = passwords.hash("hormigón H-35".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert!(passwords.verify("hormigón H-35".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("hormigon H-35".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("nobody's".into(), None).await.unwrap());
        assert!(!passwords.verify("x".into(), Some("broken".into())).await.unwrap());
    }
}
