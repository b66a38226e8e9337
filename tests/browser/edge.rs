//! The stand-in itself: it must refuse what EdgeDriver would refuse, or it proves nothing.

use coupa_batch::backend::SessionFactory;
use coupa_batch::browser::{BrowserKind, locate};
use coupa_batch::config::BrowserChoice;
use coupa_batch::model::WorkerId;

use crate::browser::{Flavour, Rig};

#[test]
fn the_stand_in_is_taken_for_edge() {
    let Some(rig) = Rig::new(Flavour::Edge) else { return };
    let installation = rig.factory.installation();
    assert_eq!(installation.kind, BrowserKind::Edge);
    assert!(installation.driver.ends_with("msedgedriver") && installation.browser.ends_with("msedge"));
    let mut config = rig.config.browser.clone();
    config.choice = BrowserChoice::Auto;
    assert_eq!(locate(&config).unwrap().kind, BrowserKind::Edge);
    config.choice = BrowserChoice::Chromium;
    assert!(locate(&config).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stand_in_refuses_a_browser_that_is_not_edge() {
    let Some(installed) = Rig::new(Flavour::Installed) else { return };
    // a link of another name tells no version of Edge's, but is started all the same when it is the only one given
    let chromium = installed.factory.installation().browser.clone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other");
    let script = "printf '#!/bin/sh\\n[ \"$1\" = --version ] && echo Microsoft Edge '\"$2\"' && exit\\nexec %s \"$@\"\\n' \"$3\" > \"$1\"; chmod 755 \"$1\"";
    let version = installed.factory.installation().browser_version.to_string();
    let mut write = std::process::Command::new("sh");
    write.args(["-c", script, "sh"]).arg(&path).arg(version).arg(chromium);
    assert!(write.status().unwrap().success());
    let rig = Rig::with(Flavour::Edge, |config| config.browser.browser_path = Some(path)).unwrap();
    let Err(why) = rig.factory.open(WorkerId(1)).await else { panic!("it was taken for Edge") };
    assert!(why.to_string().contains("is not Microsoft Edge"), "{why}");
}
