//! The authority and the certificate of the XMPP servers: made for one lab, valid nowhere else.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use super::layout::DOMAIN;

/// PEM texts.
#[derive(Clone, Debug)]
pub(super) struct Certificates {
    /// What clients must trust.
    pub(super) ca: String,
    /// What servers show: the leaf, then the authority.
    pub(super) chain: String,
    /// The leaf's private key.
    pub(super) key: String,
}

impl Certificates {
    /// Makes an authority and a leaf for the lab's domain. Clients refuse a self-signed leaf, so there are two.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(super) fn make() -> Result<Certificates, rcgen::Error> {
        let mut authority = CertificateParams::new(Vec::new())?;
        // ejabberd sets a timer to the end, and Erlang has none of more than 292 years: the default is too far away.
        let last_day = date_time_ymd(2100, 1, 1);
        authority.not_after = last_day;
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        authority.distinguished_name.push(DnType::CommonName, "fivenines lab authority");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let mut leaf = CertificateParams::new(vec![DOMAIN.to_owned()])?;
        leaf.not_after = last_day;
        leaf.distinguished_name.push(DnType::CommonName, DOMAIN);
        let key = KeyPair::generate()?;
        let leaf = leaf.signed_by(&key, &authority)?;
        let ca = authority.pem();
        Ok(Certificates { chain: format!("{}{ca}", leaf.pem()), ca, key: key.serialize_pem() })
    }
}
