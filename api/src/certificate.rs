//! When a certificate ends, so that somebody is told before it does.

use x509_cert::Certificate;

/// The moment, in Unix seconds, from which a client refuses this chain (PEM): the end of the certificate in it that ends
/// first.
pub fn not_after(chain: &[u8]) -> Result<i64, x509_cert::der::Error> {
    let ends = Certificate::load_pem_chain(chain)?
        .into_iter()
        .map(|certificate| certificate.tbs_certificate.validity.not_after.to_unix_duration().as_secs());
    Ok(ends.min().and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &[u8] = include_bytes!("../tests/keys/tls.crt");

    #[test]
    fn the_end_of_a_certificate_is_read() {
        // `openssl x509 -enddate -noout -in api/tests/keys/tls.crt`
        assert_eq!(not_after(CERTIFICATE).unwrap(), 4_949_099_521);
        assert!(not_after(b"no certificate").is_err());
    }
}
