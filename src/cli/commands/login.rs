//! `coupa-batch login`: logs in once, by hand or through the form, and saves the login for later runs. `logout` deletes it.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::assembly::lone_session;
use crate::backend::{Cookie, Session};
use crate::config::{Credentials, PoolConfig, Settings};
use crate::credentials::{Keyring, KeyringError, RejectedLogins, SavedLoginFile, usual_folder};
use crate::pool::StartError;
use crate::site::InteractiveLogin;
use jiff::Timestamp;

use crate::cli::args::{LoginArgs, LogoutArgs, PortalArgs};
use crate::cli::exit::{CommandError, ExitReason};
use crate::cli::interrupt::Interrupt;
use crate::cli::output;
use crate::cli::setup::block_on;
use crate::config::layers;
use crate::text::count;

pub(crate) fn login(args: &LoginArgs) -> Result<ExitReason, CommandError> {
    let mut config = load(&args.portal, args.browser.to_settings())?;
    let saved_login = saved_login_of(&config)?;
    let keyring = keyring_of(&config)?;
    if args.save_password {
        // checked before anyone types a password
        keyring.load().or_else(damaged_is_none).map_err(|why| not_saved(&why))?;
    }
    config.site.credentials = credentials(args, config.site.credentials.take(), &keyring)?;
    let is_form = config.site.credentials.is_some();
    config.browser.headless = is_form || args.headless;
    let rejected_logins = rejected_logins_of(&config)?;
    // the user asks for it: a password that was refused before is tried once more
    let interactive = InteractiveLogin::new(&config.site, config.deadlines)
        .map_err(CommandError::bad_call)?
        .with_rejections(Arc::new(rejected_logins.clone()), true);
    let (cookies, is_tried) = block_on(|signals| open_and_log_in(&config, &interactive, is_form, args.wait, signals))?;
    // a portal that needed no login has not confirmed the password
    let to_save = config.site.credentials.filter(|_| args.save_password && is_tried);
    if cookies.is_empty() || (args.save_password && to_save.is_none()) {
        output::print("the portal needs no login: nothing was saved\n")?;
        return Ok(ExitReason::AllWell);
    }
    saved_login.save(&cookies).map_err(|why| CommandError::new(ExitReason::Unexpected, why))?;
    rejected_logins.wipe().map_err(|why| CommandError::new(ExitReason::Unexpected, why))?;
    output::print(&format!(
        "logged in; the login is saved in {}, readable by you only, and later runs use it ({})\n",
        saved_login.path().display(),
        how_long(&cookies)
    ))?;
    if let Some(credentials) = to_save {
        keyring.save(&credentials).map_err(|why| not_saved(&why))?;
        output::print(&format!(
            "user name and password of {} are saved in the system's keyring, for when this login ends; `coupa-batch \
             logout` removes them\n",
            credentials.username
        ))?;
    }
    Ok(ExitReason::AllWell)
}

/// Logs in with a browser of its own. Returns the cookies, and whether a login was made at all.
async fn open_and_log_in(
    config: &PoolConfig,
    interactive: &InteractiveLogin,
    is_form: bool,
    wait: Duration,
    mut signals: Interrupt,
) -> Result<(Vec<Cookie>, bool), CommandError> {
    let stopped = || CommandError::new(ExitReason::Forced, "stopped; no login was saved");
    let mut session = tokio::select! {
        session = lone_session(config) => session.map_err(|why| not_opened(&why, is_form))?,
        () = signals.received() => return Err(stopped()),
    };
    let made = tokio::select! {
        made = log_in(interactive, session.as_mut(), is_form, wait) => made,
        () = signals.received() => Err(stopped()),
    };
    let report = session.close().await;
    for left in report.leftovers {
        eprintln!("warning: left behind: {left}");
    }
    Ok((made?, interactive.has_logged_in().await))
}

pub(crate) fn logout(args: &LogoutArgs) -> Result<ExitReason, CommandError> {
    let failed = |why| CommandError::new(ExitReason::Unexpected, why);
    if args.all {
        let config = layers::load_config(args.portal.over(Settings::default()), args.portal.file.config.as_deref())
            .map_err(CommandError::bad_call)?;
        let wiped = SavedLoginFile::wipe_all(&folder_of(&config)?).map_err(failed)?;
        RejectedLogins::wipe_all(&folder_of(&config)?).map_err(failed)?;
        output::print(&format!("deleted {}\n", count(wiped, "saved login")))?;
        if let Some(removed) = unless_absent(Keyring::wipe_all())? {
            output::print(&format!("removed {} from the system's keyring\n", count(removed, "password")))?;
        }
        return Ok(ExitReason::AllWell);
    }
    let config = load(&args.portal, Settings::default())?;
    let is_forgotten = saved_login_of(&config)?.wipe().map_err(failed)?;
    if rejected_logins_of(&config)?.wipe().map_err(failed)? {
        output::print("deleted the record of refused passwords\n")?;
    }
    output::print(if is_forgotten { "deleted the saved login\n" } else { "there was no saved login\n" })?;
    output::print(match unless_absent(keyring_of(&config)?.wipe())? {
        Some(true) => "removed user name and password from the system's keyring\n",
        Some(false) => "there was no password in the system's keyring\n",
        None => "", // nor can there ever have been one
    })?;
    Ok(ExitReason::AllWell)
}

/// The result of the keyring; `None` if there is no keyring.
fn unless_absent<T>(answer: Result<T, KeyringError>) -> Result<Option<T>, CommandError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(why) if why.is_absent() => Ok(None),
        Err(why) => Err(CommandError::new(
            ExitReason::Unexpected,
            format!("a password may still be in the system's keyring: {why}"),
        )),
    }
}

/// A damaged item counts as none: it is about to be replaced.
fn damaged_is_none(why: KeyringError) -> Result<Option<Credentials>, KeyringError> {
    match why {
        KeyringError::Damaged(_) => Ok(None),
        why => Err(why),
    }
}

fn not_saved(why: &KeyringError) -> CommandError {
    CommandError::bad_call(format!("the password is not saved: {why}"))
}

fn load(portal: &PortalArgs, settings: Settings) -> Result<PoolConfig, CommandError> {
    let config =
        layers::load_config(portal.over(settings), portal.file.config.as_deref()).map_err(CommandError::bad_call)?;
    if config.site.base_url.is_none() {
        return Err(CommandError::bad_call("no portal given: use --base-url https://<company>.coupahost.com"));
    }
    Ok(config)
}

fn folder_of(config: &PoolConfig) -> Result<PathBuf, CommandError> {
    config.site.login_dir.clone().or_else(usual_folder).ok_or_else(|| {
        CommandError::bad_call("this user has no home folder for saved logins: set login_dir or COUPA_BATCH_LOGIN_DIR")
    })
}

fn saved_login_of(config: &PoolConfig) -> Result<SavedLoginFile, CommandError> {
    let base =
        config.site.base_url.as_ref().ok_or_else(|| CommandError::bad_call("no portal given: use --base-url"))?;
    Ok(SavedLoginFile::of(&folder_of(config)?, base))
}

fn rejected_logins_of(config: &PoolConfig) -> Result<RejectedLogins, CommandError> {
    let base =
        config.site.base_url.as_ref().ok_or_else(|| CommandError::bad_call("no portal given: use --base-url"))?;
    Ok(RejectedLogins::of(&folder_of(config)?, base))
}

fn keyring_of(config: &PoolConfig) -> Result<Keyring, CommandError> {
    let base =
        config.site.base_url.as_ref().ok_or_else(|| CommandError::bad_call("no portal given: use --base-url"))?;
    Ok(Keyring::of(base))
}

/// The credentials of the environment, or those of the given user: the password is taken from the keyring or asked for.
/// With `--save-password` it is always asked for.
fn credentials(
    args: &LoginArgs,
    given: Option<Credentials>,
    keyring: &Keyring,
) -> Result<Option<Credentials>, CommandError> {
    let username = match (&args.username, given) {
        (Some(username), Some(given)) if given.username == *username => return Ok(Some(given)),
        (Some(username), _) => username.clone(),
        (None, Some(given)) => return Ok(Some(given)),
        (None, None) if args.save_password => ask_username()?,
        (None, None) => return Ok(None),
    };
    if !args.save_password {
        match keyring.load() {
            Ok(Some(saved)) if saved.username == username => return Ok(Some(saved)),
            Ok(_) => {}
            Err(why) if why.is_absent() => {}
            Err(why) => eprintln!("note: {}", output::blanked(&why.to_string())),
        }
    }
    let password = rpassword::prompt_password(format!("password of {username}: ")).map_err(|why| {
        CommandError::bad_call(format!("the password could not be read ({why}): set COUPA_USERNAME and COUPA_PASSWORD"))
    })?;
    Ok(Some(Credentials { username, password: password.into() }))
}

fn ask_username() -> Result<String, CommandError> {
    let missing = |why: &str| {
        CommandError::bad_call(format!(
            "the user name could not be read ({why}): use --username, or set COUPA_USERNAME and COUPA_PASSWORD"
        ))
    };
    if !std::io::stdin().is_terminal() {
        return Err(missing("there is no terminal"));
    }
    eprint!("user name: ");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|why| missing(&why.to_string()))?;
    match line.trim() {
        "" => Err(missing("it is empty")),
        username => Ok(username.to_owned()),
    }
}

async fn log_in(
    interactive: &InteractiveLogin,
    session: &mut dyn Session,
    is_form: bool,
    wait: Duration,
) -> Result<Vec<Cookie>, CommandError> {
    let made = if is_form {
        interactive.log_in(session.page()).await
    } else {
        eprintln!("please log in in the browser window; it closes by itself when you are logged in");
        interactive.wait_for_person(session.page(), wait).await
    };
    made.map_err(|why| CommandError::bad_call(format!("login failed: {why}")))
}

fn not_opened(why: &StartError, is_form: bool) -> CommandError {
    if matches!(why, StartError::Portal(_)) {
        return CommandError::bad_call(why);
    }
    let advice = if is_form {
        ""
    } else {
        "; if no window can be shown here, log in on a machine with a screen and pass its cookies with --cookies, or \
         set COUPA_USERNAME and COUPA_PASSWORD"
    };
    CommandError::new(ExitReason::NoBrowser, format!("{why}{advice}"))
}

/// The earliest expiry of the cookies, if one has any; on most portals none has.
fn how_long(cookies: &[Cookie]) -> String {
    let first = cookies.iter().filter_map(|cookie| cookie.expiry).min();
    match first.and_then(|at| Timestamp::from_second(i64::try_from(at).ok()?).ok()) {
        Some(at) => format!("until {at} at most"),
        None => "until the portal ends it".to_owned(),
    }
}
