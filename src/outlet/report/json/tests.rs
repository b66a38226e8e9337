use serde_json::{Value, json};

use super::super::facts::sample;
use super::*;

const SCHEMA: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/report.schema.json"));

fn written() -> Value {
    let (history, facts) = (sample::history(), sample::facts());
    let mut bytes = Vec::new();
    write(&mut bytes, &history, &facts, &Summary::of(&history, &facts)).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// The few words of JSON Schema that ours is written in; any other word is an error, so that none is passed over.
fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    for (word, rule) in schema.as_object().unwrap() {
        let fits = match word.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" | "format" => true,
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap();
                return check(root, target, value, at);
            }
            "type" => {
                let allowed: Vec<_> = rule.as_array().map_or_else(|| vec![rule], |all| all.iter().collect());
                allowed.iter().any(|word| has_type(value, word.as_str().unwrap()))
            }
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "pattern" => true, // looked at by hand below: no expressions here
            "required" => rule.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
            "properties" => {
                for (key, inner) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = rule.get(key) {
                        check(root, schema, inner, &format!("{at}/{key}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (key, inner) in value.as_object().into_iter().flatten() {
                    if known.is_some_and(|known| known.contains_key(key)) {
                        continue;
                    }
                    if rule == &json!(false) {
                        return Err(format!("{at}: {key} is not in the schema"));
                    }
                    check(root, rule, inner, &format!("{at}/{key}"))?;
                }
                true
            }
            "items" => {
                for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, inner, &format!("{at}/{index}"))?;
                }
                true
            }
            other => return Err(format!("{at}: the check does not know {other:?}")),
        };
        if !fits {
            return Err(format!("{at}: {value} does not fit {word}: {rule}"));
        }
    }
    Ok(())
}

fn has_type(value: &Value, word: &str) -> bool {
    match word {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("type {other}"),
    }
}

#[test]
fn a_report_fits_its_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    check(&schema, &schema, &written(), "").unwrap();
}

#[test]
fn the_check_can_fail() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    for (pointer, wrong) in [
        ("/orders/0/status", json!("DONE")),
        ("/orders/0/files/0/size", json!("big")),
        ("/orders/2/missing/0/error/kind", json!("odd")),
        ("/schema_version", json!(2)),
    ] {
        let mut report = written();
        *report.pointer_mut(pointer).unwrap() = wrong;
        check(&schema, &schema, &report, "").unwrap_err();
    }
    let mut report = written();
    report["orders"][0].as_object_mut().unwrap().remove("po_number");
    check(&schema, &schema, &report, "").unwrap_err();
}

#[test]
fn the_schema_knows_every_status_and_every_kind_of_failure() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let statuses: Vec<_> = OrderStatus::ALL.iter().map(|status| json!(status)).collect();
    assert_eq!(schema.pointer("/$defs/status/enum"), Some(&json!(statuses)));
    let kinds = schema.pointer("/$defs/kind/enum").unwrap().as_array().unwrap();
    for kind in kinds {
        let kind: FailureKind = serde_json::from_value(kind.clone()).unwrap();
        // a match without a wildcard: a new kind does not compile until somebody has looked here
        match kind {
            FailureKind::OrderMissing
            | FailureKind::AccessDenied
            | FailureKind::RequisitionDenied
            | FailureKind::PageChanged
            | FailureKind::Throttled
            | FailureKind::SiteDown
            | FailureKind::Unreachable
            | FailureKind::LoginRequired
            | FailureKind::LoginRefused
            | FailureKind::StepTimeout
            | FailureKind::SessionLost
            | FailureKind::SessionHung
            | FailureKind::Crashed
            | FailureKind::DownloadStalled
            | FailureKind::DownloadCorrupt
            | FailureKind::DiskFull
            | FailureKind::Interrupted => {}
        }
    }
    assert_eq!(kinds.len(), 17);
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
