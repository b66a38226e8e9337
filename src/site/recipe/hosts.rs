//! Names of hosts as people write them in recipes.

use serde::{Deserialize, Deserializer};
use url::{Host, Url};

/// Reads a list of hosts; each as the address of a file would show it.
pub(crate) fn read<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<String>, D::Error> {
    let texts = Vec::<String>::deserialize(list)?;
    texts.iter().map(|text| host(text).map_err(serde::de::Error::custom)).collect()
}

/// One host. The error says what to write instead.
fn host(text: &str) -> Result<String, String> {
    let text = text.trim();
    let refuse = |why: &str| Err(format!("{text:?} is no host such as files.acme.com: {why}"));
    if text.is_empty() {
        return refuse("it is empty");
    }
    if text.contains('*') {
        return refuse("each host must be given in full, without *");
    }
    let plain = text.strip_suffix('.').unwrap_or(text);
    if let Ok(host) = Host::parse(plain) {
        return Ok(host.to_string());
    }
    // an address, or a part of one
    let address = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    match Url::parse(&address).ok().and_then(|url| url.host_str().map(str::to_owned)) {
        Some(host) => refuse(&format!("write {host:?}, without scheme, port and path; it is reached by https")),
        None => refuse("a host consists of letters, digits, dots and hyphens"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_host_is_kept_as_addresses_show_it() {
        for (text, kept) in [
            ("files.acme.com", "files.acme.com"),
            (" Files.Acme.COM. ", "files.acme.com"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            ("203.0.113.5", "203.0.113.5"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
        ] {
            let kept_as = host(text).unwrap();
            assert_eq!(kept_as, kept);
            assert_eq!(
                Url::parse(&format!("https://{}/x", text.trim().trim_end_matches('.'))).unwrap().host_str(),
                Some(kept)
            );
        }
    }

    #[test]
    fn what_is_more_than_a_host_is_refused_with_what_to_write() {
        for (text, wanted) in [
            ("https://cdn.acme.com", "write \"cdn.acme.com\""),
            ("files.acme.com:8443", "write \"files.acme.com\""),
            ("Files.Acme.com/attachments", "write \"files.acme.com\""),
            ("*.acme.com", "in full"),
            ("", "empty"),
            ("two words", "letters"),
        ] {
            let told = host(text).unwrap_err();
            assert!(told.contains(wanted), "{told}");
        }
    }

    proptest! {
        #[test]
        fn a_host_that_is_taken_can_be_met(text in "\\PC{0,20}|[a-zA-Z.:/*-]{0,20}") {
            if let Ok(host) = host(&text) {
                let url = Url::parse(&format!("https://{host}/x")).unwrap();
                prop_assert_eq!(url.host_str(), Some(host.as_str()));
            }
        }
    }
}
