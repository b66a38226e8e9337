//! Settings from everywhere, the strongest first: flags, environment, file. The login from the environment alone.

use std::path::{Path, PathBuf};

use crate::config::{ConfigProblems, Credentials, PoolConfig, Problem, Settings, resolve};

/// The file that is read when nobody names one.
const USUAL_FILE: &str = "coupa-batch.toml";
/// The variable that names another one.
const FILE_VARIABLE: &str = "COUPA_BATCH_CONFIG";
const USERNAME: &str = "COUPA_USERNAME";
const PASSWORD: &str = "COUPA_PASSWORD";

/// The settings in force, without the defaults, and everything that is wrong with them.
///
/// # Errors
/// [`ConfigProblems`] of the file and the environment together.
pub(crate) fn load(flags: Settings, file: Option<&Path>) -> Result<Settings, ConfigProblems> {
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
/// [`ConfigProblems`] with everything that is wrong.
pub(crate) fn load_config(flags: Settings, file: Option<&Path>) -> Result<PoolConfig, ConfigProblems> {
    let login = login(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()));
    match (load(flags, file), login) {
        (Ok(settings), Ok(credentials)) => resolve(settings, credentials),
        (Err(problems), Ok(_)) => Err(problems),
        (Ok(settings), Err(login)) => {
            Err(resolve(settings, None).err().into_iter().flatten().chain([login]).collect::<Vec<_>>().into())
        }
        (Err(problems), Err(login)) => Err(problems.into_iter().chain([login]).collect::<Vec<_>>().into()),
    }
}

/// The login, if there is one. Half a login is a mistake.
fn login(read: impl Fn(&str) -> Option<String>) -> Result<Option<Credentials>, Problem> {
    let given = |name| read(name).filter(|value| !value.is_empty());
    let missing = |setting: &str, other| Problem {
        setting: setting.to_owned(),
        why: format!("not set, but {other} is: set both, or neither"),
    };
    match (given(USERNAME), given(PASSWORD)) {
        (Some(username), Some(password)) => Ok(Some(Credentials { username, password: password.into() })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(missing(PASSWORD, USERNAME)),
        (None, Some(_)) => Err(missing(USERNAME, PASSWORD)),
    }
}

/// Environment variables that are text; another one cannot be ours.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn read_file(named: Option<&Path>) -> (Settings, Vec<Problem>) {
    let path = named.map_or_else(|| PathBuf::from(USUAL_FILE), Path::to_owned);
    let shown = path.display().to_string();
    match std::fs::read_to_string(&path) {
        // editors of Windows put a mark before the text
        Ok(text) => Settings::from_toml(text.trim_start_matches('\u{feff}'), &shown),
        Err(why) if named.is_none() && why.kind() == std::io::ErrorKind::NotFound => Default::default(),
        Err(why) => {
            let why = format!("the configuration file cannot be read: {why}");
            (Settings::default(), vec![Problem { setting: shown, why }])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut flags = Settings::default();
        flags.recycle_after = Some(9);
        let settings = load(flags, Some(&file)).unwrap();
        assert_eq!((settings.recycle_after, settings.recipe.as_deref()), (Some(9), Some("mine")));
    }
}
