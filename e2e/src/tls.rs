//! TLS between all parts, with the certificates that `ops/tls.sh` makes for operators.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};
use devstack::free_port;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::accounts::{ops, password, valkey_url};

/// A certificate authority and a certificate for each server, in a folder that is removed when this is
/// dropped.
pub struct Certificates(PathBuf);

impl Certificates {
    pub fn new() -> Result<Self> {
        // A folder that the user of PostgreSQL can read too.
        let name = format!("acorag-tls-{}-{}", std::process::id(), free_port()?);
        let certificates = Self(std::env::temp_dir().join(name));
        certificates.renew()?;
        Ok(certificates)
    }

    /// Creates new keys and certificates of the same authority.
    pub fn renew(&self) -> Result<()> {
        let output = Command::new(ops("tls.sh")).arg(&self.0).output().context("running ops/tls.sh")?;
        ensure!(output.status.success(), "ops/tls.sh: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// The path of a file; each owner has its own folder: `nats/nats.key`, `ca/ca.crt`.
    pub fn path(&self, file: &str) -> PathBuf {
        let owner = file.split(['.', '-']).next().unwrap_or(file);
        self.0.join(owner).join(file)
    }

    fn text(&self, file: &str) -> String {
        self.path(file).display().to_string()
    }

    pub(crate) fn prepare(&self, servers: &mut devstack::Options) -> Result<()> {
        if let Some(nats) = &mut servers.nats {
            nats.file = ops("nats/tls.conf");
            for (name, file) in [("NATS_TLS_CERT", "nats.crt"), ("NATS_TLS_KEY", "nats.key")] {
                nats.environment.push((name.to_owned(), self.text(file)));
            }
        }
        let key = self.install_key_of_postgres()?;
        servers.postgres.extend([
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", self.text("postgres.crt")),
            format!("ssl_key_file={}", key.display()),
        ]);
        Ok(())
    }

    /// Copies the key of PostgreSQL, because PostgreSQL requires a key that only its own user can read.
    pub fn install_key_of_postgres(&self) -> Result<PathBuf> {
        let key = self.path("postgres-own.key");
        fs::copy(self.path("postgres.key"), &key)?;
        fs::set_permissions(&key, Permissions::from_mode(0o600))?;
        if let Some(user) = devstack::user_of_postgres() {
            chown(&key, Some(user), Some(user))?;
        }
        Ok(key)
    }

    /// Starts a TLS proxy in front of the packaged Valkey, which does not support TLS; the proxy also loads renewed
    /// certificates. Returns the address of the proxy.
    pub(crate) async fn before_valkey(&self, url: &str) -> Result<String> {
        let behind = url.trim_start_matches("redis://").to_owned();
        let (certificate, key) = (self.path("valkey.crt"), self.path("valkey.key"));
        acceptor(&certificate, &key)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor(&certificate, &key), behind.clone());
                tokio::spawn(async move {
                    let (mut front, mut back) =
                        (acceptor?.accept(stream).await?, TcpStream::connect(behind).await?);
                    anyhow::Ok(tokio::io::copy_bidirectional(&mut front, &mut back).await?)
                });
            }
        });
        Ok(address)
    }

    /// Changes a program's environment so that it connects to the servers over TLS, and adds the certificate of the
    /// api.
    pub(crate) fn protect(&self, environment: &mut BTreeMap<&'static str, String>, valkey: &str) {
        environment.extend([
            ("NATS_CA", self.text("ca.crt")),
            ("REDIS_URL", valkey_url("rediss", &password("valkey"), valkey)),
            ("REDIS_CA", self.text("ca.crt")),
            ("TLS_CERT", self.text("api.crt")),
            ("TLS_KEY", self.text("api.key")),
        ]);
        if let Some(url) = environment.get_mut("DATABASE_URL").filter(|url| !url.is_empty()) {
            *url = verified(url, &self.path("ca.crt"));
        }
    }
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The database URL with full verification of the server's name and certificate by this authority.
pub fn verified(database_url: &str, authority: &Path) -> String {
    format!("{database_url}?sslmode=verify-full&sslrootcert={}", authority.display())
}
