use serde_json::{Value, json};

use super::*;
use crate::report::sample;

const SCHEMA: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/report.schema.json"));

fn written() -> Value {
    let (history, facts) = (sample::history(), sample::facts());
    let mut bytes = Vec::new();
    write(&mut bytes, &history, &facts, &Summary::of(&history, &facts)).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn check(report: &Value) -> Result<(), String> {
    let schema = serde_json::from_str(SCHEMA).unwrap();
    let problems = jsonschema::validator_for(&schema).unwrap();
    let problems: Vec<_> = problems.iter_errors(report).map(|why| format!("{}: {why}", why.instance_path())).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

#[test]
fn a_report_fits_its_schema() {
    check(&written()).unwrap();
}

#[test]
fn the_check_can_fail() {
    for (pointer, wrong) in [
        ("/orders/0/status", json!("DONE")),
        ("/orders/0/files/0/size", json!("big")),
        ("/orders/2/missing/0/error/kind", json!("odd")),
        ("/schema_version", json!(2)),
    ] {
        let mut report = written();
        *report.pointer_mut(pointer).unwrap() = wrong;
        check(&report).unwrap_err();
    }
    let mut report = written();
    report["orders"][0].as_object_mut().unwrap().remove("po_number");
    check(&report).unwrap_err();
}

#[test]
fn the_schema_knows_every_status_and_every_kind_of_failure() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let statuses: Vec<_> = OrderStatus::ALL.iter().map(|status| json!(status)).collect();
    assert_eq!(schema.pointer("/$defs/status/enum"), Some(&json!(statuses)));
    let kinds: Vec<_> = FailureKind::ALL.iter().map(|kind| json!(kind)).collect();
    assert_eq!(schema.pointer("/$defs/kind/enum"), Some(&json!(kinds)));
}

#[test]
fn open_orders_say_why_the_run_stopped() {
    let (history, mut facts) = (sample::history(), sample::facts());
    facts.stopped_because = Some("the disk is full".to_owned());
    let mut bytes = Vec::new();
    write(&mut bytes, &history, &facts, &Summary::of(&history, &facts)).unwrap();
    let report: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(report["orders"][7]["status"], "NOT_DONE");
    assert_eq!(
        report["orders"][7]["error"],
        json!({"kind": "interrupted", "message": "the disk is full", "evidence": null})
    );
    assert_eq!(report["orders"][0]["error"], Value::Null);
}
