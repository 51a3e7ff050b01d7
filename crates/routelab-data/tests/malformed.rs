//! Every way in which a file can be wrong: one clear error that says where, what was expected and what to do.

mod common;

use common::{File, fails};
use routelab_data::{DataSpec, FileKind, Missing, load};

const HEADER: &str = "sample_id,prompt,eval_name,small,large,small|total_cost,large|total_cost\n";

fn routerbench(rows: &str) -> File {
    File::new("bench.csv", format!("{HEADER}{rows}"))
}

#[test]
fn a_sound_file_loads() {
    let file = routerbench("a,['p'],t,1.0,0.5,0.1,0.2\nb,q,t,0,True,0,3e-4\n");
    let table = load(&file.spec("routerbench")).unwrap().table;
    assert_eq!(table.models(), ["small", "large"]);
    assert_eq!(table.prompts(), ["p", "q"]);
    assert_eq!(table.quality(), ndarray::array![[1.0, 0.5], [0.0, 1.0]]);
    assert_eq!(table.cost(), ndarray::array![[0.1, 0.2], [0.0, 0.0003]]);
}

#[test]
fn missing_column() {
    let file = File::new(
        "bench.csv",
        "sample_id,prompt,small,small|total_cost\na,p,1,0\n",
    );
    fails(
        &file.spec("routerbench"),
        &[
            "bench.csv has no column \"eval_name\" (the task); its columns are \"sample_id\", \"prompt\"",
        ],
    );
}

#[test]
fn cost_column_without_a_quality_column() {
    let file = File::new(
        "bench.csv",
        "sample_id,prompt,eval_name,small|total_cost\na,p,t,0\n",
    );
    fails(
        &file.spec("routerbench"),
        &["no column \"small\" (a model's quality)"],
    );
}

#[test]
fn no_models() {
    let file = File::new("bench.csv", "sample_id,prompt,eval_name,small\na,p,t,0\n");
    fails(
        &file.spec("routerbench"),
        &["no column of the form \"{model}|total_cost\", so no model was found; its columns are"],
    );
}

#[test]
fn text_in_a_number_column() {
    let file = routerbench("a,p,t,1,1,0,0\nb,p,t,1,good,0,0\n");
    fails(
        &file.spec("routerbench"),
        &[
            "row 2 (line 3), column \"large\": found \"good\", expected a quality, a number from 0 to 1",
        ],
    );
}

#[test]
fn quality_above_one() {
    let file = routerbench("a,p,t,1.7,1,0,0\n");
    fails(
        &file.spec("routerbench"),
        &[
            "row 1 (line 2), column \"small\": found 1.7, expected a quality from 0 to 1; scale the scores",
        ],
    );
}

#[test]
fn quality_below_zero() {
    let file = routerbench("a,p,t,1,-0.1,0,0\n");
    fails(
        &file.spec("routerbench"),
        &["column \"large\": found -0.1, expected a quality from 0 to 1"],
    );
}

#[test]
fn nan_cost() {
    let file = routerbench("a,p,t,1,1,NaN,0\n");
    let parts = [
        "row 1 (line 2) (id \"a\"), column \"small|total_cost\": the value is missing (blank or NaN)",
        "missing = \"drop-query\"",
    ];
    fails(&file.spec("routerbench"), &parts);
}

#[test]
fn blank_quality() {
    let file = routerbench("a,p,t,1,1,0,0\nb,p,t,,1,0,0\n");
    fails(
        &file.spec("routerbench"),
        &["row 2 (line 3) (id \"b\"), column \"small\": the value is missing"],
    );
}

#[test]
fn negative_cost() {
    let file = routerbench("a,p,t,1,1,0,-0.5\n");
    fails(
        &file.spec("routerbench"),
        &[
            "column \"large|total_cost\": found -0.5, expected a finite cost not below 0; correct the cost",
        ],
    );
}

#[test]
fn infinite_cost() {
    let file = routerbench("a,p,t,1,1,0,inf\n");
    fails(
        &file.spec("routerbench"),
        &["column \"large|total_cost\": found inf, expected a finite cost"],
    );
}

#[test]
fn blank_prompt() {
    let file = routerbench("a,,t,1,1,0,0\n");
    fails(
        &file.spec("routerbench"),
        &["row 1 (line 2) (id \"a\"), column \"prompt\": the value is missing"],
    );
}

#[test]
fn blank_id() {
    let file = routerbench(",p,t,1,1,0,0\n");
    fails(
        &file.spec("routerbench"),
        &["row 1 (line 2), column \"sample_id\": the cell is blank; expected an id"],
    );
}

#[test]
fn duplicate_id() {
    let file = routerbench("a,p,t,1,1,0,0\nb,p,t,1,1,0,0\na,p,t,1,1,0,0\n");
    fails(
        &file.spec("routerbench"),
        &["row 3 (line 4): the id \"a\" was already used in row 1; ids must be unique"],
    );
}

#[test]
fn duplicate_column() {
    let file = File::new("bench.csv", "sample_id,prompt,prompt\na,p,q\n");
    fails(
        &file.spec("routerbench"),
        &["two columns called \"prompt\"; rename one"],
    );
}

#[test]
fn empty_file() {
    let file = File::new("bench.csv", "");
    fails(
        &file.spec("routerbench"),
        &["bench.csv is empty; expected a header and one row per query"],
    );
}

#[test]
fn header_only() {
    fails(
        &routerbench("").spec("routerbench"),
        &["bench.csv has no data rows; expected at least one query"],
    );
}

#[test]
fn row_that_is_too_short() {
    let file = routerbench("a,p,t,1,1,0,0\nb,p,t,1,1\n");
    fails(
        &file.spec("routerbench"),
        &["row 2 (line 3): 5 cells but the header has 7 columns"],
    );
}

#[test]
fn row_that_is_too_long() {
    let file = routerbench("a,p,q,t,1,1,0,0\n");
    fails(
        &file.spec("routerbench"),
        &["row 1 (line 2): 8 cells but the header has 7 columns"],
    );
}

#[test]
fn unclosed_quote() {
    let file = routerbench("a,p,t,1,1,0,0\nb,\"p,t,1,1,0,0\nc,p,t,1,1,0,0\n");
    fails(
        &file.spec("routerbench"),
        &["row 2 (line 3): 2 cells but the header has 7 columns"],
    );
}

#[test]
fn lines_are_counted_in_prompts_of_several_lines() {
    let file = routerbench("a,\"p\n\nq\",t,1,1,0,0\nb,p,t,2,1,0,0\n");
    fails(
        &file.spec("routerbench"),
        &["row 2 (line 5), column \"small\": found 2"],
    );
}

#[test]
fn text_that_is_not_utf8() {
    let file = File::new(
        "bench.csv",
        [HEADER.as_bytes(), b"a,caf\xe9,t,1,1,0,0\n"].concat(),
    );
    fails(
        &file.spec("routerbench"),
        &[
            "row 1 (line 2), column \"prompt\": the text is not UTF-8; convert it with `iconv -f WINDOWS-1252 -t UTF-8",
        ],
    );
}

#[test]
fn header_that_is_not_utf8() {
    let file = File::new("bench.csv", b"sample_id,prom\xff\n");
    fails(
        &file.spec("routerbench"),
        &["row 0 (line 1), column \"number 2\": the text is not UTF-8"],
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_column() {
    let file = File::new(
        "bench.csv",
        format!(
            "\u{feff}\"sample_id\"{}a,p,t,1,1,0,0\n",
            &HEADER["sample_id".len()..]
        ),
    );
    assert_eq!(load(&file.spec("routerbench")).unwrap().table.ids(), ["a"]);
}

#[test]
fn missing_file() {
    fails(
        &DataSpec::new("routerbench", "/nowhere/bench.csv"),
        &["/nowhere/bench.csv: No such file", "check the path"],
    );
}

#[test]
fn folder_in_place_of_a_file() {
    let file = routerbench("");
    let spec = DataSpec {
        path: file.path.parent().unwrap().to_owned(),
        ..tabular(&file, WIDE)
    };
    let schema = routelab_data::TabularSchema {
        file: Some(FileKind::Csv),
        ..spec.schema.clone().unwrap()
    };
    fails(
        &DataSpec {
            schema: Some(schema),
            ..spec
        },
        &["is a folder; give the path of the data file in it"],
    );
}

#[test]
fn unknown_format() {
    fails(
        &routerbench("").spec("routerbnch"),
        &["no data format \"routerbnch\"; the formats are routerbench"],
    );
}

#[test]
fn dropping_leaves_nothing() {
    let file = routerbench("a,p,t,,1,0,0\n");
    let spec = DataSpec {
        missing: Missing::DropQuery,
        ..file.spec("routerbench")
    };
    fails(
        &spec,
        &["all 1 queries have missing cells", "exclude_models"],
    );
}

#[test]
fn dropping_counts_queries_and_cells() {
    let file = routerbench("a,p,t,,1,,0\nb,p,t,1,1,0,0\nc,,t,1,1,0,0\n");
    let spec = DataSpec {
        missing: Missing::DropQuery,
        ..file.spec("routerbench")
    };
    let loaded = load(&spec).unwrap();
    assert_eq!(loaded.table.ids(), ["b"]);
    assert_eq!(
        (
            loaded.report.rows_read,
            loaded.report.dropped_queries,
            loaded.report.missing_cells
        ),
        (3, 2, 3)
    );
}

#[test]
fn a_dropped_id_must_be_unique_too() {
    let file = routerbench("a,p,t,,1,0,0\na,p,t,1,1,0,0\n");
    let spec = DataSpec {
        missing: Missing::DropQuery,
        ..file.spec("routerbench")
    };
    fails(&spec, &["the id \"a\" was already used in row 1"]);
}

#[test]
fn sample_of_zero() {
    let file = routerbench("a,p,t,1,1,0,0\n");
    let spec = DataSpec {
        sample: Some(0),
        ..file.spec("routerbench")
    };
    fails(&spec, &["[data] sample: 0 queries make no table"]);
}

#[test]
fn limit_of_zero() {
    let file = routerbench("a,p,t,1,1,0,0\n");
    let spec = DataSpec {
        limit: Some(0),
        ..file.spec("routerbench")
    };
    fails(
        &spec,
        &["[data] limit: 0 queries make no table; give a number of at least 1"],
    );
}

#[test]
fn cost_assumed_although_recorded() {
    let file = routerbench("a,p,t,1,1,0,0\n");
    let spec = file.toml("format = 'routerbench'\ncost = { kind = 'uniform' }");
    fails(&spec, &["[data] cost:", "records its own costs"]);
}

// ---- declared schemas ----

const WIDE: &str = "
    [schema]
    id = ['id']
    prompt = ['question']
    layout.wide = { quality = '{model}|correct', cost = '{model}|cost' }";
const LONG: &str = "
    [schema]
    id = ['id']
    prompt = ['question']
    layout.long = { model = 'model', quality = 'score', cost = 'cost' }";

fn tabular(file: &File, schema: &str) -> DataSpec {
    file.toml(&format!("format = 'tabular'\n{schema}"))
}

#[test]
fn tabular_without_a_schema() {
    let file = File::new("t.csv", "id\n1\n");
    fails(
        &file.spec("tabular"),
        &[
            "[data] schema: the format `tabular` needs to know the columns; add a table [data.schema]",
        ],
    );
}

#[test]
fn extension_that_says_nothing() {
    let file = File::new("t.txt", "id\n1\n");
    fails(
        &tabular(&file, WIDE),
        &["t.txt does not end in .csv", "file = \"csv\""],
    );
}

#[test]
fn misspelt_key() {
    let error = toml::from_str::<DataSpec>("format = 'routerbench'\npath = 'x'\nmising = 'error'")
        .unwrap_err();
    assert!(
        error.to_string().contains("unknown field `mising`"),
        "{error}"
    );
}

#[test]
fn pattern_without_a_model() {
    let file = File::new("t.csv", "id,question\n1,q\n");
    let schema = WIDE.replace("{model}|correct", "correct");
    fails(
        &tabular(&file, &schema),
        &["the pattern \"correct\" does not have {model} exactly once"],
    );
}

#[test]
fn pattern_that_matches_everything() {
    let file = File::new("t.csv", "id,question,small\n1,q,1\n");
    let schema = "cost = { kind = 'uniform' }\n[schema]\nid = ['id']\nprompt = ['question']\nlayout.wide.quality = '{model}'";
    fails(
        &tabular(&file, schema),
        &["the pattern \"{model}\" matches every column; list the models"],
    );
    let listed = schema.replace(
        "layout.wide.quality = '{model}'",
        "layout.wide = { quality = '{model}', models = ['small'] }",
    );
    assert_eq!(
        load(&tabular(&file, &listed)).unwrap().table.models(),
        ["small"]
    );
}

#[test]
fn no_cost_and_no_assumption() {
    let file = File::new("t.csv", "id,question,small|correct\n1,q,1\n");
    let schema = WIDE.replace(", cost = '{model}|cost'", "");
    fails(
        &tabular(&file, &schema),
        &[
            "[data] cost:",
            "t.csv records no costs",
            "kind = \"prices\"",
        ],
    );
}

#[test]
fn per_call_cost_without_a_model() {
    let file = File::new("t.csv", "id,question,small|correct\n1,q,1\n");
    let schema = WIDE.replace(", cost = '{model}|cost'", "");
    let cost = "cost = { kind = 'per-call', unit = 'calls', models = { large = 1.0 } }";
    fails(
        &tabular(&file, &format!("{cost}\n{schema}")),
        &["there is no cost for model \"small\""],
    );
}

#[test]
fn long_layout_without_an_id() {
    let file = File::new("t.csv", "question,model,score,cost\nq,small,1,0\n");
    fails(
        &tabular(&file, &LONG.replace("id = ['id']", "")),
        &["the long layout needs `id`"],
    );
}

#[test]
fn long_layout_with_a_missing_pair() {
    let file = File::new(
        "t.csv",
        "id,question,model,score,cost\n1,q,small,1,0\n1,q,large,1,0\n2,q,small,1,0\n",
    );
    fails(
        &tabular(&file, LONG),
        &[
            "query \"2\" has no quality for model \"large\"; add the row, or set `missing = \"drop-query\"`",
        ],
    );
    let spec = DataSpec {
        missing: Missing::DropQuery,
        ..tabular(&file, LONG)
    };
    let report = load(&spec).unwrap().report;
    assert_eq!(
        (
            report.rows_read,
            report.dropped_queries,
            report.missing_cells
        ),
        (3, 1, 2)
    );
}

#[test]
fn long_layout_with_a_pair_twice() {
    let file = File::new(
        "t.csv",
        "id,question,model,score,cost\n1,q,small,1,0\n1,q,small,1,0\n",
    );
    fails(
        &tabular(&file, LONG),
        &["row 2 (line 3): query \"1\" has a second row for model \"small\"; keep one"],
    );
}

#[test]
fn long_layout_with_two_prompts_for_one_id() {
    let file = File::new(
        "t.csv",
        "id,question,model,score,cost\n1,q,small,1,0\n1,other,large,1,0\n",
    );
    fails(
        &tabular(&file, LONG),
        &["row 2 (line 3): query \"1\" has another prompt here than in its first row"],
    );
}

#[test]
fn image_that_does_not_exist() {
    let file = File::new(
        "t.csv",
        "id,question,image,small|correct,small|cost\n1,q,a.png,1,0\n",
    );
    let schema = WIDE.replace("prompt =", "image = 'image'\n prompt =");
    fails(
        &tabular(&file, &schema),
        &[
            "row 1 (line 2) (id \"1\"): the image ",
            "a.png does not exist",
            "images = \"ignore\"",
        ],
    );
    let text_only = load(&tabular(&file, &format!("images = 'ignore'\n{schema}"))).unwrap();
    assert_eq!(text_only.table.images(), None);
    std::fs::write(file.beside("a.png"), "").unwrap();
    let images = load(&tabular(&file, &schema)).unwrap().table;
    assert_eq!(
        images.images(),
        Some(&vec![Some(file.beside("a.png"))].into())
    );
}

// ---- JSON ----

#[test]
fn broken_json_line() {
    let file = File::new(
        "t.jsonl",
        "{\"id\": 1, \"question\": \"q\", \"small|correct\": true, \"small|cost\": 0}\n{\"id\": 2,\n",
    );
    fails(
        &tabular(&file, WIDE),
        &[
            "t.jsonl, row 2 (line 2): EOF while parsing",
            "one JSON object per line",
        ],
    );
}

#[test]
fn json_line_that_is_no_object() {
    let file = File::new("t.jsonl", "[1, 2]\n");
    fails(
        &tabular(&file, WIDE),
        &["row 1 (line 1): invalid type", "one JSON object per line"],
    );
}

#[test]
fn json_line_without_a_field() {
    let file = File::new(
        "t.jsonl",
        "{\"id\": 1, \"question\": \"q\", \"small|correct\": true, \"small|cost\": 0}\n\n{\"id\": 2, \"question\": \"q\", \"small|correct\": 1}\n",
    );
    fails(
        &tabular(&file, WIDE),
        &["row 2 (line 3) (id \"2\"), column \"small|cost\": the value is missing"],
    );
}

#[test]
fn json_array_that_was_cut_off() {
    let file = File::new(
        "t.json",
        "[{\"id\": 1, \"question\": \"q\", \"small|correct\": 1, \"small|cost\": 0},\n {\"id\"",
    );
    fails(
        &tabular(&file, WIDE),
        &[
            "t.json, row 2 (line 2): EOF",
            "expected a JSON array of objects",
        ],
    );
}

#[test]
fn json_that_is_no_array() {
    let file = File::new("t.json", "{\"id\": 1}");
    fails(
        &tabular(&file, WIDE),
        &["t.json has no column \"question\" (the prompt); its columns are \"id\""],
    );
}

#[test]
fn json_with_text_in_a_number_field() {
    let file = File::new(
        "t.json",
        "[{\"id\": 1, \"question\": \"q\", \"small|correct\": \"x\", \"small|cost\": 0}]",
    );
    fails(
        &tabular(&file, WIDE),
        &["t.json, row 1, column \"small|correct\": found \"x\""],
    );
}

#[test]
fn nested_json_fields_are_columns() {
    let file = File::new(
        "t.json",
        r#"[{"id": 7, "question": "q", "scores": {"gpt-3.5": 0.5, "b": 1}}, {"id": 8, "question": "r", "scores": {"b": 0, "gpt-3.5": 1}}]"#,
    );
    let schema = "cost = { kind = 'uniform' }\n[schema]\nid = ['id']\nprompt = ['question']\nlayout.wide.quality = 'scores.{model}'";
    let table = load(&tabular(&file, schema)).unwrap().table;
    assert_eq!(table.models(), ["gpt-3.5", "b"]);
    assert_eq!(table.ids(), ["7", "8"]);
    assert_eq!(table.quality(), ndarray::array![[0.5, 1.0], [1.0, 0.0]]);
    assert!(table.cost_unit().assumption.is_some());
}

// ---- prices ----

const PRICES: &str = "[defaults]\nimage_tokens = 765\noutput_tokens = 300\n[tabular]\nsmall = { input = 1.0, output = 2.0 }\n";

fn priced(prices: &str) -> (File, DataSpec) {
    let file = File::new("t.csv", "id,question,small|correct\n1,twelve chars,1\n");
    std::fs::write(file.beside("prices.toml"), prices).unwrap();
    let cost = format!(
        "cost = {{ kind = 'prices', file = '{}' }}",
        file.beside("prices.toml").display()
    );
    let spec = tabular(
        &file,
        &format!("{cost}\n{}", WIDE.replace(", cost = '{model}|cost'", "")),
    );
    (file, spec)
}

#[test]
fn prices_make_costs_that_are_marked_as_assumed() {
    let (_file, spec) = priced(PRICES);
    let loaded = load(&spec).unwrap();
    assert_eq!(loaded.table.cost()[[0, 0]], (3.0 * 1.0 + 300.0 * 2.0) / 1e6);
    let assumption = loaded.table.cost_unit().assumption.clone().unwrap();
    assert!(assumption.contains("prices.toml [tabular]"), "{assumption}");
    assert_eq!(loaded.report.files.len(), 2);
    assert!(
        loaded
            .report
            .notes
            .iter()
            .any(|note| note.starts_with("costs are assumed: list prices"))
    );
}

#[test]
fn prices_without_the_pool() {
    let (_file, spec) = priced(&PRICES.replace("[tabular]", "[other]"));
    fails(&spec, &["prices.toml: there is no table [tabular]; add it"]);
}

#[test]
fn prices_without_a_model() {
    let (_file, spec) = priced(&PRICES.replace("small", "large"));
    fails(
        &spec,
        &["prices.toml: [tabular] has no price for model \"small\"; add it"],
    );
}

#[test]
fn negative_price() {
    let (_file, spec) = priced(&PRICES.replace("2.0", "-2.0"));
    fails(
        &spec,
        &[
            "prices.toml: [tabular] makes a cost of -0.000597 for model \"small\"; prices must not be negative",
        ],
    );
}

#[test]
fn misspelt_price() {
    let (_file, spec) = priced(&PRICES.replace("output =", "outputs ="));
    fails(&spec, &["prices.toml: [tabular]: ", "outputs"]);
}

#[test]
fn a_model_named_twice() {
    let file = routerbench("a,p,t,1,1,0,0\n");
    let spec = DataSpec {
        models: Some(vec!["small".to_owned(), "small".to_owned()]),
        ..file.spec("routerbench")
    };
    fails(
        &spec,
        &["[data] models: it names \"small\" twice; name every model once"],
    );
}

#[test]
fn a_task_that_is_not_there() {
    let file = routerbench("a,p,t,1,1,0,0\n");
    let spec = DataSpec {
        tasks: Some(vec!["u".to_owned()]),
        ..file.spec("routerbench")
    };
    fails(
        &spec,
        &["bench.csv has no task \"u\" (asked for by `tasks`); its tasks are \"t\""],
    );
}

#[test]
fn missing_cells_of_other_tasks_do_not_matter() {
    let file = routerbench("a,p,t,1,1,0,0\nb,q,u,,1,0,0\n,,,,,,\n");
    let spec = DataSpec {
        tasks: Some(vec!["t".to_owned()]),
        ..file.spec("routerbench")
    };
    fails(
        &spec,
        &["row 3 (line 4), column \"sample_id\": the cell is blank"],
    );
    let file = routerbench("a,p,t,1,1,0,0\nb,q,u,,1,0,0\n");
    let spec = DataSpec {
        path: file.path.clone(),
        ..spec
    };
    let loaded = load(&spec).unwrap();
    assert_eq!(loaded.table.ids(), ["a"]);
    assert_eq!(
        (loaded.report.dropped_queries, loaded.report.missing_cells),
        (0, 0)
    );
    assert_eq!(
        loaded.report.notes,
        ["1 queries of other tasks left out (`tasks`)"]
    );
}
