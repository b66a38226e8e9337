//! Rules for addresses in settings.

use url::Url;

use super::secret_url::SecretUrl;
use crate::config::error::InvalidValue;

/// Reads an address as people write it.
///
/// # Errors
/// [`InvalidValue`], which shows how to write the address.
pub fn parse_address(text: &str) -> Result<Url, InvalidValue> {
    let text = text.trim();
    let wrong = |why: &str| {
        // it may contain a password
        let shown = if text.contains('@') { "this".to_owned() } else { format!("{text:?}") };
        InvalidValue::new(format!("{shown} is not an address such as https://acme.coupahost.com{why}"))
    };
    // "acme.coupahost.com:443" would parse as an address with the scheme "acme.coupahost.com"
    let is_host_only = !text.contains("://") && text.contains('.') && !text.contains(['@', ' ']);
    if is_host_only && Url::parse(&format!("https://{text}")).is_ok() {
        return Err(wrong(&format!(": write https://{text}")));
    }
    Url::parse(text).map_err(|why| wrong(&format!(" ({why})")).caused_by(why))
}

/// Checks that a login may be sent to `url`: over TLS, or to this machine.
pub(crate) fn check_address(url: &Url) -> Result<(), InvalidValue> {
    let Some(host) = url.host_str() else { return Err(InvalidValue::new(format!("{url} has no host"))) };
    if !url.username().is_empty() || url.password().is_some() {
        let why = "it contains a user name or password: give them in COUPA_USERNAME and COUPA_PASSWORD";
        return Err(InvalidValue::new(why));
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        "http" => Err(InvalidValue::new(format!("http would send the login unencrypted: use https://{host}"))),
        other => Err(InvalidValue::new(format!("{other}: is not the address of a portal: use https://"))),
    }
}

/// Checks that notices may be sent to `address`. It is a secret: no error repeats it.
pub(crate) fn check_webhook(address: &SecretUrl) -> Result<(), InvalidValue> {
    let refuse = |why: &str| Err(InvalidValue::new(why));
    let Ok(url) = Url::parse(address.expose()) else { return refuse("it is not an address") };
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => refuse("http would send it unencrypted: use https"),
        _ => refuse("it is not the address of a webhook: use https"),
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
