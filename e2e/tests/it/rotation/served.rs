//! Returns the certificate that a server currently presents to new connections.

use std::sync::Arc;

use e2e::Certificates;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// The server to connect to: each has its own messages before the TLS handshake.
#[derive(Clone, Copy)]
pub enum Server {
    Nats,
    Postgres,
    Valkey,
}

impl Server {
    /// Returns the server's certificate, on a connection that trusts only the authority of `known`.
    pub async fn certificate(self, address: &str, known: &Certificates) -> CertificateDer<'static> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        match self {
            Self::Nats => {
                // NATS begins with a line `INFO {…}`.
                while stream.read_u8().await.unwrap() != b'\n' {}
            }
            Self::Postgres => {
                // PostgreSQL answers an SSLRequest with the byte `S` before the TLS handshake.
                stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.unwrap();
                assert_eq!(stream.read_u8().await.unwrap(), b'S', "PostgreSQL speaks no TLS");
            }
            Self::Valkey => {}
        }
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(known.path("ca.crt")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let (_, session) = stream.get_ref();
        session.peer_certificates().unwrap()[0].clone().into_owned()
    }
}
