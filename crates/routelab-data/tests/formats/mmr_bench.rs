//! MMR-Bench.

use crate::common::fails;
use crate::{Twin, fixture};
use routelab_data::{DataSpec, Images, load};

fn image(table: &routelab_data::RoutingTable, row: usize) -> String {
    let path = table.images().unwrap()[row].clone().unwrap();
    let path = path.strip_prefix(fixture("mmr-bench")).unwrap().to_owned();
    path.to_str().unwrap().to_owned()
}

#[test]
fn fixture_reads() {
    for path in ["mmr-bench", "mmr-bench/MMR_Bench.csv"] {
        let loaded = load(&DataSpec::new("mmr-bench", fixture(path))).unwrap();
        let table = &loaded.table;
        assert_eq!(table.quality().dim(), (3, 10));
        assert_eq!(table.models()[9], "gpt-5-2025-08-07");
        assert_eq!(
            table.ids(),
            ["OCRBench_12", "SEEDBench2_Plus_0", "MathVista_3"]
        );
        assert_eq!(table.tasks(), ["OCRBench", "SEEDBench2_Plus", "MathVista"]);
        assert_eq!(image(table, 0), "OCRBench/12.jpg");
        assert_eq!(image(table, 1), "SEEDBenchv2Plus/0.png");
        assert_eq!(image(table, 2), "MathVista/3.jpeg");
        assert_eq!(table.quality().row(0).to_vec()[..4], [0.0, 1.0, 1.0, 0.0]);
        assert_eq!(table.cost()[[0, 9]], 0.03);
        assert_eq!(table.cost_unit().assumption, None);
        assert_eq!(loaded.report.notes, ["columns not used: answer"]);
    }
}

#[test]
fn malformed_twins() {
    let twin = |from, to| Twin::of("mmr-bench", "MMR_Bench.csv", from, to);
    let spec = |twin: &Twin| DataSpec::new("mmr-bench", &twin.path);
    let parts = "MMR_Bench.csv, row 1 (line 2), column \"dataset_idx\": found \"OCR_12\", expected one of MathVerse_…";
    fails(&spec(&twin("OCRBench_12", "OCR_12")), &[parts]);
    let missing = twin("OCRBench_12", "OCRBench_13");
    fails(
        &spec(&missing),
        &[
            "row 1 (line 2) (id \"OCRBench_13\"): the image",
            "OCRBench/13.jpg does not exist",
        ],
    );
    let text_only = DataSpec {
        images: Images::Ignore,
        ..spec(&missing)
    };
    assert_eq!(load(&text_only).unwrap().table.images(), None);
    fails(
        &spec(&twin("gpt-5-2025-08-07_cost", "gpt-5_cost")),
        &["has no column \"gpt-5-2025-08-07_cost\" (a model's cost)"],
    );
    fails(
        &spec(&twin(",0.0,", ",,")),
        &["column \"Qwen2.5-VL-3B-Instruct_correct\": the value is missing"],
    );
    let empty = tempfile::tempdir().unwrap();
    fails(
        &DataSpec::new("mmr-bench", empty.path()),
        &["has no file MMR_Bench.csv or MMR-Bench.csv; was everything downloaded"],
    );
}
