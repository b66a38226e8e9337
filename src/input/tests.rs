//! Whole sheets, read as a person's file would be.

use std::sync::LazyLock;

use proptest::prelude::*;
use rust_xlsxwriter::{Format, Workbook};

use super::*;

fn take(bytes: &[u8]) -> Result<Intake, InputError> {
    let (mut intake, mut places) = (Intake::default(), HashMap::new());
    let mut builder = IntakeBuilder::new("sheet".to_owned(), TaskPriority::Normal, &mut intake, &mut places);
    take_bytes(bytes, &mut builder)?;
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
    assert_eq!(intake.duplicates, 1);
    let places: Vec<_> = intake.rejects.iter().map(|reject| (reject.line, reject.text.as_str())).collect();
    assert_eq!(places, [(6, "N/A"), (10, ""), (11, "PO-ABC")]);
    assert_eq!(intake.remarks[0].line, 9);
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
    let intake = read(&sources, TaskPriority::High).unwrap();
    assert_eq!((numbers(&intake), intake.duplicates), (vec!["PO7".to_owned(), "8".to_owned()], 1));
    assert_eq!(intake.tasks[0].priority, TaskPriority::High);
}

static WORKBOOK: LazyLock<Vec<u8>> = LazyLock::new(workbook);

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
    let intake = take(&WORKBOOK).unwrap();
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

proptest! {
    #[test]
    fn of_no_text_is_more_taken_than_stands_there(text in "(PO_NUMBER[,;\t|\n]|PO|[0-9]{1,9}|[,;\"\n\r#=' ]|\\PC){0,60}") {
        let Ok(intake) = take(text.as_bytes()) else { return Ok(()) };
        let line_count = text.split(['\n', '\r']).count();
        for number in numbers(&intake) {
            prop_assert!(text.contains(number.trim_start_matches(char::is_alphabetic)), "{number} of {text:?}");
        }
        for reject in &intake.rejects {
            prop_assert!((1..=line_count).contains(&usize::try_from(reject.line).unwrap()), "{reject:?} of {text:?}");
            prop_assert!(!reject.reason.is_empty() && !reject.text.contains('\n'), "{reject:?}");
        }
    }

    #[test]
    fn no_bytes_make_it_panic(head in 0..4usize, bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let heads: [&[u8]; 4] = [b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\xff\xfe"];
        let _ = take(&[heads[head], &bytes].concat());
    }

    #[test]
    fn every_row_of_a_table_is_taken_or_named(cells in proptest::collection::vec("[0-9A-Z/ -]{1,6}", 1..40)) {
        let sheet = format!("PO_NUMBER\n{}\n", cells.join("\n"));
        let intake = take(sheet.as_bytes()).unwrap();
        let blank_count = cells.iter().filter(|cell| cell.trim().is_empty()).count();
        prop_assert_eq!(intake.tasks.len() + intake.duplicates + intake.rejects.len() + blank_count, cells.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_damaged_workbook_makes_it_panic(at in proptest::collection::vec((0..4000usize, any::<u8>()), 1..6)) {
        let mut bytes = WORKBOOK.clone();
        for (place, byte) in at {
            let len = bytes.len();
            bytes[place % len] = byte;
        }
        let _ = take(&bytes);
    }
}

/// The least compound file that says that it is an encrypted workbook.
fn encrypted() -> Vec<u8> {
    const END: u32 = 0xffff_fffe;
    let mut bytes = vec![0xff; 3 * 512];
    bytes[..76].fill(0);
    bytes[..8].copy_from_slice(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]);
    for (at, short) in [(24, 0x3e_u16), (26, 3), (28, 0xfffe), (30, 9), (32, 6)] {
        bytes[at..at + 2].copy_from_slice(&short.to_le_bytes());
    }
    // one sector of the table of sectors, the folder in the next one, no other tables
    for (at, long) in [(44, 1), (48, 1), (56, 4096), (60, END), (68, END), (76, 0), (512, 0xffff_fffd), (516, END)] {
        bytes[at..at + 4].copy_from_slice(&u32::to_le_bytes(long));
    }
    bytes[1024..].fill(0);
    for (at, name, kind) in [(1024, "Root Entry", 5), (1152, "EncryptedPackage", 2)] {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        bytes[at..at + wide.len()].copy_from_slice(&wide);
        bytes[at + 64] = u8::try_from(wide.len() + 2).unwrap();
        bytes[at + 66] = kind;
        bytes[at + 116..at + 120].copy_from_slice(&END.to_le_bytes());
    }
    bytes
}

#[test]
fn a_workbook_with_a_password_is_named_as_one() {
    let refused = take(&encrypted()).unwrap_err();
    assert!(matches!(refused, InputError::Locked { .. }), "{refused:?}");
}
