//! Whole sheets, read as a person's file would be.

mod account;
mod corpus;
mod damage;
mod sheets;
mod writers;

use rust_xlsxwriter::{Format, Workbook};

use super::*;
use crate::model::TaskPriority;

fn take(bytes: &[u8]) -> Result<Intake, InputError> {
    take_with(bytes, &InputOptions::default())
}

fn take_with(bytes: &[u8], options: &InputOptions) -> Result<Intake, InputError> {
    let (mut intake, mut places) = (Intake::default(), HashMap::new());
    let mut builder = IntakeBuilder::new("sheet".to_owned(), options, &mut intake, &mut places);
    take_bytes(bytes, &mut builder)?;
    builder.finish()?;
    Ok(intake)
}

fn numbers(intake: &Intake) -> Vec<String> {
    intake.tasks.iter().map(|task| task.po.to_string()).collect()
}

#[test]
fn a_messy_sheet_gives_its_orders_and_names_its_bad_rows() {
    let sheet = "\u{feff}Orders of May;;\r\n\r\nSupplier;PO NUMBER;Priority\r\nAcme; po15262984 ;low\r\n;;\r\nBolt;N/A;\r\n\
                 \r\nAcme;15262984;URGENT\r\nCog;PM7;soon\r\nDelta;;\r\n\"E;E\";PO-ABC;\r\n";
    let intake = take(sheet.as_bytes()).unwrap();
    assert_eq!(numbers(&intake), ["PO15262984", "PM7"]);
    assert_eq!(intake.tasks[0].priority, TaskPriority::Urgent);
    assert_eq!(intake.tasks[0].metadata, Metadata::from([("Supplier".to_owned(), "Acme".to_owned())]));
    assert_eq!(intake.row_counts[0].merged, 1);
    let places: Vec<_> = intake.rejects.iter().map(|reject| (reject.line, reject.text.as_str())).collect();
    assert_eq!(places, [(6, "N/A"), (10, "Delta"), (11, "PO-ABC")]);
    let lines: Vec<_> = intake.remarks.iter().map(|remark| remark.line).collect();
    assert_eq!(lines, [Some(8), Some(9)], "another prefix, a priority that nobody knows");
}

#[test]
fn a_list_needs_no_header() {
    let intake = take(b"# all of May\n15262984\n\nPO7 # late\njunk\nPO#8\n").unwrap();
    assert_eq!(numbers(&intake), ["15262984", "PO7", "PO8"]);
    assert_eq!((intake.rejects.len(), intake.rejects[0].line), (1, 5));
}

#[test]
fn a_comment_with_commas_does_not_make_a_list_a_table() {
    let intake = take(b"# May, June, July\n1\n2 # a, b\n").unwrap();
    assert_eq!(numbers(&intake), ["1", "2"]);
}

#[test]
fn windows_1252_and_utf_16_sheets_are_read() {
    let intake = take(b"Lieferant,PO_NUM\nM\xfcller,7\n").unwrap();
    assert_eq!(intake.tasks[0].metadata["Lieferant"], "Müller");
    let wide: Vec<u8> =
        [0xff, 0xfe].into_iter().chain("x\tPO\r\né\t7\r\n".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(numbers(&take(&wide).unwrap()), ["7"]);
}

#[test]
fn what_cannot_be_used_is_refused_with_what_is_there() {
    assert!(matches!(take(b""), Err(InputError::Empty { .. })));
    assert!(matches!(take(b" \n;;\n"), Err(InputError::Empty { .. })));
    assert!(matches!(take(b"a\0b"), Err(InputError::NotText { .. })));
    assert!(matches!(take(b"PK\x03\x04 no"), Err(InputError::NotAWorkbook { .. })));
    assert!(matches!(take(b"\xd0\xcf\x11\xe0 no"), Err(InputError::NotAWorkbook { .. })));
    let shown = take(b"Supplier;Order ID\nAcme;x\n").unwrap_err().to_string();
    assert!(shown.contains("Supplier | Order ID") && shown.contains("PO_NUMBER"), "{shown}");
}

#[test]
fn several_sources_are_one_intake() {
    let sources = ["PO7", "8", "7"].map(|word| word.parse().unwrap());
    let options = InputOptions { priority: TaskPriority::High, ..InputOptions::default() };
    let intake = read(&sources, &options).unwrap();
    assert_eq!((numbers(&intake), intake.row_counts[2].merged), (vec!["PO7".to_owned(), "8".to_owned()], 1));
    assert_eq!(intake.tasks[0].priority, TaskPriority::High);
}

fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    book.add_worksheet().set_name("Cover").unwrap().write(0, 0, "Purchase orders").unwrap();
    let sheet = book.add_worksheet();
    sheet.write(2, 3, "po_number").unwrap().write(2, 1, "Supplier").unwrap().write(2, 4, "Priority").unwrap();
    sheet.write(3, 3, 15_262_984.0).unwrap().write(3, 1, "Acme").unwrap().write(3, 4, "high").unwrap();
    sheet.write(5, 3, "PO-15262985").unwrap();
    sheet.write(6, 3, "N/A").unwrap();
    sheet.write(7, 3, true).unwrap();
    sheet.write_with_format(8, 3, 45_000.5, &Format::new().set_num_format("yyyy-mm-dd")).unwrap();
    // the far corner: a stray cell that would cost gigabytes if all before it were held
    sheet.write(1_048_575, 16_383, "x").unwrap();
    book.save_to_buffer().unwrap()
}

#[test]
fn a_workbook_is_read_from_the_first_sheet_with_the_column() {
    let intake = take(&workbook()).unwrap();
    assert_eq!(numbers(&intake), ["15262984", "PO15262985"]);
    assert_eq!(intake.tasks[0].priority, TaskPriority::High);
    assert_eq!(intake.tasks[0].metadata["Supplier"], "Acme");
    let lines: Vec<_> = intake.rejects.iter().map(|reject| reject.line).collect();
    assert_eq!(lines, [7, 8, 9, 1_048_576]);
}

#[test]
fn a_workbook_can_be_a_list() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, 7).unwrap().write(1, 0, "PO8").unwrap();
    assert_eq!(numbers(&take(&book.save_to_buffer().unwrap()).unwrap()), ["7", "PO8"]);
}
