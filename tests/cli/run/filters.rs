//! Only some attachments are wanted.

use crate::harness::command::{TestEnv, largest, portal};
use crate::needs_browser;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_wanted_is_left_out_told_and_fetched_once_somebody_wants_it() {
    needs_browser!();
    let portal = portal(4).await;
    let env = TestEnv::new();
    let po = largest(&portal);
    let expected = portal.expected(&po).unwrap();
    let is_pdf = |name: &str| name.to_lowercase().ends_with(".pdf");
    let pdfs = expected.files.iter().filter(|file| is_pdf(&file.name)).count();
    assert!(pdfs > 0 && pdfs < expected.files.len());

    let call = || env.run(&portal, [po.to_string()]);
    call().args(["--types", "PDF"]).end().await.assert(0, &[]);
    let order = env.report()["orders"][0].clone();
    assert_eq!((&order["status"], order["files"].as_array().unwrap().len()), (&"COMPLETED".into(), pdfs), "{order:#}");
    let left_out = order["left_out"].as_array().unwrap();
    assert_eq!(left_out.len(), expected.files.len() - pdfs);
    assert!(left_out[0]["reason"].as_str().unwrap().contains("none of pdf"), "{order:#}");
    let served = portal.counts().files_served;
    assert_eq!(served, pdfs as u64, "what its name gives away is not even fetched");
    env.call(["verify"]).end().await.assert(0, &[]);

    call().args(["--types", "pdf"]).end().await.assert(0, &["already complete and unchanged"]);
    assert_eq!(portal.counts().files_served, served);

    call().end().await.assert(0, &[]);
    let order = env.report()["orders"][0].clone();
    assert_eq!(order["files"].as_array().unwrap().len(), expected.files.len(), "{order:#}");
    assert_eq!(portal.counts().files_served, expected.files.len() as u64, "only the rest is fetched");
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_sizes_are_filters_too() {
    needs_browser!();
    let portal = portal(4).await;
    let env = TestEnv::new();
    let po = largest(&portal);
    let expected = portal.expected(&po).unwrap();
    let (first, largest) = (&expected.files[0], expected.files.iter().map(|file| file.size).max().unwrap());
    let call = || env.run(&portal, [po.to_string()]);
    let start: String = first.name.chars().take(4).collect();
    call().args(["--name", &format!("{}*", start.to_uppercase())]).end().await.assert(0, &[]);
    let wanted = expected.files.iter().filter(|file| file.name.starts_with(&start)).count();
    assert_eq!(env.report()["orders"][0]["files"].as_array().unwrap().len(), wanted);

    let limit = format!("{}B", largest - 1);
    call().args(["--force", "--max-size", &limit]).end().await.assert(0, &[]);
    let order = env.report()["orders"][0].clone();
    assert_eq!(order["status"], "COMPLETED", "{order:#}");
    assert!(!order["left_out"].as_array().unwrap().is_empty(), "{order:#}");
    assert!(order["left_out"][0]["reason"].as_str().unwrap().contains("larger than"), "{order:#}");

    // nothing at all is wanted: that is no order without attachments
    call().args(["--force", "--name", "no such name"]).end().await.assert(0, &[]);
    let order = env.report()["orders"][0].clone();
    assert_eq!((&order["status"], &order["files"]), (&"COMPLETED".into(), &serde_json::json!([])), "{order:#}");
    portal.stop().await;
}
