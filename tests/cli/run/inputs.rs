//! What the orders are read from: sheets, lists, standard input, arguments; good ones and broken ones.

use std::fs;

use crate::harness::command::{TestEnv, portal, statuses};
use crate::needs_browser;

#[tokio::test]
async fn broken_input_is_named_with_the_remedy_before_anything_starts() {
    let env = TestEnv::new();
    env.write("empty.csv", "");
    env.write("blank.csv", "\n\n \n");
    env.write("other.csv", "A,B\n1,2\n");
    env.write("open.csv", "PO_NUMBER,NOTE\n7,\"6 inch\n8,b\n");
    env.write("noise.xlsx", b"PK\x03\x04 and no workbook");
    env.write("picture.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0");
    fs::create_dir(env.work().join("folder")).unwrap();
    fs::create_dir(env.work().join("folder.csv")).unwrap();
    for (input, parts) in [
        ("empty.csv", &["empty.csv is empty", "PO_NUMBER"][..]),
        ("blank.csv", &["blank.csv is empty"]),
        ("other.csv", &["other.csv has no PO_NUMBER column", "A | B"]),
        ("noise.xlsx", &["noise.xlsx is not a readable workbook", "save it again"]),
        ("picture.csv", &["picture.csv is a picture, which cannot be read"]),
        ("absent.csv", &["absent.csv cannot be read", "check the path"]),
        ("nonsense", &["\"nonsense\" is neither a file that exists nor a purchase-order number"]),
        ("open.csv", &["open.csv, line 2: a quotation mark in this line is not closed"]),
        ("folder", &["folder cannot be read", "give the file inside of it"]),
        ("folder.csv", &["folder.csv cannot be read", "give the file inside of it"]),
    ] {
        let ended = env.call(["run", input, "--base-url", "https://acme.coupahost.com"]).end().await;
        ended.assert_refusal(2, parts);
        assert!(!env.out().exists(), "{input}: a refused call makes no output folder");
    }
}

#[tokio::test]
async fn a_sheet_of_nothing_but_junk_lists_its_rows_with_line_numbers() {
    let env = TestEnv::new();
    env.write("junk.csv", "NAME,PO_NUMBER\nx,N/A\n,\ny,PO-ABC\n");
    let ended = env.call(["run", "junk.csv", "--base-url", "https://acme.coupahost.com"]).end().await;
    ended.assert_refusal(2, &["no order", "junk.csv, line 2: \"N/A\"", "junk.csv, line 4: \"PO-ABC\""]);
    assert!(!env.out().exists(), "a refused call makes no output folder");
}

#[tokio::test(flavor = "multi_thread")]
async fn sheet_workbook_standard_input_and_arguments_make_one_batch() {
    needs_browser!();
    let portal = portal(4).await;
    let env = TestEnv::new();
    let pos = portal.orders();
    env.write("a.csv", format!("\u{feff}X;PO_NUMBER\nx; {} \nx;N/A\nx;{}\n", pos[0], pos[0]));
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 1, "PO_NUMBER").unwrap();
    sheet.write(1, 1, pos[1].digits().parse::<f64>().unwrap()).unwrap();
    book.save(env.work().join("b.xlsx")).unwrap();
    let ended = env
        .run(&portal, ["a.csv", "b.xlsx", "-", &pos[3].to_string(), "--json"])
        .input(&format!("# urgent\n{}\n", pos[2]))
        .end()
        .await;
    ended.assert(if all_good(&portal) { 0 } else { 3 }, &["a.csv, line 3: \"N/A\""]);
    // one object and nothing else
    let object: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(object["summary"]["orders"], 4);
    assert_eq!(object["summary"]["rejected"], 1);
    assert_eq!(object["exit_code"], ended.code.unwrap());
    let report = env.report();
    assert_eq!(report["summary"], object["summary"]);
    let mut told: Vec<_> = statuses(&report).into_values().collect();
    let mut expected: Vec<_> = pos.iter().map(|po| portal.expected(po).unwrap().status.to_string()).collect();
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
    env.assert_nothing_left().await;
    portal.stop().await;
}

fn all_good(portal: &coupa_batch::demo::DemoPortal) -> bool {
    use coupa_batch::OrderStatus::{Completed, NoAttachments};
    portal.orders().iter().all(|po| matches!(portal.expected(po).unwrap().status, Completed | NoAttachments))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_good_orders_ends_with_0_and_one_with_a_missing_order_with_3() {
    needs_browser!();
    let portal = portal(2).await;
    let env = TestEnv::new();
    let good = portal.orders()[0].clone();
    let ended = env.run(&portal, [&good.to_string(), "--no-progress"]).end().await;
    ended.assert(0, &[&format!("{good} COMPLETED"), "report: "]);
    assert_eq!(ended.stdout, "", "nothing but --json writes there");
    let ended = env.run(&portal, [&good.to_string(), "PO99999999"]).end().await;
    ended.assert(3, &["PO99999999 PO_NOT_FOUND"]);
    let statuses = statuses(&env.report());
    assert_eq!(statuses["PO99999999"], "PO_NOT_FOUND");
    assert_eq!(statuses[&good.to_string()], "COMPLETED");
    env.assert_nothing_left().await;
    portal.stop().await;
}
