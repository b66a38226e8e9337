//! Whether a host's certificate is one that a browser accepts, as far as a program can tell that.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, Error};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where browsers keep certificates that only they trust, below the user's home.
const OWN_STORES: &[&str] = &[".pki/nssdb", ".local/share/pki/nssdb"];

/// Where administrators may tell browsers to trust more.
const POLICIES: &[&str] = &["/etc/chromium/policies", "/etc/opt/chrome/policies", "/etc/opt/edge/policies"];

/// What every browser finds wrong with the certificate of `host`, at the other end of `stream`; none if it is as it should
/// be, or if a browser may think otherwise. Sends nothing but the greeting of TLS.
pub(crate) async fn complaint(stream: TcpStream, host: &str) -> Option<String> {
    let name = ServerName::try_from(host.to_owned()).ok()?;
    // reads the certificates of the system
    let config = tokio::task::spawn_blocking(config).await.ok()?.ok()?;
    let refused = TlsConnector::from(Arc::new(config)).connect(name, stream).await.err()?;
    judge(&refused, may_trust_more())
}

fn config() -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_platform_verifier()?.with_no_client_auth())
}

/// What is certainly wrong. `may_trust_more`: whether a browser may know an issuer that the system does not know.
fn judge(refused: &io::Error, may_trust_more: bool) -> Option<String> {
    let Error::InvalidCertificate(why) = refused.get_ref()?.downcast_ref::<Error>()? else { return None };
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Some("it has expired".to_owned()),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Some("it is not valid yet".to_owned())
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Some("it is that of another host".to_owned())
        }
        CertificateError::Revoked => Some("it was revoked".to_owned()),
        CertificateError::UnknownIssuer | CertificateError::Other(_) if !may_trust_more => {
            Some("this machine does not trust who issued it".to_owned())
        }
        _ => None,
    }
}

/// Whether the browsers of this machine may trust more than the system does.
fn may_trust_more() -> bool {
    let home = std::env::var_os("HOME");
    let own = OWN_STORES.iter().filter_map(|store| Some(Path::new(home.as_ref()?).join(store)));
    // elsewhere it is the system's store, and administrators have other ways to add to it
    cfg!(not(target_os = "linux")) || own.chain(POLICIES.iter().map(Into::into)).any(|place| place.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(why: CertificateError, may_trust_more: bool) -> Option<String> {
        judge(&io::Error::new(io::ErrorKind::InvalidData, Error::InvalidCertificate(why)), may_trust_more)
    }

    #[test]
    fn an_unknown_issuer_is_left_to_a_browser_that_may_know_it() {
        assert!(judged(CertificateError::UnknownIssuer, false).is_some());
        assert_eq!(judged(CertificateError::UnknownIssuer, true), None);
        for why in [CertificateError::Expired, CertificateError::NotValidForName, CertificateError::NotValidYet] {
            assert!(judged(why, true).is_some());
        }
    }

    #[test]
    fn what_says_nothing_of_the_certificate_is_no_complaint() {
        assert_eq!(judge(&io::ErrorKind::ConnectionReset.into(), false), None);
        let other = io::Error::new(io::ErrorKind::InvalidData, Error::HandshakeNotComplete);
        assert_eq!(judge(&other, false), None);
        assert_eq!(judged(CertificateError::UnknownRevocationStatus, false), None);
    }
}
