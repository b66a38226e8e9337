//! Reads the layers of settings, the strongest first: flags, environment, file. The login comes only from the environment.

use std::path::{Path, PathBuf};

use super::error::{ConfigError, ConfigProblem, InvalidValue};
use super::rules::resolve;
use super::sections::{Credentials, PoolConfig};
use super::settings::{SETTINGS, Settings};

/// The configuration file that is read if no other one is named.
const USUAL_FILE: &str = "coupa-batch.toml";
/// The variable that names another configuration file.
const FILE_VARIABLE: &str = "COUPA_BATCH_CONFIG";
const USERNAME: &str = "COUPA_USERNAME";
const PASSWORD: &str = "COUPA_PASSWORD";

/// The settings in force, without the defaults.
///
/// # Errors
/// [`ConfigError`] with the problems of the file and the environment.
pub(crate) fn load(flags: Settings, file: Option<&Path>) -> Result<Settings, ConfigError> {
    let (from_env, mut problems) = Settings::from_env(variables());
    // an empty variable counts as not set, as everywhere
    let from_variable = std::env::var_os(FILE_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let (from_file, more) = read_file(file.or(from_variable.as_deref()));
    problems.extend(more);
    if problems.is_empty() { Ok(flags.over(from_env).over(from_file)) } else { Err(problems.into()) }
}

/// The settings in force, complete and validated, with the login.
///
/// # Errors
/// [`ConfigError`] with all problems.
pub(crate) fn load_config(flags: Settings, file: Option<&Path>) -> Result<PoolConfig, ConfigError> {
    let login = login(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()));
    match (load(flags, file), login) {
        (Ok(settings), Ok(credentials)) => resolve(settings, credentials),
        (Err(problems), Ok(_)) => Err(problems),
        (Ok(settings), Err(login)) => Err(match resolve(settings, None) {
            Ok(_) => vec![login].into(),
            Err(problems) => problems.and([login]),
        }),
        (Err(problems), Err(login)) => Err(problems.and([login])),
    }
}

/// The login, if one is given. Half a login is an error.
fn login(read: impl Fn(&str) -> Option<String>) -> Result<Option<Credentials>, ConfigProblem> {
    let given = |name| read(name).filter(|value| !value.is_empty());
    let missing = |setting: &str, other| {
        ConfigProblem::new(setting, InvalidValue::new(format!("not set, but {other} is: set both, or neither")))
    };
    match (given(USERNAME), given(PASSWORD)) {
        (Some(username), Some(password)) => Ok(Some(Credentials { username, password: password.into() })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(missing(PASSWORD, USERNAME)),
        (None, Some(_)) => Err(missing(USERNAME, PASSWORD)),
    }
}

/// The environment variables that are valid Unicode; others are not ours.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn read_file(named: Option<&Path>) -> (Settings, Vec<ConfigProblem>) {
    let path = named.map_or_else(|| PathBuf::from(USUAL_FILE), Path::to_owned);
    let shown = path.display().to_string();
    match std::fs::read_to_string(&path) {
        // editors on Windows begin a file with a byte order mark
        Ok(text) => Settings::from_toml(text.trim_start_matches('\u{feff}'), &shown),
        Err(why) if named.is_none() && why.kind() == std::io::ErrorKind::NotFound => Default::default(),
        Err(why) => {
            let error = InvalidValue::new(format!("the configuration file cannot be read: {why}")).caused_by(why);
            (Settings::default(), vec![ConfigProblem::new(&shown, error)])
        }
    }
}

/// Prefix of the settings in the environment.
const ENV_PREFIX: &str = "COUPA_BATCH_";

/// Settings of earlier versions that no longer exist, with what to do instead.
const REMOVED: [(&str, &str); 3] = [
    ("sessions_per_driver", "each browser has its own driver process now; remove the line"),
    ("min_drivers", "drivers start and end with their browsers; remove the line"),
    ("max_drivers", "there are as many drivers as workers; remove the line and set max_workers to limit both"),
];

/// Variables with the prefix that are not settings: the configuration file, the log filter, and a switch of the tests.
const NOT_SETTINGS: [&str; 3] = ["CONFIG", "LOG", "INSTALL"];

impl Settings {
    /// Reads a configuration file's text; `source` is its path, for messages. Unknown keys are problems.
    pub fn from_toml(text: &str, source: &str) -> (Self, Vec<ConfigProblem>) {
        let mut settings = Self::default();
        let table = match text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(why) => return (settings, vec![ConfigProblem::new(source, not_toml(text, &why))]),
        };
        let problems = table.iter().filter_map(|(name, value)| settings.take(name, value, source)).collect();
        (settings, problems)
    }

    /// Reads `COUPA_BATCH_*` variables, such as `COUPA_BATCH_WORKERS`. An empty variable counts as not set.
    pub fn from_env(variables: impl IntoIterator<Item = (String, String)>) -> (Self, Vec<ConfigProblem>) {
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

    fn take(&mut self, name: &str, value: &toml::Value, source: &str) -> Option<ConfigProblem> {
        match self.set(name, value) {
            Some(Ok(())) => None,
            Some(Err(why)) => Some(ConfigProblem::new(&format!("{name} (in {source})"), why)),
            None => Some(ConfigProblem::new(&format!("{name} (in {source})"), unknown(name))),
        }
    }
}

/// The problem with a name that no setting has.
fn unknown(name: &str) -> InvalidValue {
    InvalidValue::new(advice(name))
}

fn advice(name: &str) -> String {
    if let Some(setting) = SETTINGS.iter().find(|setting| setting.old_names.contains(&name)) {
        return format!("this setting is now called {}", setting.name);
    }
    if let Some((_, advice)) = REMOVED.iter().find(|(removed, _)| *removed == name) {
        return format!("this setting no longer exists: {advice}");
    }
    let hint = nearest(name).map_or_else(String::new, |near| format!("; did you mean {near}?"));
    format!("there is no such setting{hint}")
}

/// The problem with a text that is not TOML. Neither it nor its source repeats the line, which may contain a secret.
fn not_toml(text: &str, why: &toml::de::Error) -> InvalidValue {
    let line = crate::text::line_of(text, why.span());
    InvalidValue::new(format!("it is not valid TOML: line {line}: {}", why.message()))
}

/// The setting whose name shares the most letter pairs with `name`, if it shares at least half of them.
fn nearest(name: &str) -> Option<&'static str> {
    let pairs = |text: &str| text.as_bytes().windows(2).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let wanted = pairs(name);
    SETTINGS
        .iter()
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
    fn half_a_login_is_refused_without_being_shown() {
        let only = |wanted: &'static str| move |name: &str| (name == wanted).then(|| "hunter2".to_owned());
        for (given, missing) in [(USERNAME, PASSWORD), (PASSWORD, USERNAME)] {
            let shown = login(only(given)).unwrap_err().to_string();
            assert!(shown.starts_with(missing) && !shown.contains("hunter2"), "{shown}");
        }
        assert!(login(|_| None).unwrap().is_none());
        assert!(login(|_| Some(String::new())).unwrap().is_none());
        assert_eq!(login(|name| Some(name.to_owned())).unwrap().unwrap().username, USERNAME);
    }

    #[test]
    fn a_named_file_must_be_there() {
        let (_, problems) = read_file(Some(Path::new("no/such/file.toml")));
        assert!(problems[0].to_string().contains("no/such/file.toml"), "{problems:?}");
    }

    #[test]
    fn flags_win_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        std::fs::write(&file, "\u{feff}recycle_after = 2\nrecipe = 'mine'").unwrap();
        let flags = Settings { recycle_after: Some(9), ..Settings::default() };
        let settings = load(flags, Some(&file)).unwrap();
        assert_eq!((settings.recycle_after, settings.recipe.as_deref()), (Some(9), Some("mine")));
    }

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

    #[test]
    fn each_setting_is_the_same_in_the_file_the_environment_and_under_its_aliases() {
        let mut example = Settings::default().with_defaults();
        example.base_url = Some("https://acme.test/".parse().unwrap());
        for (setting, value) in example.values() {
            let value = value.unwrap_or_else(|| match setting.kind {
                "whole number" => toml::Value::Integer(3),
                "number" => toml::Value::Float(0.5),
                "size" => toml::Value::String("300MB".to_owned()),
                "address" => toml::Value::String("https://hooks.test/".to_owned()),
                _ => toml::Value::String("x".to_owned()),
            });
            let (file, problems) = Settings::from_toml(&format!("{} = {value}", setting.name), "f");
            assert_eq!(problems, [], "{}", setting.name);
            assert_ne!(file, Settings::default(), "{}", setting.name);
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            for name in setting.aliases.iter().chain([&setting.name]) {
                let variable = format!("{ENV_PREFIX}{}", name.to_uppercase());
                let (env, problems) = Settings::from_env([(variable, text.clone())]);
                // an empty variable counts as not set
                assert!(problems.is_empty() && (env == file || text.is_empty()), "{name}: {problems:?}");
                let (aliased, problems) = Settings::from_toml(&format!("{name} = {value}"), "f");
                assert!(problems.is_empty() && aliased == file, "{name}: {problems:?}");
            }
        }
    }

    #[test]
    fn an_old_name_is_refused_with_the_new_one() {
        let (_, problems) = Settings::from_toml("max_profile_size_mb = 100", "f");
        assert!(problems[0].to_string().contains("is now called profile_max_size"), "{problems:?}");
    }
}
