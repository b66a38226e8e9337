//! Cookies as drivers write and read them.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::backend::Cookie;

/// A cookie as drivers write it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CookieJson {
    name: String,
    value: SecretJson,
    domain: Option<String>,
    path: Option<String>,
    #[serde(default)]
    secure: bool,
    #[serde(default)]
    http_only: bool,
    expiry: Option<f64>,
    same_site: Option<String>,
}

/// Text that is a secret as soon as it is parsed.
#[derive(Deserialize)]
#[serde(from = "String")]
struct SecretJson(SecretString);

impl From<String> for SecretJson {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl From<CookieJson> for Cookie {
    fn from(json: CookieJson) -> Self {
        let CookieJson { name, value, domain, path, secure, http_only, expiry, same_site } = json;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a time after 1970")]
        let expiry = expiry.filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64);
        Self { name, value: value.0, domain, path, secure, http_only, expiry, same_site }
    }
}

/// The cookie as drivers read it.
pub(crate) fn to_json(cookie: &Cookie) -> Value {
    let Cookie { name, value, domain, path, secure, http_only, expiry, same_site } = cookie;
    let mut json = json!({ "name": name, "value": value.expose_secret(), "secure": secure, "httpOnly": http_only });
    // drivers reject null where they expect text
    for (key, value) in [("domain", domain), ("path", path), ("sameSite", same_site)] {
        if let Some(value) = value {
            json[key] = json!(value);
        }
    }
    if let Some(expiry) = expiry {
        json["expiry"] = json!(expiry);
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_survives_a_round_trip() {
        let json = json!({ "name": "_coupa_session", "value": "s3cret", "domain": "h", "path": "/", "secure": true,
                           "httpOnly": true, "sameSite": "Lax", "expiry": 1_900_000_000 });
        let cookie = Cookie::from(serde_json::from_value::<CookieJson>(json.clone()).unwrap());
        assert!(!format!("{cookie:?}").contains("s3cret"));
        assert_eq!(to_json(&cookie), json);
    }

    #[test]
    fn absent_fields_of_a_cookie_are_not_written() {
        let cookie = Cookie::from(serde_json::from_value::<CookieJson>(json!({ "name": "a", "value": "b" })).unwrap());
        assert_eq!(to_json(&cookie), json!({ "name": "a", "value": "b", "secure": false, "httpOnly": false }));
    }
}
