//! Parquet files: RouteLab's own, those of others, and damaged ones.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{File, fails};
use ndarray::array;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use routelab_data::{DataSpec, Missing, RoutingTable, load, write_parquet};

const SCHEMA: &str = "
    format = 'tabular'
    [schema]
    id = ['id']
    prompt = ['question']
    layout.wide = { quality = '{model}|correct', cost = '{model}|outchars' }
    cost_unit = 'output characters'";

/// One column of an example file.
enum Column {
    Text(Vec<Option<&'static [u8]>>),
    Truth(Vec<bool>),
    Int(Vec<i32>),
    Long(Vec<i64>),
    Double(Vec<Option<f64>>),
    Bytes(Vec<&'static [u8]>),
}

/// Writes a Parquet file the way others do: optional columns, one row group.
fn write(path: &Path, compression: Compression, columns: &[(&str, Column)]) {
    let field = |(name, column): &(&str, Column)| {
        let (physical, logical) = match column {
            Column::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Column::Truth(_) => (Physical::BOOLEAN, None),
            Column::Int(_) => (Physical::INT32, None),
            Column::Long(_) => (Physical::INT64, None),
            Column::Double(_) => (Physical::DOUBLE, None),
            Column::Bytes(_) => (Physical::BYTE_ARRAY, Some(LogicalType::Bson)),
        };
        let builder = Type::primitive_type_builder(name, physical).with_logical_type(logical);
        Arc::new(
            builder
                .with_repetition(Repetition::OPTIONAL)
                .build()
                .unwrap(),
        )
    };
    let schema = Type::group_type_builder("schema")
        .with_fields(columns.iter().map(field).collect())
        .build()
        .unwrap();
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer =
        SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for (_, column) in columns {
        let mut chunk = group.next_column().unwrap().unwrap();
        fn put<T: DataType>(
            chunk: &mut parquet::file::writer::SerializedColumnWriter<'_>,
            values: Vec<Option<T::T>>,
        ) {
            let levels: Vec<i16> = values
                .iter()
                .map(|value| i16::from(value.is_some()))
                .collect();
            let values: Vec<T::T> = values.into_iter().flatten().collect();
            chunk
                .typed::<T>()
                .write_batch(&values, Some(&levels), None)
                .unwrap();
        }
        match column {
            Column::Text(texts) => {
                put::<ByteArrayType>(
                    &mut chunk,
                    texts
                        .iter()
                        .map(|text| text.map(|text| ByteArray::from(text.to_vec())))
                        .collect(),
                );
            }
            Column::Bytes(bytes) => {
                put::<ByteArrayType>(
                    &mut chunk,
                    bytes
                        .iter()
                        .map(|bytes| Some(ByteArray::from(bytes.to_vec())))
                        .collect(),
                );
            }
            Column::Truth(values) => {
                put::<BoolType>(&mut chunk, values.iter().copied().map(Some).collect())
            }
            Column::Int(values) => {
                put::<Int32Type>(&mut chunk, values.iter().copied().map(Some).collect())
            }
            Column::Long(values) => {
                put::<Int64Type>(&mut chunk, values.iter().copied().map(Some).collect())
            }
            Column::Double(values) => put::<DoubleType>(&mut chunk, values.clone()),
        }
        chunk.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}

fn texts(texts: &[&'static str]) -> Column {
    Column::Text(texts.iter().map(|text| Some(text.as_bytes())).collect())
}

fn example(correct: Column, compression: Compression) -> (File, DataSpec) {
    let file = File::new("t.parquet", "");
    let columns = [
        ("question", texts(&["p", "q"])),
        ("small|correct", correct),
        ("small|outchars", Column::Int(vec![10, 20])),
        ("id", Column::Long(vec![7, 1 << 40])),
        ("unused", Column::Bytes(vec![b"\xff", b"\xff"])),
    ];
    write(&file.path, compression, &columns);
    let spec = file.toml(SCHEMA);
    (file, spec)
}

#[test]
fn the_usual_types_are_read() {
    for correct in [
        Column::Truth(vec![true, false]),
        Column::Double(vec![Some(1.0), Some(0.0)]),
        Column::Int(vec![1, 0]),
    ] {
        for compression in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::ZSTD(Default::default()),
        ] {
            let correct = match &correct {
                Column::Truth(values) => Column::Truth(values.clone()),
                Column::Double(values) => Column::Double(values.clone()),
                Column::Int(values) => Column::Int(values.clone()),
                _ => unreachable!(),
            };
            let (_file, spec) = example(correct, compression);
            let loaded = load(&spec).unwrap();
            assert_eq!(loaded.table.ids(), ["7", "1099511627776"]);
            assert_eq!(loaded.table.prompts(), ["p", "q"]);
            assert_eq!(loaded.table.quality(), array![[1.0], [0.0]]);
            assert_eq!(loaded.table.cost(), array![[10.0], [20.0]]);
            assert_eq!(loaded.table.cost_unit().name, "output characters");
            assert_eq!(loaded.report.notes, ["columns not used: unused"]);
        }
    }
}

#[test]
fn null_cells_are_missing() {
    let (_file, spec) = example(Column::Double(vec![Some(1.0), None]), Compression::SNAPPY);
    fails(
        &spec,
        &[
            "t.parquet, row 2 (id \"1099511627776\"), column \"small|correct\": the value is missing",
        ],
    );
    let loaded = load(&DataSpec {
        missing: Missing::DropQuery,
        ..spec
    })
    .unwrap();
    assert_eq!(
        (
            loaded.table.len(),
            loaded.report.dropped_queries,
            loaded.report.missing_cells
        ),
        (1, 1, 1)
    );
}

#[test]
fn text_in_a_number_column() {
    let (_file, spec) = example(texts(&["1", "yes"]), Compression::SNAPPY);
    fails(
        &spec,
        &["t.parquet, row 2, column \"small|correct\": found \"yes\", expected a quality"],
    );
}

#[test]
fn quality_above_one() {
    let (_file, spec) = example(
        Column::Double(vec![Some(1.0), Some(1.7)]),
        Compression::SNAPPY,
    );
    fails(
        &spec,
        &["t.parquet, row 2, column \"small|correct\": found 1.7, expected a quality from 0 to 1"],
    );
}

#[test]
fn text_that_is_not_utf8() {
    let (_file, spec) = example(
        Column::Text(vec![Some(b"1"), Some(b"\xe9")]),
        Compression::SNAPPY,
    );
    fails(
        &spec,
        &["t.parquet, row 2, column \"small|correct\": found \"bytes that are not UTF-8\""],
    );
}

#[test]
fn type_that_is_neither_text_nor_number() {
    let (_file, spec) = example(Column::Bytes(vec![b"1", b"0"]), Compression::SNAPPY);
    fails(
        &spec,
        &[
            "column \"small|correct\": cannot read the type BYTE_ARRAY (Bson); expected text, a number or true/false",
        ],
    );
}

#[test]
fn missing_column() {
    let (file, _spec) = example(Column::Int(vec![1, 0]), Compression::SNAPPY);
    let spec = file.toml(&SCHEMA.replace("'question'", "'prompt'"));
    fails(
        &spec,
        &[
            "t.parquet has no column \"prompt\" (the prompt); its columns are \"question\", \"small|correct\"",
        ],
    );
}

#[test]
fn empty_file() {
    let file = File::new("t.parquet", "");
    fails(
        &file.toml(SCHEMA),
        &["t.parquet is empty; expected a Parquet file"],
    );
}

#[test]
fn no_rows() {
    let file = File::new("t.parquet", "");
    let columns = [
        ("question", texts(&[])),
        ("id", texts(&[])),
        ("a|correct", texts(&[])),
        ("a|outchars", texts(&[])),
    ];
    write(&file.path, Compression::SNAPPY, &columns);
    fails(&file.toml(SCHEMA), &["t.parquet has no data rows"]);
}

#[test]
fn file_of_another_kind() {
    let file = File::new("t.parquet", "id,question\n1,q\n");
    fails(
        &file.toml(SCHEMA),
        &[
            "t.parquet: not a readable Parquet file (",
            "copy or download it again",
        ],
    );
}

#[test]
fn file_cut_off_anywhere() {
    let (file, spec) = example(Column::Int(vec![1, 0]), Compression::SNAPPY);
    let bytes = std::fs::read(&file.path).unwrap();
    for length in 1..bytes.len() {
        std::fs::write(&file.path, &bytes[..length]).unwrap();
        fails(
            &spec,
            &[
                "t.parquet: not a readable Parquet file (",
                "cut off or damaged",
            ],
        );
    }
}

#[test]
fn file_with_any_byte_changed_is_an_error_or_a_sound_table() {
    let (file, spec) = example(
        Column::Double(vec![Some(1.0), Some(0.0)]),
        Compression::SNAPPY,
    );
    let bytes = std::fs::read(&file.path).unwrap();
    for position in 0..bytes.len() {
        for flip in [0x01, 0xff] {
            let mut damaged = bytes.clone();
            damaged[position] ^= flip;
            std::fs::write(&file.path, &damaged).unwrap();
            if let Err(error) = load(&spec) {
                assert!(error.to_string().contains("t.parquet"), "{error}");
            }
        }
    }
}

#[test]
fn a_foreign_parquet_file_is_not_taken_for_ours() {
    let (file, _spec) = example(Column::Int(vec![1, 0]), Compression::SNAPPY);
    fails(
        &file.spec("routelab"),
        &[
            "t.parquet is a Parquet file, but not one that RouteLab wrote; use `format = \"tabular\"`",
        ],
    );
}

#[test]
fn writing_twice_gives_the_same_bytes() {
    let table: RoutingTable = common::table(50, |query| format!("t{}", query % 3), None);
    let file = File::new("a.parquet", "");
    write_parquet(&table, &file.path).unwrap();
    write_parquet(&table, &file.beside("b.parquet")).unwrap();
    assert_eq!(
        std::fs::read(&file.path).unwrap(),
        std::fs::read(file.beside("b.parquet")).unwrap()
    );
}

#[test]
fn nothing_is_left_behind_when_writing_fails() {
    let table = common::table(5, |_| "t".to_owned(), None);
    let file = File::new("a.txt", "");
    let message = write_parquet(&table, &file.beside("missing/a.parquet"))
        .unwrap_err()
        .to_string();
    assert!(message.contains("a.parquet: No such file"), "{message}");
    std::fs::create_dir(file.beside("taken")).unwrap();
    assert!(write_parquet(&table, &file.beside("taken")).is_err());
    let left: Vec<_> = std::fs::read_dir(file.path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
