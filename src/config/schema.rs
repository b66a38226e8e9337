//! How settings are declared: one row gives a setting all its faces.

use std::ops::{RangeFrom, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::error::InvalidValue;
use super::types::{OrdersPerSession, SecretUrl, WorkerCount, parse_address};
use super::value::Value;

/// What is known about one setting.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Setting {
    /// Its name in the configuration file and in the builder. The environment variable is `COUPA_BATCH_` and the name in
    /// capitals; the flag is the name with dashes.
    pub name: &'static str,
    /// What kind of value it takes.
    pub kind: &'static str,
    /// Its default, written as in a configuration file; empty if there is none.
    pub default: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// Whether its value is never shown.
    pub is_secret: bool,
    /// What `--help` calls the value of its flag; `None` if it has no flag, empty if the flag takes no value.
    pub(crate) flag: Option<&'static str>,
    /// Other names that are accepted for it but never shown.
    pub(crate) aliases: &'static [&'static str],
    /// Names that it no longer has.
    pub(crate) old_names: &'static [&'static str],
    /// The values that it accepts; empty if all of its kind.
    pub(crate) limits: fn() -> String,
}

impl Setting {
    /// Whether `name` is the setting's own name or an alias.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }

    /// What the setting does, in its first sentence.
    pub(crate) fn summary(&self) -> String {
        let text = self.doc.split_whitespace().collect::<Vec<_>>().join(" ");
        text.split(". ").next().unwrap_or_default().trim_end_matches('.').to_owned()
    }
}

/// The values that a setting accepts.
pub(crate) trait Limits<T> {
    /// Whether `value` is one of them.
    fn contain(&self, value: &T) -> bool;

    /// The values in words, such as "0 to 20".
    fn describe(&self) -> String;
}

fn show(value: &impl Value) -> String {
    value.write().to_string().trim_matches('"').to_owned()
}

impl<T: Value + PartialOrd> Limits<T> for RangeInclusive<T> {
    fn contain(&self, value: &T) -> bool {
        self.contains(value)
    }

    fn describe(&self) -> String {
        format!("{} to {}", show(self.start()), show(self.end()))
    }
}

impl<T: Value + PartialOrd> Limits<T> for RangeFrom<T> {
    fn contain(&self, value: &T) -> bool {
        self.contains(value)
    }

    fn describe(&self) -> String {
        format!("at least {}", show(&self.start))
    }
}

/// 0, which turns something off, or a number in a range.
pub(crate) struct ZeroOr(pub(crate) RangeInclusive<f64>);

impl Limits<f64> for ZeroOr {
    fn contain(&self, value: &f64) -> bool {
        *value == 0.0 || self.0.contains(value)
    }

    fn describe(&self) -> String {
        format!("0, or {}", self.0.describe())
    }
}

/// Every time span that makes sense: more than a week is a typing mistake.
pub(crate) const TIME_SPAN: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(7 * 24);

/// The problem with `value`, if it is outside `limits`.
pub(crate) fn out_of_range<T: Value>(value: &T, limits: &impl Limits<T>) -> Option<InvalidValue> {
    let why = || InvalidValue::new(format!("{} is out of range: use {}", show(value), limits.describe()));
    (!limits.contain(value)).then(why)
}

/// What a builder method takes for a setting of type `T`.
pub trait IntoSetting<T> {
    /// Converts the value.
    ///
    /// # Errors
    /// [`InvalidValue`] when the value does not fit the setting.
    fn into_setting(self) -> Result<T, InvalidValue>;
}

impl<T> IntoSetting<T> for T {
    fn into_setting(self) -> Result<T, InvalidValue> {
        Ok(self)
    }
}

/// Conversions that cannot fail or report the error of a function.
macro_rules! conversions {
    ($($from:ty => $to:ty: $convert:expr;)+) => {$(
        impl IntoSetting<$to> for $from {
            fn into_setting(self) -> Result<$to, InvalidValue> {
                $convert(self)
            }
        }
    )+};
}

conversions! {
    &str => PathBuf: |path| Ok(PathBuf::from(path));
    String => PathBuf: |path| Ok(PathBuf::from(path));
    &Path => PathBuf: |path: &Path| Ok(path.to_owned());
    &PathBuf => PathBuf: |path: &PathBuf| Ok(path.clone());
    &str => String: |text: &str| Ok(text.to_owned());
    &String => String: |text: &String| Ok(text.clone());
    &str => Url: parse_address;
    String => Url: |text: String| parse_address(&text);
    &String => Url: |text: &String| parse_address(text);
    &str => SecretUrl: SecretUrl::parse;
    u32 => WorkerCount: |count: u32| count.to_string().parse();
    u32 => OrdersPerSession: |count: u32| count.to_string().parse();
    RangeInclusive<u16> => String: |ports: RangeInclusive<u16>| Ok(format!("{}-{}", ports.start(), ports.end()));
}

/// Declares every setting. A row reads
/// `key: Type = "default", in limits, flag "VALUE", alias other_name, was "old_name";` with its documentation above it,
/// and gives the key of the configuration file, the environment variable, the flag, the method of the builder, the
/// default, the check of its limits, and its entry in the reference.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:literal
        $(, in $limits:expr)? $(, flag $flag:literal)? $(, alias $alias:ident)* $(, was $old:literal)*;)+) => {
        /// One layer of settings, such as a file, the environment, the command line or a program gives it. What is `None`
        /// is left to the next layer.
        #[derive(Clone, Debug, Default, PartialEq)]
        #[non_exhaustive]
        pub struct Settings {
            $($(#[doc = $doc])+ pub $key: Option<$type>,)+
        }

        /// Every setting, in the order of the documentation.
        pub const SETTINGS: &[Setting] = &[
            $(Setting {
                name: stringify!($key),
                kind: <$type as Value>::KIND,
                default: $default,
                doc: concat!($($doc, "\n"),+),
                is_secret: <$type as Value>::IS_SECRET,
                flag: settings!(@first $(Some($flag),)? None),
                aliases: &[$(stringify!($alias)),*],
                old_names: &[$($old),*],
                limits: settings!(@first $(|| Limits::<$type>::describe(&$limits),)? String::new),
            },)+
        ];

        impl Settings {
            /// This layer on top of a weaker one.
            #[must_use]
            pub fn over(self, weaker: Self) -> Self {
                Self { $($key: self.$key.or(weaker.$key),)+ }
            }

            /// Sets the setting called `name`; `None` if there is no such setting.
            pub(crate) fn set(&mut self, name: &str, value: &toml::Value) -> Option<Result<(), InvalidValue>> {
                match SETTINGS.iter().find(|setting| setting.is_called(name))?.name {
                    $(stringify!($key) => Some(<$type as Value>::read(value).map(|read| self.$key = Some(read))),)+
                    _ => None,
                }
            }

            /// Every setting with its value, in the order of the documentation.
            pub(crate) fn values(&self) -> Vec<(&'static Setting, Option<toml::Value>)> {
                SETTINGS.iter().zip([$(self.$key.as_ref().map(Value::write)),+]).collect()
            }

            /// Every value that is outside its limits.
            pub(crate) fn range_problems(&self) -> Vec<ConfigProblem> {
                let mut problems = Vec::new();
                $($(if let Some(why) = self.$key.as_ref().and_then(|value| out_of_range(value, &$limits)) {
                    problems.push(ConfigProblem::new(stringify!($key), why));
                })?)+
                problems
            }
        }

        /// Collects settings; [`PoolConfigBuilder::build`] validates them together. What is not set has its default.
        #[derive(Clone, Debug, Default)]
        #[must_use]
        pub struct PoolConfigBuilder {
            pub(super) settings: Settings,
            pub(super) credentials: Option<Credentials>,
            pub(super) problems: Vec<ConfigProblem>,
        }

        impl PoolConfigBuilder {
            $(
                $(#[doc = $doc])+
                #[doc = concat!("\n\nDefault: `", $default, "` (none if empty).")]
                pub fn $key(mut self, value: impl IntoSetting<$type>) -> Self {
                    match value.into_setting() {
                        Ok(value) => self.settings.$key = Some(value),
                        Err(why) => self.problems.push(ConfigProblem::new(stringify!($key), why)),
                    }
                    self
                }

                $(
                    #[doc(hidden)]
                    pub fn $alias(self, value: impl IntoSetting<$type>) -> Self {
                        self.$key(value)
                    }
                )*
            )+
        }
    };
    (@first $first:expr $(, $rest:expr)*) => { $first };
}
