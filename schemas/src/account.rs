//! Authentication and authorization: callers, their tokens and user accounts.
//!
//! A token has at least 128 random bits, so its SHA-256 is enough to look it up: only the hash is sent to the workers
//! and stored. Passwords are weak secrets: they are sent to the worker once, in no stream ([`crate::Request::LANE`]),
//! and stored as argon2 hashes.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::messages::refusal;
use crate::{
    Problem, Scope,
    lenient::{self, Form},
    messages::fields,
    text,
};

names! {
    /// What a caller may do. Each role includes the roles before it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum Role {
        /// May search, chat, and read documents, files and history.
        Read = "read",
        /// May also upload and delete in its own projects.
        Write = "write",
        /// May also see data of all callers.
        Admin = "admin",
    }
}

/// What the id of a caller with a JWT begins with; its subject follows.
pub const BY_JWT: &str = "jwt:";

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Caller {
    /// Identifies the caller in limits, caches and logs: `key:<id>`, `user:<id>`, `jwt:<issuer's subject>`, `ip:<…>`.
    pub id: String,
    /// The caller's user account, if there is one.
    pub user_id: Option<String>,
    /// The name of the key or user, to show to people.
    pub name: String,
    pub role: Role,
    pub scope: Scope,
    /// Rate limits of this key, which replace the configured ones.
    #[serde(default, skip_serializing_if = "CallerLimits::is_empty")]
    pub limits: CallerLimits,
}

impl Caller {
    /// Returns the id under which the history of a user is stored: the bearer of a JWT may name itself by its subject,
    /// which is stored with a prefix.
    pub fn stored_user(&self, named: String) -> String {
        let is_bearer = self.id.strip_prefix(BY_JWT) == Some(&*named);
        if is_bearer { self.id.clone() } else { named }
    }
}

/// Rate limits in the form `100/minute`, or `off`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CallerLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
}

impl CallerLimits {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Asks whose token this is: an API key's or a login session's. An unknown, expired or revoked one is `Unauthorized`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerifyToken {
    /// SHA-256 of the token, in hexadecimal.
    pub token_sha256: String,
}

const MAX_EMAIL_CHARS: usize = 254;
const EMAIL: &str = r"^[^\s@\x00-\x1f\x7f-\x9f]+@[^\s@\x00-\x1f\x7f-\x9f]+$";

/// `POST /auth/register`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Register {
    /// The user logs in with this address; upper and lower case are the same.
    #[schemars(length(min = 3, max = MAX_EMAIL_CHARS), regex(pattern = EMAIL))]
    pub email: String,
    #[schemars(length(min = 8, max = 128))]
    pub password: String,
    #[serde(default, deserialize_with = "lenient::text")]
    #[schemars(length(max = 200))]
    pub full_name: String,
}

impl Form for Register {}

impl Register {
    /// Validates the fields and normalizes them: no spaces around them, the address in lower case.
    pub fn checked(self) -> Result<Self, Problem> {
        check_password(&self.password, 8)?;
        let full_name = text::name("full_name", &self.full_name, 200)?;
        Ok(Self { email: email(&self.email)?, password: self.password, full_name })
    }
}

/// `POST /auth/login`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Login {
    #[schemars(length(min = 3, max = MAX_EMAIL_CHARS), regex(pattern = EMAIL))]
    pub email: String,
    #[schemars(length(min = 1, max = 128))]
    pub password: String,
}

impl Form for Login {}

impl Login {
    pub fn checked(self) -> Result<Self, Problem> {
        check_password(&self.password, 1)?;
        Ok(Self { email: email(&self.email)?, password: self.password })
    }
}

/// `GET /auth/me`: asks for the account of an authenticated user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Me {
    pub user_id: String,
}

/// `POST /auth/logout`: ends the session of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Logout {
    /// SHA-256 of the token, in hexadecimal.
    pub token_sha256: String,
}

/// The session is ended; its token is no longer valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoggedOut {}

/// The answer to a registration or a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    /// The client sends it as `Authorization: Bearer …` in its next calls.
    pub access_token: String,
    /// Always `bearer`.
    pub token_type: String,
    /// When the token expires.
    pub expires_at: DateTime<Utc>,
    pub user: User,
}

/// A user account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    pub id: String,
    pub email: String,
    pub full_name: String,
    pub created_at: DateTime<Utc>,
}

fn check_password(password: &str, min: usize) -> Result<(), Problem> {
    const MAX: usize = 128;
    let fits = (min..=MAX).contains(&password.chars().count());
    if fits { Ok(()) } else { Err(fields::length(min, MAX).about("password")) }
}

fn email(raw: &str) -> Result<String, Problem> {
    let email = raw.trim().to_lowercase();
    let plausible = email.chars().count() <= MAX_EMAIL_CHARS
        && !email.chars().any(|c| c.is_control() || c.is_whitespace())
        && email
            .split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    if plausible { Ok(email) } else { Err(fields::not_email().about("email")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register(email: &str, password: &str) -> Result<Register, Problem> {
        Register { email: email.into(), password: password.into(), full_name: " Ana ".into() }.checked()
    }

    #[test]
    fn what_a_person_typed_is_normalized() {
        let checked = register(" Ana@Obra.CL ", "12345678").unwrap();
        assert_eq!((checked.email.as_str(), checked.full_name.as_str()), ("ana@obra.cl", "Ana"));
    }

    #[test]
    fn a_name_may_be_null() {
        let json = br#"{"email": "ana@obra.cl", "password": "12345678", "full_name": null}"#;
        assert_eq!(lenient::read::<Register>("", json).unwrap().full_name, "");
    }

    #[test]
    fn a_bad_field_is_named() {
        for (email, password, field) in
            [("ana", "12345678", "email"), ("a b@c", "12345678", "email"), ("a@b", "1", "password")]
        {
            assert!(
                register(email, password).unwrap_err().detail.en.starts_with(field),
                "{email} {password}"
            );
        }
    }

    #[test]
    fn roles_are_ordered() {
        assert!(Role::Admin > Role::Write && Role::Write > Role::Read);
        assert!(Role::ALL.iter().all(|role| Role::from_name(role.name()) == Some(*role)));
    }
}
