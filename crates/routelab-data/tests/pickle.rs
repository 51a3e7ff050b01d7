//! Pickles: every version of pandas, malformed ones, and ones that want to run something.

mod common;

use std::path::{Path, PathBuf};

use common::{File, fails};
use ndarray::array;
use routelab_data::{DataSpec, Missing, load};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

const SCHEMA: &str = "
    format = 'tabular'
    [schema]
    id = ['id']
    prompt = ['question']
    layout.wide = { quality = '{model}|correct', cost = '{model}|cost' }";

/// A copy of a fixture, damaged by `damage`.
fn damaged(name: &str, damage: impl FnOnce(&mut Vec<u8>)) -> File {
    let mut bytes = std::fs::read(fixture(name)).unwrap();
    damage(&mut bytes);
    File::new("t.pkl", bytes)
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let at = bytes
        .windows(from.len())
        .position(|window| window == from)
        .unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
}

#[test]
fn frames_of_every_version_of_pandas_are_read() {
    for version in ["1.1", "1.5", "2.2", "3.1"] {
        let file = damaged(&format!("frame-pandas-{version}.pkl"), |_| ());
        fails(
            &file.toml(SCHEMA),
            &["t.pkl, row 3 (id \"c\"), column \"large|correct\": the value is missing"],
        );
        let spec = DataSpec {
            missing: Missing::DropQuery,
            ..file.toml(SCHEMA)
        };
        let loaded = load(&spec).unwrap();
        let table = loaded.table;
        assert_eq!(table.ids(), ["a", "b"]);
        assert_eq!(table.prompts(), ["p", "q é"]);
        assert_eq!(table.models(), ["small", "large"]);
        assert_eq!(table.quality(), array![[1.0, 1.0], [0.0, 0.5]]);
        assert_eq!(table.cost(), array![[1.0, 0.5], [2.0, 0.25]]);
        assert_eq!(loaded.report.notes, ["columns not used: note"]);
    }
}

#[test]
fn nothing_that_is_not_on_the_list_is_touched() {
    // What `os.system("true")` pickles to, in the old and in the new way of naming things.
    let text = |text: &str| [b"\x8c", &[text.len() as u8][..], text.as_bytes()].concat();
    let new = [b"\x80\x04".to_vec(), text("posix"), text("system")].concat();
    let new = [new, b"\x93".to_vec(), text("true"), b"\x85R.".to_vec()].concat();
    let old = [
        b"\x80\x02cposix\nsystem\n".to_vec(),
        text("true"),
        b"\x85R.".to_vec(),
    ]
    .concat();
    for bytes in [new, old] {
        let file = File::new("t.pkl", bytes);
        fails(
            &file.toml(SCHEMA),
            &[
                "t.pkl asks for \"posix.system\"",
                "no code of a pickle is ever run",
                "`to_parquet`",
            ],
        );
    }
    let file = damaged("frame-pandas-2.2.pkl", |bytes| {
        replace(bytes, b"slice", b"print");
    });
    fails(&file.toml(SCHEMA), &["asks for \"builtins.print\""]);
}

#[test]
fn a_pickle_of_something_else() {
    let cases: [(&[u8], &str); 7] = [
        (b"\x80\x04]\x94.", "it does not hold a pandas DataFrame"),
        (b"\x80\x04N.", "it does not hold a pandas DataFrame"),
        (
            b"id,question\n1,q\n",
            "at byte 0: the opcode 0x69 is not used",
        ),
        (b"\x80\x00N.", "protocol 0 is not supported"),
        (b"\x80\x04)R.", "it takes more values than there are"),
        (
            b"\x80\x04h\x07.",
            "it refers to a value that it did not store",
        ),
        (b"\x80\x04\x8c\x01\xff.", "a text is not UTF-8"),
    ];
    for (bytes, part) in cases {
        let file = File::new("t.pkl", bytes);
        fails(
            &file.toml(SCHEMA),
            &["t.pkl: not a pickle that can be read (", part],
        );
    }
    fails(
        &File::new("t.pkl", "").toml(SCHEMA),
        &["t.pkl is empty; expected a pickled pandas DataFrame"],
    );
}

#[test]
fn a_pickle_nested_without_end_is_no_danger() {
    let bytes = [b"\x80\x04N".to_vec(), vec![0x85; 3_000_000], b".".to_vec()].concat();
    let file = File::new("t.pkl", bytes);
    fails(&file.toml(SCHEMA), &["it does not hold a pandas DataFrame"]);
    // A list that contains itself.
    let file = File::new("t.pkl", b"\x80\x04]\x94h\x00a.");
    fails(&file.toml(SCHEMA), &["it does not hold a pandas DataFrame"]);
}

#[test]
fn a_pickle_cut_off_anywhere() {
    let bytes = std::fs::read(fixture("frame-pandas-2.2.pkl")).unwrap();
    let file = File::new("t.pkl", "");
    for length in (1..bytes.len()).step_by(3) {
        std::fs::write(&file.path, &bytes[..length]).unwrap();
        fails(
            &file.toml(SCHEMA),
            &["t.pkl: not a pickle that can be read ("],
        );
    }
}

#[test]
fn a_pickle_with_any_byte_changed_is_an_error_or_a_sound_table() {
    for (name, flip) in [
        ("frame-pandas-1.1.pkl", 0xff),
        ("frame-pandas-2.2.pkl", 0x01),
    ] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let file = File::new("t.pkl", "");
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= flip;
            std::fs::write(&file.path, &changed).unwrap();
            if let Err(error) = load(&file.toml(SCHEMA)) {
                assert!(error.to_string().contains("t.pkl"), "{error}");
            }
        }
    }
}

#[test]
fn routerbench_long_and_wide_are_the_same_table() {
    let long = load(&DataSpec::new(
        "routerbench",
        fixture("routerbench_raw.pkl"),
    ))
    .unwrap();
    let wide = load(&DataSpec::new(
        "routerbench",
        fixture("routerbench_0shot.pkl"),
    ))
    .unwrap();
    let note = "prompts: 2 Python lists of one string became that string, 1 stayed as published";
    for loaded in [&long, &wide] {
        let table = &loaded.table;
        assert_eq!((table.len(), table.models().len()), (3, 11));
        assert_eq!(table.cost_unit().name, "US dollars");
        assert_eq!(table.cost_unit().assumption, None);
        assert_eq!(
            table.tasks(),
            ["grade-school-math", "mmlu-anatomy", "mtbench"]
        );
        assert_eq!(
            table.prompts(),
            [
                "What is 2 + 3?",
                "Which bone is longest?\nA) femur\nB) ulna\nAnswer:",
                "['Name a river.', 'Does it reach the “sea”?']"
            ]
        );
        assert_eq!(loaded.report.notes.last().unwrap(), note);
        let gpt4 = table
            .models()
            .iter()
            .position(|model| model == "gpt-4-1106-preview")
            .unwrap();
        assert_eq!(table.quality().column(gpt4).to_vec(), [1.0, 1.0, 0.1]);
        assert_eq!(
            table.cost().column(gpt4).to_vec(),
            [0.0001, 0.00015, 0.0002]
        );
    }
    assert_eq!((long.report.rows_read, wide.report.rows_read), (33, 3));
    let spec = DataSpec {
        models: Some(wide.table.models().to_vec()),
        ..DataSpec::new("routerbench", fixture("routerbench_raw.pkl"))
    };
    assert_eq!(load(&spec).unwrap().table, wide.table);
}

#[test]
fn a_sample_keeps_the_prompt_of_its_first_row() {
    let file = File::new(
        "raw.csv",
        "sample_id,model_name,eval_name,prompt,performance,cost\n\
         a,small,t,['p'],1,0.1\na,large,t,['p else'],0,0.2\n",
    );
    let loaded = load(&file.spec("routerbench")).unwrap();
    assert_eq!(loaded.table.prompts(), ["p"]);
    assert_eq!(
        loaded.report.notes.last().unwrap(),
        "prompts: 1 rows had another prompt than the first row of their sample, which is the one kept"
    );
    let file = File::new(
        "raw.csv",
        "sample_id,model_name,eval_name,prompt,performance,cost\n\
         a,small,t,['p'],1,0.1\na,small,t,['p'],0,0.2\n",
    );
    fails(
        &file.spec("routerbench"),
        &["raw.csv, row 2 (line 3): query \"a\" has a second row for model \"small\""],
    );
}
