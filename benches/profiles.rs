//! Question: does a session open faster on a warmed template (of a browser that was started and closed once, without caches
//! and locks) than on the built-in template, of which a browser makes everything anew?
//! Unit: milliseconds from asking for a session until it can be spoken to, and until its first page is there; medians of
//! interleaved runs, with the quartiles. Worse: more of them.
//! Parameters: `PROFILES_RUNS` = how often each is opened (20). Needs a browser: `cargo bench --bench profiles`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot go on says where")]

use std::path::Path;
use std::time::{Duration, Instant};

use coupa_batch::PoolConfig;
use coupa_batch::browser::BrowserFactory;
use coupa_batch::demo::{DemoConfig, DemoPortal};
use coupa_batch::model::WorkerId;
use coupa_batch::ports::SessionFactory;

#[tokio::main]
async fn main() {
    let run_count: usize = std::env::var("PROFILES_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let portal = DemoPortal::start(DemoConfig { orders: 1, ..DemoConfig::default() }).await.unwrap();
    let page = portal.base_url().to_string();
    let base = tempfile::Builder::new().prefix("p").tempdir().unwrap();
    let Some(built_in) = factory(&base.path().join("built-in")) else {
        println!("skipped: no browser is installed");
        return;
    };
    let warmed = factory(&base.path().join("warmed")).unwrap();
    let begun = Instant::now();
    warmed.warm().await.unwrap();
    println!("warming once: {} ms", begun.elapsed().as_millis());

    let mut times = [("built-in", &built_in, vec![], vec![]), ("warmed", &warmed, vec![], vec![])];
    for _ in 0..run_count {
        for (_, factory, opened, shown) in &mut times {
            let begun = Instant::now();
            let mut session = factory.open(WorkerId(1)).await.unwrap();
            opened.push(begun.elapsed());
            session.page().goto(&page).await.unwrap();
            shown.push(begun.elapsed());
            assert!(session.close().await.is_clean());
        }
    }
    for (name, _, mut opened, mut shown) in times {
        println!("{name:>10}: open {}, first page {}", told(&mut opened), told(&mut shown));
    }
    portal.stop().await;
}

fn factory(profiles: &Path) -> Option<BrowserFactory> {
    let config = PoolConfig::builder().base_profile_path(profiles).build().unwrap();
    BrowserFactory::new(&config.browser, &config.profiles, config.deadlines).ok()
}

fn told(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 4].as_millis();
    format!("{} ms ({} to {})", at(2), at(1), at(3))
}
