//! ZeroEval and MMLU-Pro, from tables written as CSV.

use crate::common::{File, fails};
use crate::fixture;
use ndarray::array;
use routelab_data::{DataSpec, Missing, load};

#[test]
fn mmlu_pro_letters_its_options() {
    let file = File::new(
        "t.csv",
        "question_id,question,options,category,m|correct,m|outchars\n\
         70,Which?,\"[\"\"one\"\", \"\"two\"\"]\",law,1.0,12\n",
    );
    let loaded = load(&file.spec("mmlu-pro")).unwrap();
    assert_eq!(loaded.table.prompts(), ["Which?\nA. one\nB. two"]);
    assert_eq!(loaded.table.tasks(), ["law"]);
    assert_eq!(loaded.table.cost(), array![[12.0]]);
    assert_eq!(loaded.table.cost_unit().name, "output characters");
    let file = File::new(
        "t.csv",
        "question_id,question,options,category,m|correct,m|outchars\n70,Which?,A) one,law,1.0,12\n",
    );
    fails(
        &file.spec("mmlu-pro"),
        &[
            "t.csv, row 1 (line 2), column \"options\": found \"A) one\", expected a JSON list of at most 26 texts",
        ],
    );
}

#[test]
fn zeroeval_needs_both_columns_of_a_model() {
    let file = File::new("t.csv", "task,question,m|correct\ngsm,q,1\n");
    fails(
        &file.spec("zeroeval"),
        &["t.csv has no column \"m|outchars\" (a model's cost)"],
    );
    let file = File::new(
        "t.csv",
        "task,question,m|correct,m|outchars\ngsm,q,1,7\n,q,1,7\n",
    );
    fails(
        &file.spec("zeroeval"),
        &["row 2 (line 3), column \"task\": the cell is blank; expected a task"],
    );
    let file = File::new(
        "t.csv",
        "task,question,m|correct,m|outchars\ngsm,q,1,7\ngsm,q,,\n",
    );
    let loaded = load(&DataSpec {
        missing: Missing::DropQuery,
        ..file.spec("zeroeval")
    });
    let loaded = loaded.unwrap();
    assert_eq!((loaded.table.len(), loaded.report.missing_cells), (1, 2));
}

#[test]
fn a_compressed_parquet_file_is_read() {
    let loaded = load(&DataSpec::new("zeroeval", fixture("gzip.parquet"))).unwrap();
    assert_eq!(loaded.table.len(), 1);
}
