//! The rules that addresses in settings must obey.

use url::Url;

use super::secret_url::SecretUrl;

/// Reads an address as people write it; the error shows how it should read.
///
/// # Errors
/// What is wrong, as a sentence.
pub fn parse_address(text: &str) -> Result<Url, String> {
    let text = text.trim();
    let wrong = |why: &str| {
        // a password may stand in it
        let shown = if text.contains('@') { "this".to_owned() } else { format!("{text:?}") };
        format!("{shown} is not an address such as https://acme.coupahost.com{why}")
    };
    // "acme.coupahost.com:443" would be read as an address with the scheme "acme.coupahost.com"
    let is_host_only = !text.contains("://") && text.contains('.') && !text.contains(['@', ' ']);
    if is_host_only && Url::parse(&format!("https://{text}")).is_ok() {
        return Err(wrong(&format!(": write https://{text}")));
    }
    Url::parse(text).map_err(|why| wrong(&format!(" ({why})")))
}

/// An address that a login may be sent to: TLS, or this machine.
pub(crate) fn check_address(url: &Url) -> Result<(), String> {
    let Some(host) = url.host_str() else { return Err(format!("{url} names no host")) };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a user name or password: give them in COUPA_USERNAME and COUPA_PASSWORD".to_owned());
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        "http" => Err(format!("http would send the login in clear: use https://{host}")),
        other => Err(format!("{other}: is not an address of a portal: use https://")),
    }
}

/// An address that notices may be sent to. It is a secret, and so is never repeated.
pub(crate) fn check_hook(address: &SecretUrl) -> Result<(), String> {
    let url = Url::parse(address.expose()).map_err(|_| "it is not an address".to_owned())?;
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => Err("http would send it in clear: use https".to_owned()),
        _ => Err("it is not the address of a webhook: use https".to_owned()),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_would_leak_a_login_are_refused() {
        for (address, fits) in [
            ("https://acme.coupahost.com", true),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("http://localhost:1", true),
            ("http://acme.coupahost.com", false),
            ("http://localhost.evil.com", false),
            ("https://me:secret@acme.coupahost.com", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(check_address(&address.parse().unwrap()).is_ok(), fits, "{address}");
        }
    }
}
