//! Files land whole, apart, and under names that cannot lead anywhere.

use std::fs;

use coupa_batch::backend::{Click, DownloadEvent};

use crate::browser::{Flavour, Rig, ended_downloads, until};
use crate::site;

crate::on_the_installed_browser!(
    two_files_of_one_name_are_both_kept,
    what_a_browser_would_show_or_doubt_is_saved_as_a_file,
    a_truncated_file_is_reported_and_leaves_nothing,
    a_download_can_be_cancelled,
    what_began_before_is_forgotten_and_stays_where_it_was,
    a_window_that_a_script_opens_on_a_file_saves_it,
);
crate::on_edge!(two_files_of_one_name_are_both_kept);
crate::on_the_headless_shell!(two_files_of_one_name_are_both_kept, a_window_that_a_script_opens_on_a_file_saves_it);

async fn two_files_of_one_name_are_both_kept(rig: Rig) {
    let base = site::start().await;
    let mut session = rig.open().await;
    let page = session.page();
    page.goto(&base).await.unwrap();
    page.set_download_dir(rig.downloads.path()).await.unwrap();
    assert!(page.click("a.file", 0, Click::Script).await.unwrap());
    assert!(page.click("a.file", 1, Click::Script).await.unwrap());
    assert!(!page.click("a.file", 2, Click::Script).await.unwrap());
    let mut ended = ended_downloads(page, 2).await;
    ended.sort_by_key(|(_, _, size)| *size);
    assert_eq!(ended.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>(), ["same.bin", "same.bin"]);
    assert_eq!(ended.iter().map(|(_, _, size)| *size).collect::<Vec<_>>(), [Some(1000), Some(2000)]);
    for (_, id, size) in &ended {
        let file = rig.downloads.path().join(id);
        let len = until("the bytes are there", async || {
            fs::metadata(&file).ok().map(|about| about.len()).filter(|len| Some(*len) == *size)
        })
        .await;
        assert_eq!(Some(len), *size);
    }
    assert!(session.close().await.is_clean());
}

async fn what_a_browser_would_show_or_doubt_is_saved_as_a_file(rig: Rig) {
    let base = site::start().await;
    let mut session = rig.open().await;
    let page = session.page();
    page.goto(&base).await.unwrap();
    page.set_download_dir(rig.downloads.path()).await.unwrap();
    for (css, size) in [("#pdf", 19), ("#txt b", 11), ("#jar", 6)] {
        assert!(page.click(css, 0, Click::Save).await.unwrap());
        let (name, _, ended) = ended_downloads(page, 1).await.remove(0);
        assert_eq!(ended, Some(size), "{css} {name}");
        assert!(page.url().await.unwrap().starts_with(&base));
    }
    // without the attribute too: the profile's preferences keep the viewer shut
    page.goto(&format!("{base}/inline.pdf")).await.unwrap();
    assert_eq!(ended_downloads(page, 1).await[0].2, Some(19));
    assert!(session.close().await.is_clean());
}

async fn a_truncated_file_is_reported_and_leaves_nothing(rig: Rig) {
    let base = site::start().await;
    let half = site::half(true).await;
    let mut session = rig.open().await;
    let page = session.page();
    page.goto(&base).await.unwrap();
    page.set_download_dir(rig.downloads.path()).await.unwrap();
    page.evaluate("location.href = arguments[0]", vec![format!("http://{half}/").into()]).await.unwrap();
    let ended = ended_downloads(page, 1).await;
    assert_eq!((ended[0].0.as_str(), ended[0].2), ("half.bin", None));
    until("no file is left", async || fs::read_dir(rig.downloads.path()).unwrap().next().is_none().then_some(())).await;
    assert!(session.close().await.is_clean());
}

async fn a_download_can_be_cancelled(rig: Rig) {
    let base = site::start().await;
    let half = site::half(false).await;
    let mut session = rig.open().await;
    let page = session.page();
    page.goto(&base).await.unwrap();
    page.set_download_dir(rig.downloads.path()).await.unwrap();
    page.evaluate("location.href = arguments[0]", vec![format!("http://{half}/").into()]).await.unwrap();
    let id = until("it begins", async || {
        page.download_events().await.unwrap().into_iter().find_map(|event| match event {
            DownloadEvent::Started { id, .. } => Some(id),
            _ => None,
        })
    })
    .await;
    page.cancel_download(&id).await.unwrap();
    until("it ends", async || {
        page.download_events().await.unwrap().contains(&DownloadEvent::Canceled { id: id.clone() }).then_some(())
    })
    .await;
    until("no file is left", async || fs::read_dir(rig.downloads.path()).unwrap().next().is_none().then_some(())).await;
    page.cancel_download(&id).await.unwrap();
    assert!(session.close().await.is_clean());
}

async fn what_began_before_is_forgotten_and_stays_where_it_was(rig: Rig) {
    let base = site::start().await;
    let mut session = rig.open().await;
    let page = session.page();
    let (first, second) = (rig.downloads.path().join("first"), rig.downloads.path().join("second"));
    for folder in [&first, &second] {
        fs::create_dir(folder).unwrap();
    }
    page.goto(&base).await.unwrap();
    page.set_download_dir(&first).await.unwrap();
    page.click("a.file", 0, Click::Script).await.unwrap();
    until("the first file is there", async || fs::read_dir(&first).unwrap().next().map(drop)).await;
    page.set_download_dir(&second).await.unwrap();
    page.click("a.file", 1, Click::Script).await.unwrap();
    let ended = ended_downloads(page, 1).await;
    assert_eq!(ended.iter().map(|(_, _, size)| *size).collect::<Vec<_>>(), [Some(2000)]);
    assert!(second.join(&ended[0].1).is_file());
    assert!(session.close().await.is_clean());
}

async fn a_window_that_a_script_opens_on_a_file_saves_it(rig: Rig) {
    let base = site::start().await;
    let mut session = rig.open().await;
    let page = session.page();
    page.goto(&base).await.unwrap();
    page.set_download_dir(rig.downloads.path()).await.unwrap();
    for script in [
        "window.open('/file/1')",
        "window.open('/file/1', '_blank', 'popup,width=300')",
        "setTimeout(() => window.open('/file/1'), 50)",
        "const opened = window.open(); setTimeout(() => { opened.location = '/file/1'; }, 50)",
    ] {
        page.evaluate("none.setAttribute('onclick', arguments[0])", vec![script.into()]).await.unwrap();
        assert!(page.click("#none", 0, Click::Script).await.unwrap());
        let ended = ended_downloads(page, 1).await;
        assert_eq!((ended[0].0.as_str(), ended[0].2), ("same.bin", Some(1000)), "{script}");
        assert_eq!(page.document().await.unwrap().title, "Home");
    }
    assert!(session.close().await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_would_open_a_tab_is_followed_in_the_same_one() {
    let Some(rig) = Rig::new(Flavour::Installed) else { return };
    let base = site::start().await;
    let mut session = rig.open().await;
    let page = session.page();
    page.goto(&base).await.unwrap();
    page.set_download_dir(rig.downloads.path()).await.unwrap();
    page.evaluate("for (const a of document.querySelectorAll('a.file')) a.target = '_blank'", vec![]).await.unwrap();
    assert!(page.click("a.file", 1, Click::Script).await.unwrap());
    let ended = ended_downloads(page, 1).await;
    assert_eq!((ended[0].0.as_str(), ended[0].2), ("same.bin", Some(2000)));
    assert_eq!(page.document().await.unwrap().title, "Home");
    assert!(session.close().await.is_clean());
}
