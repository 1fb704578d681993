//! Tokens are secrets of 256 random bits; only their hash is stored.

use argon2::password_hash::rand_core::{OsRng, RngCore as _};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// Prefixes of the tokens of API keys and login sessions, so that a token that leaks can be recognized.
pub const KEY: &str = "acorag_key_";
pub const SESSION: &str = "acorag_session_";

pub fn new(prefix: &str) -> Result<String, argon2::password_hash::rand_core::Error> {
    let mut bytes = [0_u8; 32];
    OsRng.try_fill_bytes(&mut bytes)?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// The hash under which a token is stored and looked up.
pub fn digest(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_is_different() {
        let (one, other) = (new(KEY).unwrap(), new(KEY).unwrap());
        assert!(one.starts_with(KEY) && one.len() == KEY.len() + 43 && one != other);
        assert_ne!(digest(&one), digest(&other));
    }
}
