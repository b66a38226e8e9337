//! `coupa-batch recipe`: lists and shows recipes, and checks what one finds on a real page.

use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use crate::assembly::{kept_logins, lone_session, refusals};
use crate::pool::StartError;
use crate::site::{InspectTarget, Inspection, InteractiveLogin, shipped_recipes};
use url::Url;

use crate::cli::args::{RecipeCheckArgs, RecipeCommand};
use crate::cli::exit::{CommandError, ExitReason};
use crate::cli::output;
use crate::cli::setup::block_on;
use crate::config::layers;
use crate::credentials::LoginSource;

pub(crate) fn recipe(command: &RecipeCommand) -> Result<ExitReason, CommandError> {
    match command {
        RecipeCommand::List => {
            let names: Vec<_> = shipped_recipes().iter().map(|(name, _)| format!("{name}\n")).collect();
            output::print(&names.concat())?;
            Ok(ExitReason::AllWell)
        }
        RecipeCommand::Show { name } => match shipped_recipes().iter().find(|(shipped, _)| shipped == name) {
            Some((_, text)) => output::print(text).map(|()| ExitReason::AllWell),
            None => Err(CommandError::bad_call(format!(
                "there is no built-in recipe {name:?}: see coupa-batch recipe list"
            ))),
        },
        RecipeCommand::Check(args) => check(args),
    }
}

fn check(args: &RecipeCheckArgs) -> Result<ExitReason, CommandError> {
    let mut settings = args.portal.over(args.browser.to_settings());
    let target = match (&args.url, &args.po) {
        (Some(url), _) => {
            let address: Url = url.clone();
            // the portal of the page, unless another one is given
            if settings.base_url.is_none() {
                settings.base_url = address.join("/").ok();
            }
            InspectTarget::Address(address)
        }
        (None, Some(po)) => InspectTarget::Order(po.clone()),
        (None, None) => return Err(CommandError::bad_call("no page given: give its address, or an order with --po")),
    };
    let mut config =
        layers::load_config(settings, args.portal.file.config.as_deref()).map_err(CommandError::bad_call)?;
    if config.site.base_url.is_none() {
        return Err(CommandError::bad_call("no portal given: use --base-url https://<company>.coupahost.com"));
    }
    if let Some(remark) = LoginSource::fill(&mut config).remark() {
        eprintln!("{remark}");
    }
    let mut interactive = InteractiveLogin::new(&config.site, config.deadlines).map_err(CommandError::bad_call)?;
    if let Some(refusals) = refusals(&config.site) {
        interactive = interactive.with_rejections(Arc::new(refusals), false);
    }
    for keep in kept_logins(&config.site) {
        interactive = interactive.with_store(keep);
    }
    let seen = block_on(|mut signals| async move {
        let stopped = || CommandError::new(ExitReason::Forced, "stopped");
        let mut session = tokio::select! {
            session = lone_session(&config) => session.map_err(|why| match why {
                StartError::Portal(_) => CommandError::bad_call(why),
                _ => CommandError::new(ExitReason::NoBrowser, why.to_string()),
            })?,
            () = signals.received() => return Err(stopped()),
        };
        let seen = tokio::select! {
            seen = interactive.inspect(session.page(), &target) => seen.map_err(CommandError::bad_call),
            () = signals.received() => Err(stopped()),
        };
        for left in session.close().await.leftovers {
            eprintln!("warning: left behind: {left}");
        }
        seen
    })?;
    fs::write(&args.screenshot, &seen.picture).map_err(|why| {
        CommandError::bad_call(format!(
            "{} cannot be written ({why}): choose another file with --screenshot",
            args.screenshot.display()
        ))
    })?;
    if args.json { output::print_json(&to_json(&seen)) } else { output::print(&to_text(&seen, args)) }?;
    Ok(if seen.is_understood { ExitReason::AllWell } else { ExitReason::Failures })
}

fn to_text(seen: &Inspection, args: &RecipeCheckArgs) -> String {
    let mut text = format!("{} ({:?})\nrecognized as: {}\n", seen.url, seen.title, seen.kind);
    if !seen.is_at_rest {
        text.push_str("the page was still changing after the recipe's settle.at_most\n");
    }
    for find in &seen.finds {
        let texts: Vec<_> =
            find.texts.iter().map(|text| format!("{:?}", text.chars().take(40).collect::<String>())).collect();
        let _ = writeln!(text, "{:>4}  {:<30} {}  {}", find.count, find.key, find.css, texts.join(" ")); // cannot fail
    }
    let _ = writeln!(text, "{} would be fetched", output::count(seen.attachments.len() as u64, "attachment"));
    for name in &seen.attachments {
        let _ = writeln!(text, "      {}", output::in_one_line(name));
    }
    for remark in &seen.remarks {
        let _ = writeln!(text, "      {}", output::in_one_line(remark));
    }
    for fit in &seen.fits {
        let fits = if fit.is_understood { "fits" } else { "does not fit" };
        let attachments = output::count(u64::try_from(fit.attachment_count).unwrap_or(u64::MAX), "attachment");
        let _ = writeln!(text, "recipe {}: {fits}, {attachments}", fit.name);
    }
    let _ = writeln!(text, "screenshot with the finds in frames: {}", args.screenshot.display());
    text
}

fn to_json(seen: &Inspection) -> serde_json::Value {
    let find = |find: &crate::site::SelectorMatch| serde_json::json!({ "key": find.key, "css": find.css, "count": find.count, "texts": find.texts });
    serde_json::json!({
        "url": seen.url,
        "title": seen.title,
        "taken_for": seen.kind,
        "understood": seen.is_understood,
        "at_rest": seen.is_at_rest,
        "finds": seen.finds.iter().map(find).collect::<Vec<_>>(),
        "attachments": seen.attachments,
        "remarks": seen.remarks,
        "recipes": seen.fits.iter().map(|fit| serde_json::json!({ "name": fit.name, "understood": fit.is_understood, "attachments": fit.attachment_count })).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        check: RecipeCheckArgs,
    }

    #[test]
    fn what_a_page_says_does_not_command_the_terminal() {
        let evil = "\u{1b}]0;PWNED\u{7}\u{1b}[31mred.pdf\n4 attachments would be fetched\u{9b}2J";
        let find = crate::site::SelectorMatch {
            key: "order.supplier[0]".to_owned(),
            css: "h1".to_owned(),
            count: 1,
            texts: vec![evil.to_owned()],
        };
        let seen = Inspection {
            url: "https://acme.test/order_headers/7".to_owned(),
            title: evil.to_owned(),
            kind: format!("not found: {evil:?}"),
            is_understood: true,
            is_at_rest: true,
            finds: vec![find],
            attachments: vec![evil.to_owned()],
            fits: Vec::new(),
            remarks: Vec::new(),
            picture: Vec::new(),
        };
        let args = Line::parse_from(["check", "--po", "PO7"]).check;
        let text = to_text(&seen, &args);
        assert!(text.contains("red.pdf") && !text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        assert_eq!(text.lines().filter(|line| line.contains("would be fetched")).count(), 4, "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with('4')).count(), 0, "{text}");
    }
}
