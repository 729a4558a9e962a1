//! Certificates for servers of our own: an authority and a leaf, for rustls takes no self-signed server.

use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::invalid;

/// A fresh authority and what it signed.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// PEM of the authority: what clients trust.
    pub ca_pem: String,
    /// PEM of the server's certificate.
    pub certificate_pem: String,
    /// PEM of the server's key.
    pub key_pem: String,
}

/// Makes an authority and lets it sign one certificate for `names` (domains and IP addresses). The
/// authority's key is thrown away.
///
/// # Errors
/// When a name cannot stand in a certificate.
pub fn issue(names: &[String]) -> io::Result<Certificates> {
    issue_with_rcgen(names).map_err(|error| invalid(format!("no certificate for {}: {error}", names.join(", "))))
}

fn issue_with_rcgen(names: &[String]) -> Result<Certificates, rcgen::Error> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(DnType::CommonName, "fivenines reference cluster");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(names)?.signed_by(&key, &authority)?;
    Ok(Certificates { ca_pem: authority.pem(), certificate_pem: leaf.pem(), key_pem: key.serialize_pem() })
}

pub(super) fn acceptor(certificate_pem: &str, key_pem: &str) -> io::Result<TlsAcceptor> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate_pem.as_bytes()).collect();
    let chain = chain.map_err(|error| invalid(format!("the server's certificate is no PEM: {error}")))?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
        .map_err(|error| invalid(format!("the server's key is no PEM: {error}")))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| invalid(format!("certificate and key do not serve: {error}")))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
