//! Problems of settings, all reported at once.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// A value that a setting does not accept. Shows why, as a fragment that fits after "`name`: ".
#[derive(Clone, Debug)]
pub struct InvalidValue {
    why: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl InvalidValue {
    /// Refuses a value for the reason `why`.
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), source: None }
    }

    /// Keeps the error that was found first. It must not show a secret.
    pub(crate) fn caused_by(self, source: impl Error + Send + Sync + 'static) -> Self {
        Self { source: Some(Arc::new(source)), ..self }
    }
}

impl PartialEq for InvalidValue {
    fn eq(&self, other: &Self) -> bool {
        self.why == other.why
    }
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Error for InvalidValue {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as &(dyn Error + 'static))
    }
}

/// One problem of the settings.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigProblem {
    setting: String,
    error: InvalidValue,
}

impl ConfigProblem {
    pub(crate) fn new(setting: &str, error: InvalidValue) -> Self {
        Self { setting: setting.to_owned(), error }
    }

    /// The setting, and where its value came from if known.
    #[must_use]
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// Why its value is refused.
    #[must_use]
    pub fn error(&self) -> &InvalidValue {
        &self.error
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.error)
    }
}

impl Error for ConfigProblem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// All problems of the settings; at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigError(Vec<ConfigProblem>);

impl ConfigError {
    /// The problems, in the order in which they were found.
    #[must_use]
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.0
    }

    /// This error with more problems.
    pub(crate) fn and(mut self, problems: impl IntoIterator<Item = ConfigProblem>) -> Self {
        self.0.extend(problems);
        self
    }
}

impl From<Vec<ConfigProblem>> for ConfigError {
    fn from(problems: Vec<ConfigProblem>) -> Self {
        Self(problems)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [problem] = self.0.as_slice() {
            return problem.fmt(f);
        }
        write!(f, "{} settings are wrong:", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// The source is that of the only problem; of several, [`ConfigError::problems`] has each with its own.
impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.0.as_slice() {
            [problem] => problem.source(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{PoolConfig, Settings};

    use super::*;

    #[test]
    fn a_refused_value_keeps_the_error_that_was_found_first() {
        let error = PoolConfig::builder().base_url("https://acme.test:port").build().unwrap_err();
        let source = error.source().and_then(|source| source.downcast_ref::<url::ParseError>());
        assert_eq!(source, Some(&url::ParseError::InvalidPort));
        let (_, problems) = Settings::from_toml("task_timeout = 'soon'\nretry_limit = 'often'", "f");
        assert!(problems.iter().all(|problem| problem.source().is_some()), "{problems:?}");
        let several = ConfigError::from(problems);
        assert!(several.source().is_none() && several.problems().len() == 2);
    }
}
