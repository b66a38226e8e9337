//! Reads and writes the value of one setting, from a file (where it has a type) or from the environment (where it is text).

use std::error::Error;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use url::Url;

use super::error::InvalidValue;
use super::types::{
    BrowserChoice, LaneChoice, OrdersPerSession, RequisitionRule, Sandbox, SecretUrl, WorkerCount, parse_address,
};

/// A type that a setting can have.
pub(crate) trait Value: Sized {
    /// What the documentation calls values of this type.
    const KIND: &'static str;

    /// Whether the value is secret; then [`Value::write`] gives only what may be shown.
    const IS_SECRET: bool = false;

    /// Reads a value.
    fn read(value: &toml::Value) -> Result<Self, InvalidValue>;

    /// Writes the value so that [`Value::read`] reads the same again.
    fn write(&self) -> toml::Value;
}

/// The text of a value that may be written with or without quotes.
fn text(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    }
}

fn parse<T>(value: &toml::Value, wanted: &str) -> Result<T, InvalidValue>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    let text = text(value);
    text.parse().map_err(|why| InvalidValue::new(format!("{text:?} is not {wanted}")).caused_by(why))
}

impl Value for String {
    const KIND: &'static str = "text";
    fn read(value: &toml::Value) -> Result<Self, InvalidValue> {
        Ok(text(value))
    }
    fn write(&self) -> toml::Value {
        toml::Value::String(self.clone())
    }
}

impl Value for PathBuf {
    const KIND: &'static str = "path";
    fn read(value: &toml::Value) -> Result<Self, InvalidValue> {
        let text = text(value);
        if text.is_empty() { Err(InvalidValue::new("it is empty")) } else { Ok(Self::from(text)) }
    }
    fn write(&self) -> toml::Value {
        toml::Value::String(self.display().to_string())
    }
}

impl Value for Url {
    const KIND: &'static str = "address";
    fn read(value: &toml::Value) -> Result<Self, InvalidValue> {
        parse_address(&text(value))
    }
    fn write(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}

impl Value for SecretUrl {
    const KIND: &'static str = "address";
    const IS_SECRET: bool = true;
    fn read(value: &toml::Value) -> Result<Self, InvalidValue> {
        Self::parse(&text(value))
    }
    fn write(&self) -> toml::Value {
        toml::Value::String(self.origin().to_owned())
    }
}

impl Value for bool {
    const KIND: &'static str = "true or false";
    fn read(value: &toml::Value) -> Result<Self, InvalidValue> {
        match text(value).to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            other => Err(InvalidValue::new(format!("{other:?} is neither true nor false"))),
        }
    }
    fn write(&self) -> toml::Value {
        toml::Value::Boolean(*self)
    }
}

impl Value for u32 {
    const KIND: &'static str = "whole number";
    fn read(value: &toml::Value) -> Result<Self, InvalidValue> {
        parse(value, "a whole number")
    }
    fn write(&self) -> toml::Value {
        toml::Value::Integer(i64::from(*self))
    }
}

impl Value for f64 {
    const KIND: &'static str = "number";
    fn read(value: &toml::Value) -> Result<Self, InvalidValue> {
        parse(value, "a number")
    }
    fn write(&self) -> toml::Value {
        toml::Value::Float(*self)
    }
}

impl Value for Duration {
    const KIND: &'static str = "time span";
    fn read(value: &toml::Value) -> Result<Self, InvalidValue> {
        let text = text(value);
        if let Ok(seconds) = text.parse::<u32>() {
            return Ok(Self::from_secs(seconds.into())); // a bare number is seconds, as in most tools
        }
        humantime::parse_duration(&text).map_err(|why| {
            InvalidValue::new(format!("{text:?} is not a time span such as 30s, 2m or 1h")).caused_by(why)
        })
    }
    fn write(&self) -> toml::Value {
        toml::Value::String(humantime::format_duration(*self).to_string())
    }
}

impl Value for ByteSize {
    const KIND: &'static str = "size";
    fn read(value: &toml::Value) -> Result<Self, InvalidValue> {
        let text = text(value);
        text.parse().map_err(|_: String| InvalidValue::new(format!("{text:?} is not a size such as 100MB")))
    }
    fn write(&self) -> toml::Value {
        let bytes = self.as_u64();
        // exact, which the rounding of Display is not
        let text =
            if bytes.is_multiple_of(1_000_000) { format!("{}MB", bytes / 1_000_000) } else { format!("{bytes}B") };
        toml::Value::String(text)
    }
}

fn auto() -> toml::Value {
    toml::Value::String("auto".to_owned())
}

fn whole(number: usize) -> toml::Value {
    toml::Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

impl Value for WorkerCount {
    const KIND: &'static str = "auto, or whole number";
    fn read(value: &toml::Value) -> Result<Self, InvalidValue> {
        text(value).parse()
    }
    fn write(&self) -> toml::Value {
        match self {
            Self::Auto => auto(),
            Self::Exactly(count) => whole(count.get()),
        }
    }
}

impl Value for OrdersPerSession {
    const KIND: &'static str = "auto, or whole number";
    fn read(value: &toml::Value) -> Result<Self, InvalidValue> {
        text(value).parse()
    }
    fn write(&self) -> toml::Value {
        match self {
            Self::Auto => auto(),
            Self::Exactly(count) => whole(count.get()),
        }
    }
}

/// Enums that are written as one of a few words.
macro_rules! words {
    ($($type:ty: $kind:literal),+ $(,)?) => {$(
        impl Value for $type {
            const KIND: &'static str = $kind;
            fn read(value: &toml::Value) -> Result<Self, InvalidValue> {
                text(value).parse()
            }
            fn write(&self) -> toml::Value {
                toml::Value::String(self.as_str().to_owned())
            }
        }
    )+};
}

words! {
    BrowserChoice: "auto, edge, chrome or chromium",
    Sandbox: "auto, on or off",
    RequisitionRule: "never, when-empty, when-no-pdf or always",
    LaneChoice: "auto, frames or tab",
}
