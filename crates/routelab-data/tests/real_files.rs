//! Files as people really have them: from Windows, from European Excel, from Python and pandas, compressed, in percent.

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};

use common::{File, fails};
use ndarray::array;
use routelab_data::{DataSpec, Loaded, Missing, load, read_text, summary};

const SCHEMA: &str = r#"
    format = "tabular"
    [schema]
    id = ["sample"]
    prompt = ["question"]
    task = "subject"
    layout.wide = { quality = "{model}|score", cost = "{model}|cost" }"#;

const SMALL: &str = r#"
    format = "tabular"
    [schema]
    id = ["id"]
    prompt = ["question"]
    layout.wide = { quality = "{model}|score", cost = "{model}|cost" }"#;

const TABLE: &str = "id,question,m|score,m|cost\na,p,1,0.000118\nb,q é,0.5,2.5\n";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/real")
        .join(name)
}

fn real(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(bytes.as_ref()).unwrap();
    writer.finish().unwrap()
}

fn zstd(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    zstd::encode_all(bytes.as_ref(), 3).unwrap()
}

fn schema(extra: &str) -> String {
    SCHEMA.replace("id = [", &format!("{extra}\n    id = ["))
}

#[track_caller]
fn loads(spec: &DataSpec) -> Loaded {
    load(spec).unwrap_or_else(|error| panic!("{error}"))
}

/// The table of [`TABLE`].
#[track_caller]
fn is_table(spec: &DataSpec) {
    let table = loads(spec).table;
    assert_eq!(table.ids(), ["a", "b"]);
    assert_eq!(table.prompts(), ["p", "q é"]);
    assert_eq!(table.quality(), array![[1.0], [0.5]]);
    assert_eq!(table.cost(), array![[0.000118], [2.5]]);
}

fn lines() -> String {
    let rows: Vec<String> = json_rows();
    rows.join("\n") + "\n"
}

fn json_rows() -> Vec<String> {
    [("a", "p", 1.0, 0.000118), ("b", "q é", 0.5, 2.5)]
        .map(|(id, question, score, cost)| {
            format!(r#"{{"id": "{id}", "question": "{question}", "m|score": {score}, "m|cost": {cost}}}"#)
        })
        .to_vec()
}

fn json() -> String {
    format!("[{}]", json_rows().join(",\n"))
}

const MARK: &str = "\u{feff}";

#[test]
fn a_byte_order_mark_is_left_out_everywhere() {
    for (name, text) in [
        ("t.csv", TABLE.to_owned()),
        ("t.jsonl", lines()),
        ("t.json", json()),
    ] {
        is_table(&File::new(name, format!("{MARK}{text}")).toml(SMALL));
        is_table(&File::new(&format!("{name}.gz"), gzip(format!("{MARK}{text}"))).toml(SMALL));
    }
    let folder = File::new(
        "dataset.toml",
        format!("{MARK}format = \"zeroeval\"\npath = \"x.csv\"\n"),
    );
    assert_eq!(DataSpec::read(&folder.path).unwrap().format, "zeroeval");
    assert!(read_text(&folder.path).unwrap().starts_with("format"));
}

#[test]
fn nan_in_json_is_missing() {
    for name in ["nan.json", "nan.jsonl"] {
        let file = File::new(name, real(name));
        let spec = DataSpec {
            missing: Missing::DropQuery,
            ..file.toml(SCHEMA)
        };
        let loaded = loads(&spec);
        assert_eq!((loaded.table.len(), loaded.report.dropped_queries), (6, 1));
        fails(
            &file.toml(SCHEMA),
            &["column \"medium|score\": the value is missing"],
        );
    }
}

#[test]
fn infinity_in_json_is_named() {
    for (bare, found) in [("Infinity", "inf"), ("-Infinity", "-inf")] {
        let text = lines().replace("0.5", bare);
        let file = File::new("t.jsonl", &text);
        fails(
            &file.toml(SMALL),
            &[
                "row 2 (line 2), column \"m|score\"",
                &format!("found {found}"),
            ],
        );
        let clamped = format!("out_of_range = \"clamp\"\n{SMALL}");
        fails(
            &file.toml(&clamped),
            &["column \"m|score\"", &format!("found {found}")],
        );
        let text = json().replace("2.5", bare);
        fails(
            &File::new("t.json", text).toml(SMALL),
            &["column \"m|cost\"", &format!("found {found}")],
        );
    }
}

#[test]
fn words_of_json_in_a_prompt_stay() {
    let text = lines()
        .replace("\"p\"", r#""NaN \"Infinity\" NaN""#)
        .replace("0.5", "NaN");
    let spec = DataSpec {
        missing: Missing::DropQuery,
        ..File::new("t.jsonl", "").toml(SMALL)
    };
    std::fs::create_dir_all(spec.path.parent().unwrap()).unwrap();
    std::fs::write(&spec.path, text).unwrap();
    assert_eq!(loads(&spec).table.prompts(), ["NaN \"Infinity\" NaN"]);
    std::fs::remove_dir_all(spec.path.parent().unwrap()).unwrap();
}

#[test]
fn compressed_text_is_read_whatever_its_name() {
    let tabs = TABLE.replace(',', "\t");
    for (name, text) in [
        ("t.csv", TABLE.to_owned()),
        ("t.tsv", tabs),
        ("t.jsonl", lines()),
        ("t.json", json()),
    ] {
        for packed in [gzip(&text), zstd(&text)] {
            is_table(&File::new(name, &packed).toml(SMALL));
        }
        is_table(&File::new(&format!("{name}.gz"), gzip(&text)).toml(SMALL));
        is_table(&File::new(&format!("{name}.zst"), zstd(&text)).toml(SMALL));
    }
    // Several streams in one file, as `cat a.gz b.gz` makes.
    let (head, tail) = TABLE.split_at(30);
    is_table(&File::new("t.csv.gz", [gzip(head), gzip(tail)].concat()).toml(SMALL));
    is_table(&File::new("t.csv.zst", [zstd(head), zstd(tail)].concat()).toml(SMALL));
    let forced = SMALL.replace("id = [", "file = \"csv\"\n id = [");
    is_table(&File::new("t.data", gzip(TABLE)).toml(&forced));
}

#[test]
fn a_compressed_file_that_is_cut_off_says_so() {
    let rows: String = (0..20_000)
        .map(|row| {
            format!(
                "q{row},prompt {},1,0.{}\n",
                row * 7919 % 10_007,
                row * 31 % 997
            )
        })
        .collect();
    let text = format!("id,question,m|score,m|cost\n{rows}");
    for (packed, name, command) in [
        (gzip(&text), "gzip", "gzip -dc"),
        (zstd(&text), "Zstandard", "zstd -dc"),
    ] {
        let file = File::new("t.csv", &packed[..packed.len() / 2]);
        fails(
            &file.toml(SMALL),
            &[
                "t.csv",
                &format!("compressed with {name}"),
                "ends in the middle",
                command,
            ],
        );
    }
    let mut damaged = gzip(TABLE);
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    fails(
        &File::new("t.csv", damaged).toml(SMALL),
        &["t.csv: it is compressed with gzip"],
    );
}

#[test]
fn a_file_that_unpacks_without_end_is_refused() {
    let zeros = vec![b' '; 100 << 20];
    for packed in [gzip(&zeros), zstd(&zeros)] {
        for name in ["t.csv", "t.json", "t.jsonl"] {
            fails(
                &File::new(name, &packed).toml(SMALL),
                &["unpacks to more than 250 times its size", "unpack it with"],
            );
        }
    }
    let zeros = vec![0_u8; 100 << 20];
    let bomb = [b"\x80\x05".to_vec(), zeros].concat();
    fails(
        &File::new("t.pkl", gzip(bomb)).toml(SMALL),
        &["unpacks to more than 250 times its size"],
    );
}

#[test]
fn other_packings_are_named_with_a_command() {
    for (bytes, parts) in [
        (&b"BZh91AY&SY"[..], ["bzip2", "`bunzip2 -k "]),
        (b"\xfd7zXZ\0\0\0", ["xz", "`xz -dk "]),
        (
            b"PK\x03\x04rest",
            ["zip archive or an Excel workbook", "`unzip "],
        ),
        (b"\x04\x22\x4d\x18rest", ["LZ4", "`lz4 -dk "]),
        (b"7z\xbc\xaf\x27\x1crest", ["7z archive", "`7z x "]),
    ] {
        for name in ["t.csv", "t.jsonl", "t.pkl", "t.csv.bz2"] {
            fails(&File::new(name, bytes).toml(SMALL), &parts);
        }
    }
    fails(
        &File::new("t.csv", "version https://git-lfs.github.com/spec/v1\n").toml(SMALL),
        &["Git LFS", "git lfs pull"],
    );
    fails(
        &File::new("t.csv", "<!DOCTYPE html>\n<html>").toml(SMALL),
        &["web page"],
    );
}

#[test]
fn a_file_of_another_kind_than_its_name_says_is_named() {
    let parquet = real("types.parquet");
    fails(
        &File::new("t.csv", &parquet).toml(SCHEMA),
        &["content is Parquet", "file = \"parquet\""],
    );
    fails(
        &File::new("t.json", real("plain.pkl")).toml(SCHEMA),
        &["content is a pickle", "file = \"pickle\""],
    );
    fails(
        &File::new("t.csv", lines()).toml(SMALL),
        &["content is JSON Lines", "file = \"json-lines\""],
    );
    fails(
        &File::new("t.parquet", gzip(&parquet)).toml(SCHEMA),
        &["compressed as a whole", "gunzip"],
    );
}

#[test]
fn semicolons_are_recognised_and_read() {
    let file = File::new("scores.csv", real("semicolons.csv"));
    fails(
        &file.toml(SCHEMA),
        &[
            "scores.csv: the cells are separated by semicolons, expected commas",
            "separator = \";\"",
            "in the schema",
        ],
    );
    fails(
        &file.toml(&schema("separator = \";\"")),
        &[
            "row 1 (line 2), column \"small|cost\": found \"0,0001\"",
            "decimal comma",
            "decimal = \",\"",
        ],
    );
    let loaded = loads(&file.toml(&schema("separator = \";\"\ndecimal = \",\"")));
    assert_eq!(loaded.table.len(), 12);
    assert_eq!(loaded.table.cost()[[0, 0]], 0.0001);
    // The same in a published format, which has no schema.
    fails(
        &File::new("bench.csv", "sample_id;prompt;eval_name;m;m|total_cost\n").spec("routerbench"),
        &["separated by semicolons", "save the file with commas"],
    );
}

#[test]
fn every_usual_separator_is_recognised() {
    for (separator, name, setting) in [(';', "semicolons", ";"), ('\t', "tabs", "\\t")] {
        let text = TABLE.replace(',', &separator.to_string());
        let file = File::new("t.csv", &text);
        fails(
            &file.toml(SMALL),
            &[
                &format!("separated by {name}"),
                &format!("separator = \"{setting}\""),
            ],
        );
        is_table(
            &file.toml(&SMALL.replace("id = [", &format!("separator = \"{setting}\"\n id = ["))),
        );
        let marked = format!("{MARK}{text}");
        is_table(
            &File::new("t.csv.gz", gzip(marked))
                .toml(&SMALL.replace("id = [", &format!("separator = \"{setting}\"\n id = ["))),
        );
    }
    fails(
        &File::new("t.tsv", TABLE).toml(SMALL),
        &["separated by commas, expected tabs"],
    );
    fails(
        &File::new("t.csv", format!("sep=;\n{}", TABLE.replace(',', ";"))).toml(SMALL),
        &["`sep=` of Excel", "separator = \";\""],
    );
    fails(
        &File::new("t.csv", TABLE).toml(&SMALL.replace("id = [", "separator = \"x\"\n id = [")),
        &["cannot separate cells"],
    );
    // Separators inside of quotes are text.
    is_table(
        &File::new(
            "t.csv",
            TABLE.replace("id,", "\"id\",").replace(",p,", ",\"p\","),
        )
        .toml(SMALL),
    );
}

#[test]
fn thousands_and_percent_signs_are_not_guessed() {
    let decimal = SMALL.replace("id = [", "separator = \";\"\n decimal = \",\"\n id = [");
    let text = TABLE
        .replace(',', ";")
        .replace("2.5", "1.234,5")
        .replace("0.5", "0,5")
        .replace("0.000118", "0,000118");
    fails(
        &File::new("t.csv", text).toml(&decimal),
        &["found \"1.234,5\"", "decimal comma"],
    );
    fails(
        &File::new("t.csv", TABLE.replace("0.5", "50%")).toml(SMALL),
        &["found \"50%\"", "percent sign", "quality_scale = 100"],
    );
}

#[test]
fn json_is_read_as_its_content_says() {
    is_table(&File::new("t.json", lines()).toml(SMALL));
    is_table(&File::new("t.jsonl", json()).toml(SMALL));
    for kind in ["json", "json-lines"] {
        let declared = SMALL.replace("id = [", &format!("file = \"{kind}\"\n id = ["));
        is_table(&File::new("t.txt", lines()).toml(&declared));
        is_table(&File::new("t.txt", json()).toml(&declared));
    }
}

#[test]
fn other_encodings_are_named_with_a_command_that_works() {
    let utf16 = |bytes: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
        format!("{mark}{TABLE}")
            .encode_utf16()
            .flat_map(bytes)
            .collect()
    };
    for (bytes, name) in [
        (utf16(u16::to_le_bytes, MARK), "UTF-16"),
        (utf16(u16::to_be_bytes, MARK), "UTF-16"),
        (utf16(u16::to_le_bytes, ""), "UTF-16LE"),
        (utf16(u16::to_be_bytes, ""), "UTF-16BE"),
    ] {
        let file = File::new("t.csv", &bytes);
        let message = fails(
            &file.toml(SMALL),
            &[&format!("the text is {name}, expected UTF-8")],
        )
        .to_string();
        is_converted(&file, &message);
        let file = File::new("t.csv.gz", gzip(&bytes));
        let message = fails(&file.toml(SMALL), &[name, "gzip -dc "]).to_string();
        is_converted(&file, &message);
    }
    let latin: Vec<u8> = TABLE.chars().map(|character| character as u8).collect();
    let file = File::new("my t.csv", &latin);
    let message = fails(
        &file.toml(SMALL),
        &["row 2 (line 3), column \"question\": the text is not UTF-8"],
    )
    .to_string();
    is_converted(&file, &message);
    let latin: Vec<u8> = lines().chars().map(|character| character as u8).collect();
    fails(
        &File::new("t.jsonl", &latin).toml(SMALL),
        &["row 2 (line 2): the text is not UTF-8", "iconv"],
    );
    let latin: Vec<u8> = json().chars().map(|character| character as u8).collect();
    fails(
        &File::new("t.json", &latin).toml(SMALL),
        &["not UTF-8", "iconv"],
    );
}

/// Runs the command of the message, where there are the programs, and loads what it wrote.
#[track_caller]
fn is_converted(file: &File, message: &str) {
    let (_, rest) = message.split_once("convert it with `").unwrap();
    let (command, _) = rest.split_once('`').unwrap();
    if !std::process::Command::new("iconv")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        return;
    }
    let status = std::process::Command::new("sh")
        .arg("-c")
        .arg(command)
        .status()
        .unwrap();
    assert!(status.success(), "{command}");
    let name = file
        .path
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .trim_end_matches(".gz")
        .replace(".csv", ".utf8.csv");
    let new = file.beside(&name);
    let spec = DataSpec {
        path: new,
        ..file.toml(SMALL)
    };
    is_table(&spec);
}

#[test]
fn percent_scores_are_recognised_and_divided() {
    let file = File::new("scores.csv", real("percent.csv"));
    fails(
        &file.toml(SCHEMA),
        &[
            "row 1 (line 2), column \"small|score\": found 35.5",
            "looks like percent",
            "`quality_scale = 100`",
        ],
    );
    fails(
        &file.toml(&format!("out_of_range = \"clamp\"\n{SCHEMA}")),
        &[
            "36 of 36 qualities are outside",
            "looks like percent",
            "would turn them into 0 and 1",
        ],
    );
    let loaded = loads(&file.toml(&format!("quality_scale = 100\n{SCHEMA}")));
    assert_eq!(loaded.table.quality().row(0).to_vec(), [0.355, 0.6, 0.92]);
    assert!(
        loaded
            .report
            .notes
            .contains(&"qualities were divided by 100 (`quality_scale`)".to_owned())
    );
}

const TWO: &str = "id,question,a|score,a|cost,b|score,b|cost\n";

#[test]
fn one_model_in_percent_among_others_is_named() {
    let rows: String = (0..20)
        .map(|row| format!("q{row},p{row},{},1,{},1\n", row * 5, f64::from(row) / 20.0))
        .collect();
    let file = File::new("t.csv", format!("{TWO}{rows}"));
    for clamp in ["", "out_of_range = \"clamp\"\n"] {
        fails(
            &file.toml(&format!("{clamp}{SMALL}")),
            &[
                "looks like percent for some models only",
                "`quality_scale = { \"a\" = 100 }`",
            ],
        );
    }
    let loaded = loads(&file.toml(&format!("quality_scale = {{ \"a\" = 100 }}\n{SMALL}")));
    assert_eq!(loaded.table.quality().row(19).to_vec(), [0.95, 0.95]);
    let loaded = loads(&file.toml(&format!("quality_scale = 100\n{SMALL}")));
    assert!(
        loaded
            .report
            .notes
            .iter()
            .any(|note| note.contains("no score of b was above 1")),
        "{:?}",
        loaded.report.notes
    );
    fails(
        &file.toml(&format!("quality_scale = {{ \"c\" = 100 }}\n{SMALL}")),
        &["no model \"c\"", "quality_scale"],
    );
    fails(
        &file.toml(&format!("quality_scale = 0\n{SMALL}")),
        &["quality_scale", "above 0"],
    );
}

#[test]
fn clamping_a_few_values_is_counted() {
    let rows: String = (0..40)
        .map(|row| {
            format!(
                "q{row},p{row},{},1,0.5,1\n",
                if row < 3 { "1.25" } else { "0" }
            )
        })
        .collect();
    let file = File::new("t.csv", format!("{TWO}{rows}"));
    let loaded = loads(&file.toml(&format!("out_of_range = \"clamp\"\n{SMALL}")));
    let note = "3 of 80 qualities were outside [0, 1], between 0 and 1.25, and were clamped (`out_of_range = \"clamp\"`)";
    assert!(
        loaded.report.notes.contains(&note.to_owned()),
        "{:?}",
        loaded.report.notes
    );
}

#[test]
fn a_prompt_of_blanks_is_missing() {
    for blank in ["   ", "\"\n \t\"", "\u{a0}\u{3000}", "\u{200b}", "\u{feff}"] {
        let file = File::new("t.csv", TABLE.replace(",p,", &format!(",{blank},")));
        fails(
            &file.toml(SMALL),
            &["(id \"a\"), column \"question\": the value is missing"],
        );
        let dropped = loads(&file.toml(&format!("missing = \"drop-query\"\n{SMALL}")));
        assert_eq!(
            (dropped.table.ids(), dropped.report.dropped_queries),
            (&vec!["b".to_owned()].into(), 1)
        );
    }
    let file = File::new("t.jsonl", lines().replace("\"p\"", "\"  \""));
    fails(
        &file.toml(SMALL),
        &["column \"question\": the value is missing"],
    );
    // Texts that do not come as cells.
    let file = File::new(
        "b.csv",
        "sample_id,prompt,eval_name,m,m|total_cost\na,['  '],t,1,0\n",
    );
    fails(
        &file.spec("routerbench"),
        &["column \"prompt\": the value is missing"],
    );
    let file = File::new("t.csv", TABLE.replace("\na,", "\n  ,"));
    fails(&file.toml(SMALL), &["column \"id\": the cell is blank"]);
}

fn repeated() -> File {
    let rows: String = (0..60)
        .map(|row| format!("q{row},prompt {},0,1\n", row % 6))
        .collect();
    File::new("t.csv", format!("id,question,m|score,m|cost\n{rows}"))
}

#[test]
fn repeated_prompts_are_counted() {
    let file = repeated();
    let loaded = loads(&file.toml(SMALL));
    let note = loaded
        .report
        .notes
        .iter()
        .find(|note| note.contains("different prompts"))
        .unwrap();
    assert!(
        note.starts_with("60 queries have 6 different prompts; 60 share theirs"),
        "{note}"
    );
    assert!(
        note.contains("`group = \"question\"` in the schema"),
        "{note}"
    );
    let found = summary(&loaded.table);
    assert_eq!((found.different_prompts, found.repeated_prompts), (6, 60));
    for grouped in [
        SMALL.replace("id = [", "group = \"question\"\n id = ["),
        format!("group = \"prompt\"\n{SMALL}"),
    ] {
        let loaded = loads(&file.toml(&grouped));
        let found = summary(&loaded.table);
        assert_eq!(
            (
                found.groups,
                found.different_prompts,
                found.repeated_prompts
            ),
            (Some(6), 6, 0)
        );
        assert!(
            !loaded
                .report
                .notes
                .iter()
                .any(|note| note.contains("different prompts"))
        );
    }
    fails(
        &file.toml(&format!(
            "group = \"prompt\"\n{}",
            SMALL.replace("id = [", "group = \"question\"\n id = [")
        )),
        &["groups of its own"],
    );
}

#[test]
fn a_model_without_its_cost_column_is_named() {
    let file = File::new("nocost.csv", real("nocost.csv"));
    let loaded = loads(&file.spec("routerbench"));
    assert_eq!(loaded.table.models(), ["small", "medium", "large"]);
    let note = "\"new-model\" looks like a model, but was left out because it has no cost column \"new-model|total_cost\"";
    assert!(
        loaded.report.notes.contains(&note.to_owned()),
        "{:?}",
        loaded.report.notes
    );
    let file = File::new(
        "t.csv",
        TABLE
            .replace("m|cost", "m|cost,n|cost")
            .replace("0118\n", "0118,1\n")
            .replace("2.5\n", "2.5,1\n"),
    );
    let note = "the model n was left out: it has \"n|cost\" but no quality column \"n|score\"";
    assert!(
        loads(&file.toml(SMALL))
            .report
            .notes
            .contains(&note.to_owned())
    );
}

#[test]
fn paths_of_windows_resolve() {
    let text = "id,question,picture,m|score,m|cost\na,p,pics\\deep\\cat.png,1,0\nb,q,.\\pics\\deep\\cat.png,1,0\n";
    let file = File::new("t.csv", text);
    let with_image = SMALL.replace("id = [", "image = \"picture\"\n id = [");
    fails(
        &file.toml(&with_image),
        &["does not exist", "backslashes"].map(|part| {
            if part == "backslashes" {
                "fetch the images"
            } else {
                part
            }
        }),
    );
    std::fs::create_dir_all(file.beside("pics/deep")).unwrap();
    std::fs::write(file.beside("pics/deep/cat.png"), "x").unwrap();
    let loaded = loads(&file.toml(&with_image));
    assert_eq!(
        loaded.table.images().unwrap()[0].as_deref(),
        Some(file.beside("pics/deep/cat.png").as_path())
    );
    std::fs::write(&file.path, text.replace("pics\\deep", "C:\\Users\\me")).unwrap();
    fails(
        &file.toml(&with_image),
        &["drive of a Windows computer", "relative"],
    );

    // The paths of `dataset.toml` and of a price list.
    std::fs::write(
        file.beside("pics/deep/t.csv"),
        "id,question,m|score\na,p,1\n",
    )
    .unwrap();
    std::fs::write(file.beside("pics/deep/prices.toml"), "[defaults]\nimage_tokens = 1\noutput_tokens = 1\n[tabular]\nm = { input = 1, output = 1 }\n").unwrap();
    let spec = SMALL.replace(", cost = \"{model}|cost\"", "");
    let toml = |quote: &str| {
        format!(
            "path = {quote}pics\\deep\\t.csv{quote}\ncost = {{ kind = \"prices\", file = 'pics\\deep\\prices.toml' }}\n{spec}"
        )
    };
    std::fs::write(file.beside("dataset.toml"), toml("'")).unwrap();
    loads(&DataSpec::read(&file.beside("dataset.toml")).unwrap());
    std::fs::write(file.beside("dataset.toml"), toml("\"")).unwrap();
    let error = DataSpec::read(&file.beside("dataset.toml"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("backslash begins an escape"), "{error}");
}

#[test]
fn frames_of_pandas_3_are_read() {
    for name in ["strings-pandas-3.pkl", "category-pandas-3.pkl", "plain.pkl"] {
        let table = loads(&DataSpec::new("routerbench", fixture(name))).table;
        assert_eq!(table.len(), 12, "{name}");
        assert_eq!(
            table.prompts()[0],
            "Work out 51 times 99 and show the steps.",
            "{name}"
        );
        assert_eq!(table.select(&[0, 1]).tasks(), ["maths", "words"], "{name}");
        assert_eq!(table.models(), ["small", "medium", "large"], "{name}");
    }
}

#[test]
fn the_whole_routerbench_of_pandas_3_is_that_of_pandas_2() {
    for (new, old) in [
        ("routerbench-raw-pandas-3.pkl", "../routerbench_raw.pkl"),
        ("routerbench-0shot-pandas-3.pkl", "../routerbench_0shot.pkl"),
    ] {
        let new = loads(&DataSpec::new("routerbench", fixture(new)));
        let old = loads(&DataSpec::new("routerbench", fixture(old)));
        assert_eq!(new.table, old.table);
        assert_eq!(new.report.notes, old.report.notes);
    }
}

#[test]
fn compressed_pickles_are_read() {
    for packed in [gzip(real("plain.pkl")), zstd(real("plain.pkl"))] {
        for name in ["t.pkl", "t.pkl.gz", "t.pkl.zst"] {
            assert_eq!(
                loads(&File::new(name, &packed).spec("routerbench"))
                    .table
                    .len(),
                12
            );
        }
    }
    let packed = gzip(real("plain.pkl"));
    fails(
        &File::new("t.pkl.gz", &packed[..packed.len() / 2]).spec("routerbench"),
        &["compressed with gzip", "ends in the middle"],
    );
}

#[test]
fn every_kind_of_column_of_pandas_is_read() {
    for name in ["strings", "masked", "arrow", "mixed", "chunks", "slice"] {
        let spec = File::new("t.pkl", real(&format!("frame-{name}.pkl")));
        let table = loads(&spec.toml(SMALL)).table;
        assert_eq!(table.ids(), ["a", "b"], "{name}");
        assert_eq!(table.prompts(), ["p", "q é"], "{name}");
        assert_eq!(table.quality(), array![[1.0], [0.5]], "{name}");
        assert_eq!(table.cost(), array![[0.25], [2.5]], "{name}");
        // A column of times does not disturb unless it is asked for.
        let timed = SMALL.replace("id = [", "task = \"when\"\n id = [");
        fails(
            &spec.toml(&timed),
            &[
                "column \"when\"",
                "expected text, a number or true/false",
                "to_parquet",
            ],
        );
    }
    let spec = File::new("t.pkl", real("frame-gaps.pkl"));
    fails(&spec.toml(SMALL), &["row 2 (id \"b\")", "is missing"]);
    let dropped = loads(&spec.toml(&format!("missing = \"drop-query\"\n{SMALL}")));
    assert_eq!((dropped.table.len(), dropped.report.missing_cells), (1, 2));
}

#[test]
fn a_damaged_arrow_column_is_an_error() {
    let whole = real("strings-pandas-3.pkl");
    // Every byte of the file once, cut and changed: an error or a table, never a panic.
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        let _ = load(&File::new("t.pkl", &bytes).spec("routerbench"));
        if at % 16 == 0 {
            assert!(load(&File::new("t.pkl", &whole[..at]).spec("routerbench")).is_err());
        }
    }
}

#[test]
fn parquet_of_every_compression_and_number_is_read() {
    for name in [
        "codec-gzip",
        "codec-brotli",
        "codec-lz4",
        "codec-zstd",
        "decimal-int32",
        "decimal-int64",
        "decimal-fixed",
        "decimal-wide",
    ] {
        is_table(&File::new("t.parquet", real(&format!("{name}.parquet"))).toml(SMALL));
    }
    let table = loads(&File::new("t.parquet", real("half.parquet")).toml(SMALL)).table;
    assert_eq!(table.quality(), array![[1.0], [0.5]]);
    assert_eq!(table.cost(), array![[0.25], [2.5]]);
    fails(
        &File::new("t.parquet", real("null.parquet")).toml(SMALL),
        &["column \"m|score\": the value is missing"],
    );
    fails(
        &File::new("t.parquet", real("list.parquet")).toml(SMALL),
        &["a list of DOUBLE", "in pandas"],
    );
}

#[test]
fn the_types_of_pandas_and_the_csv_give_one_table() {
    let csv = loads(&File::new("same.csv", real("same.csv")).toml(SCHEMA)).table;
    for name in ["types.parquet", "view.parquet"] {
        let table = loads(&File::new("t.parquet", real(name)).toml(SCHEMA)).table;
        assert_eq!(table.quality(), csv.quality(), "{name}");
    }
    for name in ["decimal.parquet", "decimal-int.parquet"] {
        let table = loads(&File::new("t.parquet", real(name)).toml(SCHEMA)).table;
        let mean = summary(&table).models[0].mean_cost;
        assert!((mean - 0.000118).abs() < 1e-6, "{name}: {mean}");
    }
}

#[test]
fn a_folder_of_compressed_files_is_a_folder_of_files() {
    let record = |model: &str| {
        format!(
            r#"{{"global_index": "t_1", "question": "q", "llm_selected": "{model}", "evaluation_result": {{"score": 1, "inference_cost": 0.5}}}}"#
        )
    };
    let folder = File::new("a.jsonl.gz", gzip(format!("{MARK}{}", record("a"))));
    std::fs::write(folder.beside("b.jsonl"), format!("{MARK}{}\n", record("b"))).unwrap();
    let spec = DataSpec::new("routerarena", folder.path.parent().unwrap());
    assert_eq!(loads(&spec).table.models(), ["a", "b"]);
}

#[test]
fn a_model_measured_on_some_queries_only_is_added_with_a_mask() {
    let file = File::new("partial.csv", real("partial.csv"));
    let spec = DataSpec {
        missing: Missing::Mask,
        ..file.spec("routerbench")
    };
    let loaded = loads(&spec);
    let (table, report) = (loaded.table, loaded.report);
    assert_eq!((table.len(), table.models().len()), (40, 4));
    assert_eq!(
        (
            report.complete_queries,
            report.incomplete_queries,
            report.dropped_queries
        ),
        (8, 32, 0)
    );
    assert!(report.notes.iter().any(|note| {
        note.contains("8 of 40 queries were measured for every model")
            && note.contains("new-model on 8")
    }));
    let measured = table.measured().unwrap();
    assert_eq!(measured.iter().filter(|measured| !**measured).count(), 32);
    for ((row, model), &measured) in measured.indexed_iter() {
        assert_eq!(table.is_measured(row, model), measured);
        assert!(
            measured
                || (model == 3
                    && table.quality()[[row, model]] == 0.0
                    && table.cost()[[row, model]] == 0.0)
        );
    }
    assert_eq!(table.complete_rows(), (0..8).collect::<Vec<_>>());
    // The complete rows are the table that `drop-query` makes, and have no mask.
    let dropped = loads(&DataSpec {
        missing: Missing::DropQuery,
        ..file.spec("routerbench")
    });
    assert_eq!(
        (
            dropped.table.len(),
            dropped.report.complete_queries,
            dropped.report.dropped_queries
        ),
        (8, 8, 32)
    );
    assert_eq!(table.select(&table.complete_rows()), dropped.table);
    assert_eq!(dropped.table.measured(), None);
    assert_ne!(table.content_hash(), dropped.table.content_hash());
    assert!(table.select(&[0, 20]).measured().is_some());
    let found = summary(&table);
    assert_eq!(
        (
            found.queries,
            found.complete_queries,
            found.models[3].measured
        ),
        (40, 8, 8)
    );
    assert_eq!(
        found.models[3].mean_quality,
        summary(&dropped.table).models[3].mean_quality
    );
    assert_eq!(found.oracle_quality, summary(&dropped.table).oracle_quality);
    // Converted, the gaps are null: refused by default, read back to the same table with a mask.
    let path = file.beside("t.parquet");
    routelab_data::write_parquet(&table, &path).unwrap();
    let spec = DataSpec::new("routelab", &path);
    fails(&spec, &["new-model", "missing"]);
    let spec = DataSpec {
        missing: Missing::Mask,
        ..spec
    };
    assert_eq!(loads(&spec).table, table);
    let spec = DataSpec {
        missing: Missing::DropQuery,
        ..spec
    };
    assert_eq!(loads(&spec).table, dropped.table);
}

#[test]
fn what_a_mask_cannot_say_is_an_error() {
    let mask = |text: &str| File::new("t.csv", format!("{TWO}{text}"));
    let spec = |file: &File| file.toml(&format!("missing = \"mask\"\n{SMALL}"));
    let file = mask("q,p,1,1,,\nr,s,1,1,,\n");
    fails(&spec(&file), &["nothing was measured of the model \"b\""]);
    let file = mask("q,,1,1,1,1\n");
    fails(&spec(&file), &["column \"question\": the value is missing"]);
    // Of a query without any measurement there is nothing to keep; a quality without its cost is none.
    let file = mask("q,p,1,1,0,1\nr,s,,,,\nt,u,1,,0.5,1\n");
    let loaded = loads(&spec(&file));
    assert_eq!(loaded.table.ids(), ["q", "t"]);
    assert_eq!(
        loaded.table.measured().unwrap(),
        array![[true, true], [false, true]]
    );
    assert_eq!(loaded.table.quality(), array![[1.0, 0.0], [0.0, 0.5]]);
    assert_eq!(
        (loaded.report.dropped_queries, loaded.report.missing_cells),
        (1, 5)
    );
    // In the long layout a pair that has no row is not measured; with an assumed cost, the quality alone counts.
    let file = File::new(
        "t.csv",
        "id,question,model,score\na,p,m,1\na,p,n,0\nb,q,m,0.5\n",
    );
    let long = "format = \"tabular\"\nmissing = \"mask\"\ncost = { kind = \"uniform\" }\n[schema]\nid = [\"id\"]\nprompt = [\"question\"]\nlayout.long = { model = \"model\", quality = \"score\" }";
    let table = loads(&file.toml(long)).table;
    assert_eq!(
        table.measured().unwrap(),
        array![[true, true], [true, false]]
    );
    assert_eq!(table.cost(), array![[1.0, 1.0], [1.0, 0.0]]);
    assert!(table.clone().with_measured(array![[true]]).is_err());
    assert_eq!(
        table
            .with_measured(ndarray::Array2::from_elem((2, 2), true))
            .unwrap()
            .measured(),
        None
    );
}
