//! DynaMath and LogicVista.

use std::path::PathBuf;

use crate::common::fails;
use crate::{Twin, fixture, uniform};
use ndarray::array;
use routelab_data::{CostAssumption, DataSpec, load};

fn prices(format: &str, path: PathBuf) -> DataSpec {
    DataSpec {
        cost: Some(CostAssumption::Prices {
            file: fixture("multimodal/prices.toml"),
            table: None,
        }),
        ..DataSpec::new(format, path)
    }
}

#[test]
fn dynamath_reads() {
    let loaded = load(&prices("dynamath", fixture("multimodal/dynamath.csv"))).unwrap();
    let table = &loaded.table;
    assert_eq!(table.ids(), ["1_1", "1_2"]);
    assert_eq!(table.groups().unwrap(), ["1", "1"]);
    assert_eq!(table.tasks(), ["algebra", "algebra"]);
    assert_eq!(table.quality(), array![[1.0, 0.0], [1.0, 1.0]]);
    assert!(
        table.images().unwrap()[0]
            .as_ref()
            .unwrap()
            .ends_with("images/1_1.png")
    );
    // "What is shown?" is 4 tokens, an image 100, an answer 10.
    assert!((table.cost()[[0, 0]] - (104.0 * 2.0 + 10.0 * 10.0) / 1e6).abs() < 1e-15);
}

#[test]
fn logicvista_reads() {
    let loaded = load(&prices("logicvista", fixture("multimodal/logicvista.csv"))).unwrap();
    let table = &loaded.table;
    assert_eq!(table.ids(), ["v1_0", "v1_382"]);
    assert_eq!(table.tasks(), ["inductive", "spatial"]);
    assert_eq!(table.prompts()[1], "");
    assert_eq!(table.groups(), None);
}

#[test]
fn malformed_twins() {
    let twin = |file, from, to| Twin::of("multimodal", file, from, to);
    let dynamath = |from, to| {
        let twin = twin("dynamath.csv", from, to);
        (uniform("dynamath", twin.path.join("dynamath.csv")), twin)
    };
    for (from, to, part) in [
        (
            "images/1_2.png",
            "images/9_9.png",
            "row 2 (line 3) (id \"1_2\"): the image",
        ),
        (
            "images/1_2.png",
            "",
            "column \"image\": the cell is blank; expected the path of an image",
        ),
        (
            "1,2,What",
            "1,1,What",
            "row 2 (line 3): the id \"1_1\" was already used in row 1",
        ),
        (
            "1,2,What",
            ",2,What",
            "row 2 (line 3), column \"qid\": the cell is blank; expected an id",
        ),
        ("qid", "id", "has no column \"qid\" (the query's id)"),
    ] {
        fails(&dynamath(from, to).0, &[part]);
    }
    let twin = twin("logicvista.csv", "skill", "skills");
    fails(
        &uniform("logicvista", twin.path.join("logicvista.csv")),
        &["logicvista.csv has no column \"skill\" (the task)"],
    );
    let spec = DataSpec {
        cost: Some(CostAssumption::Prices {
            file: fixture("multimodal/prices.toml"),
            table: Some("logicvista".to_owned()),
        }),
        ..DataSpec::new("dynamath", fixture("multimodal/dynamath.csv"))
    };
    fails(
        &spec,
        &["prices.toml: [logicvista] has no price for model \"GPT4o\"; add it"],
    );
}
