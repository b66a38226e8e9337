//! Damaged and hostile files: named as what they are, within bounds.

use std::io::Write;

use proptest::prelude::*;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::writers::{Grid, Value, every_format, ods, package, xlsb_cut, xlsx_of_rows};
use super::{numbers, take};
use crate::input::InputError;

fn grid() -> Grid {
    let word = |text: &str| Value::Text(text.to_owned());
    let mut grid = vec![vec![word("PO_NUMBER"), word("Buyer")]];
    grid.extend((0..40).map(|at| vec![Value::Number(f64::from(15_262_984 + at)), word("Ada")]));
    grid
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_damaged_file_makes_it_panic(
        format in 0..10_usize,
        at in prop::collection::vec((0..8000_usize, any::<u8>()), 1..6),
        cut in prop::option::of(0..8000_usize),
    ) {
        let (_, mut bytes) = every_format(&grid()).swap_remove(format);
        for (place, byte) in at {
            let len = bytes.len();
            bytes[place % len] = byte;
        }
        bytes.truncate(cut.unwrap_or(usize::MAX));
        if let Ok(intake) = take(&bytes) {
            prop_assert!(intake.row_counts[0].is_complete());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(head in 0..7_usize, bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let heads: [&[u8]; 7] = [
            b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\xff\xfe", b"<html><table>", b"PO_NUMBER\n",
            b"<Workbook xmlns='urn:schemas-microsoft-com:office:spreadsheet'>",
        ];
        let _ = take(&[heads[head], &bytes].concat());
    }
}

#[test]
fn what_is_no_sheet_is_named_as_what_it_is() {
    for (bytes, named) in [
        (&b"%PDF-1.7 ..."[..], "is a PDF"),
        (b"ID;PWXL;N;E\r\nC;Y1;X1", "SYLK"),
        (b"MIME-Version: 1.0\r\nX-Document-Type: Workbook", "web archive"),
        (b"<?xml version='1.0'?><orders><po>7</po></orders>", "is XML, but no workbook"),
        (b"<html><form>Log in</form></html>", "is a web page without a table"),
        (b"{\"orders\": [7]}", "is JSON"),
        (&package(&[("word/document.xml", b"<w/>")]), "is a Word document"),
        (&package(&[("orders.csv", b"PO\n7")]), "is a ZIP archive, but no workbook"),
        (
            &package(&[("mimetype", b"application/vnd.oasis.opendocument.text"), ("content.xml", b"<x/>")]),
            "no spreadsheet",
        ),
        (b"PK\x03\x04 cut off", "damaged or cut off"),
        (b"\xd0\xcf\x11\xe0 cut off", "damaged or cut off"),
    ] {
        let told = take(bytes).unwrap_err().to_string();
        assert!(told.contains(named), "{told}");
    }
}

#[test]
fn workbooks_with_a_password_are_named_as_such() {
    let mut file = cfb::CompoundFile::create(std::io::Cursor::new(Vec::new())).unwrap();
    file.create_stream("EncryptedPackage").unwrap().write_all(b"secret").unwrap();
    file.flush().unwrap();
    let office = file.into_inner().into_inner();
    let manifest = b"<manifest:manifest><manifest:file-entry><manifest:encryption-data/></manifest:file-entry></manifest:manifest>";
    let libre = package(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("META-INF/manifest.xml", manifest),
        ("content.xml", b"\x17\x93\x01"),
    ]);
    for bytes in [office, libre] {
        let refused = take(&bytes).unwrap_err();
        assert!(matches!(refused, InputError::Locked { .. }), "{refused:?}");
    }
}

#[test]
fn what_grows_without_bound_when_it_is_unpacked_is_refused() {
    // 3 GB of blanks in some kilobytes
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    zip.start_file("mimetype", options).unwrap();
    zip.write_all(b"application/vnd.oasis.opendocument.spreadsheet").unwrap();
    zip.start_file("xl/workbook.xml", options).unwrap();
    zip.write_all(b"<workbook><sheets><sheet name='S'").unwrap();
    let blanks = vec![b' '; 1 << 20];
    for _ in 0..40 {
        zip.write_all(&blanks).unwrap();
    }
    let bomb = zip.finish().unwrap().into_inner();
    assert!(matches!(take(&bomb), Err(InputError::TooLargeUnpacked { .. })));
}

#[test]
fn counts_of_repeated_rows_and_cells_are_bounded() {
    let repeated = |rows: u64, columns: u64| {
        let content = format!(
            "<office:document-content><office:body><office:spreadsheet><table:table table:name='S'>\
             <table:table-row><table:table-cell office:value-type='string'><text:p>PO</text:p></table:table-cell></table:table-row>\
             <table:table-row table:number-rows-repeated='{rows}'><table:table-cell table:number-columns-repeated='{columns}' \
             office:value-type='float' office:value='15262984'><text:p>15262984</text:p></table:table-cell></table:table-row>\
             <table:table-row table:number-rows-repeated='18446744073709551615'><table:table-cell/></table:table-row>\
             </table:table></office:spreadsheet></office:body></office:document-content>"
        );
        take(&package(&[
            ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
            ("content.xml", content.as_bytes()),
        ]))
    };
    let intake = repeated(3, 1).unwrap();
    assert_eq!((intake.row_counts[0].rows, intake.row_counts[0].merged), (3, 2));
    assert!(matches!(repeated(1_000_000, 16_000), Err(InputError::TooManyCells { .. })));
    assert!(matches!(repeated(2_000_000, 1), Err(InputError::TooManyCells { .. })));
    assert!(matches!(repeated(1, 1_000_000), Err(InputError::NotAWorkbook { .. })));
}

#[test]
fn a_cell_that_makes_no_sense_costs_only_its_own_row() {
    let rows = "<row r='1'><c r='A1' t='str'><v>PO_NUMBER</v></c><c r='B1' t='str'><v>Rate</v></c></row>\
                <row r='2'><c r='A2'><v>15262984</v></c><c r='B2' t='e'><v>#SPILL!</v></c></row>\
                <row r='3'><c r='A3' t='e'><v>#BUSY!</v></c></row>\
                <row r='4'><c r='A4' t='s'><v>99</v></c></row>\
                <row r='5'><c r='A5' t='n'><v>abc</v></c></row>\
                <row r='6'><c r='A6' t='b'><v>banana</v></c></row>\
                <row r='7'><c r='A7' t='z'><v>15262990</v></c></row>\
                <row r='8'><c r='A8'><f>A2+1</f><v/></c></row>";
    let intake = take(&xlsx_of_rows(rows)).unwrap();
    assert_eq!(numbers(&intake), ["15262984", "15262990"]);
    assert_eq!(intake.tasks[0].metadata["Rate"], "#SPILL!");
    let refused: Vec<_> = intake.rejects.iter().map(|reject| (reject.line, reject.reason.as_str())).collect();
    assert_eq!(refused.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 4, 5, 6, 8]);
    assert!(refused[0].1.contains("#BUSY!") && refused[4].1.contains("formula without a value"), "{refused:?}");
}

#[test]
fn hidden_sheets_of_other_formats_are_hidden_too() {
    let (orders, old) = (grid(), vec![vec![Value::Text("PO".to_owned())], vec![Value::Number(7.0)]]);
    let intake = take(&ods(&[("old", true, &old), ("orders", false, &orders)])).unwrap();
    assert_eq!(intake.tasks.len(), 40);
    assert!(intake.remarks[0].to_string().contains("hidden sheets with orders are not read: \"old\""));
}

#[test]
fn a_binary_cell_that_is_cut_short_is_told_and_not_read_as_blank() {
    let grid = vec![vec![Value::Text("PO".to_owned())], vec![Value::Number(15.0)], vec![Value::Number(77.0)]];
    let intake = take(&xlsb_cut(&grid, 0)).unwrap();
    assert_eq!(numbers(&intake), ["15", "77"]);
    let intake = take(&xlsb_cut(&grid, 3)).unwrap();
    assert_eq!(numbers(&intake), ["15"]);
    assert_eq!(intake.rejects.len(), 1);
    assert!(intake.rejects[0].text.contains("#damaged"), "{:?}", intake.rejects);
}

#[test]
fn a_chart_that_lies_on_a_sheet_hides_no_row() {
    let grid = vec![vec![Value::Text("PO".to_owned())], vec![Value::Number(15.0)]];
    let chart = "<table:shapes><draw:frame><draw:object><office:chart><table:table table:name='data'><table:table-row>\
                 <table:table-cell office:value-type='float' office:value='9'/></table:table-row></table:table></office:chart>\
                 </draw:object></draw:frame></table:shapes>";
    let content = format!(
        "<?xml version='1.0'?><office:document office:mimetype='application/vnd.oasis.opendocument.spreadsheet'>{}</office:document>",
        super::writers::opendocument(&[("Orders", false, &grid)])
    );
    let with_chart = content.replacen("<table:table-row", &format!("{chart}<table:table-row"), 1);
    assert_ne!(content, with_chart);
    assert_eq!(numbers(&take(with_chart.as_bytes()).unwrap()), ["15"]);
}

#[test]
fn sheets_that_are_not_read_are_named_but_not_hundreds_of_them() {
    let (orders, heads) = (grid(), vec![vec![Value::Text("PO".to_owned()), Value::Text("Buyer".to_owned())]]);
    let intake = take(&ods(&[("orders", false, &orders), ("template", false, &heads)])).unwrap();
    assert!(intake.remarks[0].to_string().contains("without a row below them: \"template\""), "{:?}", intake.remarks);
    let names: Vec<_> = (0..500).map(|at| format!("notes {at}")).collect();
    let notes = vec![vec![Value::Text("bring milk".to_owned())]];
    let mut sheets = vec![("orders", false, &orders)];
    sheets.extend(names.iter().map(|name| (name.as_str(), false, &notes)));
    let told = take(&ods(&sheets)).unwrap().remarks[0].to_string();
    assert!(told.contains("\"notes 0\"") && told.ends_with("and 488 more"), "{told}");
}
