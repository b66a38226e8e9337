//! Where layers of settings come from.

use super::Problem;
use super::keys::KEYS;
pub use super::keys::Settings;

/// What a setting's name begins with in the environment.
const ENV_PREFIX: &str = "COUPA_BATCH_";

/// Settings of earlier versions that no longer exist, with what to do instead.
const REMOVED: [(&str, &str); 3] = [
    ("sessions_per_driver", "each browser has its own driver process now; remove the line"),
    ("min_drivers", "drivers start and end with their browsers; remove the line"),
    ("max_drivers", "there are as many drivers as workers; remove the line and set max_workers to limit both"),
];

/// Variables with the prefix that are not settings: the way to the file, the log filter, and the switch of the tests.
const NOT_SETTINGS: [&str; 3] = ["CONFIG", "LOG", "INSTALL"];

impl Settings {
    /// Reads a configuration file's text; `source` is its path, for messages. Unknown keys are problems.
    pub fn from_toml(text: &str, source: &str) -> (Self, Vec<Problem>) {
        let mut settings = Self::default();
        let table = match text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(why) => return (settings, vec![Problem::new(source, not_toml(text, &why))]),
        };
        let problems = table.iter().filter_map(|(name, value)| settings.take(name, value, source)).collect();
        (settings, problems)
    }

    /// Reads `COUPA_BATCH_*` variables, such as `COUPA_BATCH_WORKERS`. An empty variable counts as not set.
    pub fn from_env(variables: impl IntoIterator<Item = (String, String)>) -> (Self, Vec<Problem>) {
        let mut settings = Self::default();
        let mut problems = Vec::new();
        for (variable, value) in variables {
            let Some(name) = variable.strip_prefix(ENV_PREFIX) else { continue };
            if value.is_empty() || NOT_SETTINGS.contains(&name) {
                continue;
            }
            problems.extend(settings.take(&name.to_ascii_lowercase(), &toml::Value::String(value), &variable));
        }
        (settings, problems)
    }

    fn take(&mut self, name: &str, value: &toml::Value, source: &str) -> Option<Problem> {
        match self.set(name, value) {
            Some(Ok(())) => None,
            Some(Err(why)) => Some(Problem::new(&format!("{name} (in {source})"), why)),
            None => {
                if let Some((_, advice)) = REMOVED.iter().find(|(removed, _)| *removed == name) {
                    let why = format!("this setting no longer exists: {advice}");
                    return Some(Problem::new(&format!("{name} (in {source})"), why));
                }
                let hint = nearest(name).map_or_else(String::new, |near| format!("; did you mean {near}?"));
                Some(Problem::new(&format!("{name} (in {source})"), format!("there is no such setting{hint}")))
            }
        }
    }
}

/// Where and what, without the line itself: it may hold a secret.
fn not_toml(text: &str, why: &toml::de::Error) -> String {
    let before = why.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("it is not valid TOML: line {}: {}", before.matches('\n').count() + 1, why.message())
}

/// The setting whose name shares the most letter pairs with `name`, if it shares at least half of them.
fn nearest(name: &str) -> Option<&'static str> {
    let pairs = |text: &str| text.as_bytes().windows(2).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let wanted = pairs(name);
    KEYS.iter()
        .map(|key| {
            let own = pairs(key.name);
            let shared = wanted.iter().filter(|pair| own.contains(pair)).count();
            (2 * shared * 100 / (wanted.len() + own.len()).max(1), key.name)
        })
        .max()
        .filter(|(score, _)| *score >= 50)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn file_and_environment_read_the_same_values() {
        let (file, problems) = Settings::from_toml("workers = 6\nheadless = false\nshutdown_timeout = \"2m\"", "f");
        assert_eq!(problems, []);
        let variables = [("WORKERS", "6"), ("HEADLESS", "no"), ("SHUTDOWN_TIMEOUT", "120"), ("INSTALL", "1")];
        let (env, problems) =
            Settings::from_env(variables.map(|(name, value)| (format!("{ENV_PREFIX}{name}"), value.to_owned())));
        assert_eq!(problems, []);
        assert_eq!(file, env);
        assert_eq!(env.shutdown_timeout, Some(Duration::from_secs(120)));
    }

    #[test]
    fn a_line_that_is_no_toml_is_named_and_not_shown() {
        let (_, problems) = Settings::from_toml("workers = 2\nnotify_url = https://hooks.test/s3cret", "my.toml");
        let shown = problems[0].to_string();
        assert!(shown.contains("my.toml") && shown.contains("line 2") && !shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn unknown_keys_are_refused_with_the_nearest_one() {
        let (_, problems) = Settings::from_toml("worker = 6\nzzz = 1", "my.toml");
        let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "worker (in my.toml): there is no such setting; did you mean workers?",
                "zzz (in my.toml): there is no such setting"
            ]
        );
    }

    #[test]
    fn removed_settings_are_refused_with_what_to_do() {
        let (_, mut problems) =
            Settings::from_toml("sessions_per_driver = 2\nmin_drivers = 1\nmax_drivers = 4", "my.toml");
        let variable = ("COUPA_BATCH_MAX_DRIVERS".to_owned(), "4".to_owned());
        problems.extend(Settings::from_env([variable]).1);
        let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 4, "{shown:?}");
        assert!(shown.iter().all(|problem| problem.contains("no longer exists: ")), "{shown:?}");
        assert!(
            shown.iter().any(|problem| problem.starts_with("max_drivers (in COUPA_BATCH_MAX_DRIVERS)")),
            "{shown:?}"
        );
    }

    #[test]
    fn the_stronger_layer_wins_field_by_field() {
        let strong = Settings { recycle_after: Some(2), ..Settings::default() };
        let weak = Settings { recycle_after: Some(9), headless: Some(false), ..Settings::default() };
        let both = strong.over(weak);
        assert_eq!((both.recycle_after, both.headless), (Some(2), Some(false)));
    }
}
