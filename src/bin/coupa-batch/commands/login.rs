//! `coupa-batch login`: a login made once, by a person or through the form, and kept for later runs. `logout`: forgotten.

use std::path::PathBuf;
use std::time::Duration;

use coupa_batch::config::{Credentials, PoolConfig, Settings};
use coupa_batch::lone_session;
use coupa_batch::pool::StartError;
use coupa_batch::ports::{Cookie, Session};
use coupa_batch::site::Doorway;
use coupa_batch::vault::{Vault, usual_folder};
use jiff::Timestamp;

use crate::args::{LoginArgs, LogoutArgs, PortalArgs};
use crate::exit::{ExitReason, Stopped};
use crate::{batch, layers, stdout};

pub(crate) fn login(args: &LoginArgs) -> Result<ExitReason, Stopped> {
    let mut config = load(&args.portal, args.browser.to_settings())?;
    let vault = vault_of(&config)?;
    config.site.credentials = credentials(args, config.site.credentials.take())?;
    let is_form = config.site.credentials.is_some();
    config.browser.headless = is_form || args.headless;
    let doorway = Doorway::new(&config.site, config.deadlines).map_err(Stopped::bad_call)?;
    let cookies = batch::block_on(async {
        let mut session = lone_session(&config).await.map_err(|why| not_opened(&why, is_form))?;
        let made = tokio::select! {
            made = log_in(&doorway, session.as_mut(), is_form, args.wait) => made,
            _ = tokio::signal::ctrl_c() => Err(Stopped::new(ExitReason::Forced, "stopped; no login was kept")),
        };
        let report = session.close().await;
        for left in report.leftovers {
            eprintln!("warning: left behind: {left}");
        }
        made
    })?;
    if cookies.is_empty() {
        stdout::print("the portal lets everybody in: there is no login to keep\n")?;
        return Ok(ExitReason::AllWell);
    }
    vault.save(&cookies).map_err(|why| Stopped::new(ExitReason::Unexpected, why))?;
    stdout::print(&format!(
        "logged in; the login is kept in {}, for you alone, and used by later runs ({})\n",
        vault.path().display(),
        how_long(&cookies)
    ))?;
    Ok(ExitReason::AllWell)
}

pub(crate) fn logout(args: &LogoutArgs) -> Result<ExitReason, Stopped> {
    let failed = |why| Stopped::new(ExitReason::Unexpected, why);
    if args.all {
        let config = layers::load_config(args.portal.over(Settings::default()), args.portal.file.config.as_deref())
            .map_err(Stopped::bad_call)?;
        let wiped = Vault::wipe_all(&folder_of(&config)?).map_err(failed)?;
        stdout::print(&format!("{wiped} kept logins are forgotten\n"))?;
        return Ok(ExitReason::AllWell);
    }
    let vault = vault_of(&load(&args.portal, Settings::default())?)?;
    let told =
        if vault.wipe().map_err(failed)? { "the kept login is forgotten\n" } else { "there was no kept login\n" };
    stdout::print(told)?;
    Ok(ExitReason::AllWell)
}

fn load(portal: &PortalArgs, settings: Settings) -> Result<PoolConfig, Stopped> {
    let config =
        layers::load_config(portal.over(settings), portal.file.config.as_deref()).map_err(Stopped::bad_call)?;
    if config.site.base_url.is_none() {
        return Err(Stopped::bad_call(
            "which portal? Give its address with --base-url https://<company>.coupahost.com",
        ));
    }
    Ok(config)
}

fn folder_of(config: &PoolConfig) -> Result<PathBuf, Stopped> {
    config.site.login_dir.clone().or_else(usual_folder).ok_or_else(|| {
        Stopped::bad_call(
            "this user has no home to keep a login in: name a folder with login_dir or COUPA_BATCH_LOGIN_DIR",
        )
    })
}

fn vault_of(config: &PoolConfig) -> Result<Vault, Stopped> {
    let base = config.site.base_url.as_ref().ok_or_else(|| Stopped::bad_call("which portal?"))?;
    Ok(Vault::of(&folder_of(config)?, base))
}

/// Those of the environment, or of the user that is named, whose password is asked for in the terminal.
fn credentials(args: &LoginArgs, given: Option<Credentials>) -> Result<Option<Credentials>, Stopped> {
    let Some(username) = &args.username else { return Ok(given) };
    if let Some(given) = given.filter(|given| given.username == *username) {
        return Ok(Some(given));
    }
    let password = rpassword::prompt_password(format!("password of {username}: ")).map_err(|why| {
        Stopped::bad_call(format!("no password was read ({why}): set COUPA_USERNAME and COUPA_PASSWORD"))
    })?;
    Ok(Some(Credentials { username: username.clone(), password: password.into() }))
}

async fn log_in(
    doorway: &Doorway,
    session: &mut dyn Session,
    is_form: bool,
    patience: Duration,
) -> Result<Vec<Cookie>, Stopped> {
    let made = if is_form {
        doorway.log_in(session.page()).await
    } else {
        eprintln!("log in in the window that has opened; it closes by itself once you are in");
        doorway.wait_for_person(session.page(), patience).await
    };
    made.map_err(|why| Stopped::bad_call(format!("no login was made: {why}")))
}

fn not_opened(why: &StartError, is_form: bool) -> Stopped {
    let advice = if is_form {
        ""
    } else {
        "; where no window can be shown, log in on a machine with a screen and take its cookies along with --cookies, or \
         set COUPA_USERNAME and COUPA_PASSWORD"
    };
    Stopped::new(ExitReason::NoBrowser, format!("{why}{advice}"))
}

/// When the first of them ends that says so; most portals' do not say.
fn how_long(cookies: &[Cookie]) -> String {
    let first = cookies.iter().filter_map(|cookie| cookie.expiry).min();
    match first.and_then(|at| Timestamp::from_second(i64::try_from(at).ok()?).ok()) {
        Some(at) => format!("until {at} at most"),
        None => "until the portal ends it".to_owned(),
    }
}
