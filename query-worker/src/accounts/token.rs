//! Tokens: secrets of 256 random bits. Only their hash is kept.

use argon2::password_hash::rand_core::{OsRng, RngCore as _};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// What the token of an API key and of a login session begins with, so that one that is found somewhere can be recognized.
pub const KEY: &str = "acorag_key_";
pub const SESSION: &str = "acorag_session_";

/// A new token.
pub fn new(prefix: &str) -> Result<String, argon2::password_hash::rand_core::Error> {
    let mut bytes = [0_u8; 32];
    OsRng.try_fill_bytes(&mut bytes)?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// What is stored of a token, and by what it is found again.
pub fn digest(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tokens_are_alike() {
        let (one, other) = (new(KEY).unwrap(), new(KEY).unwrap());
        assert!(one.starts_with(KEY) && one.len() == KEY.len() + 43 && one != other);
        assert_ne!(digest(&one), digest(&other));
    }
}
