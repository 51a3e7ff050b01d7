//! The figures as their users see them: files, numbers, names, errors.

mod charts;
mod golden;
mod wider;

use std::collections::HashSet;
use std::fs;

use charts::*;
use routelab_plot::{
    BackendsChart, CallMixChart, CallRateChart, ColumnWidth, CostQualityChart, Curve, Drawing,
    LabelledPoint, MarginChart, MixPanel, PlotError, RateSeries, RciChart, Role, Style,
};

/// Every figure with the words that must stand on it.
fn all() -> Vec<(Drawing, Vec<&'static str>)> {
    let style = Style::default();
    vec![
        (
            call_rate().draw(&style).unwrap(),
            vec![
                "oracle",
                "kNN, k = 300",
                "Call rate of gpt-4 (%)",
                "Budget per query (US dollars)",
                "$0.001",
                "100",
                "Prices are list prices.",
            ],
        ),
        (
            cost_quality().draw(&style).unwrap(),
            vec![
                "EquiRouter",
                "zero-one-ai/Yi-34B-Chat",
                "gpt-4",
                "single model",
                "Mean quality",
                "Mean cost per query (US dollars)",
                "Prices are assumed.",
            ],
        ),
        (
            call_mix().draw(&style).unwrap(),
            vec![
                "linear",
                "small",
                "large",
                "Call rate (%)",
                "Budget per query (output characters)",
            ],
        ),
        (
            margins().draw(&style).unwrap(),
            vec![
                "real: 75.0 %",
                "MLP: 75.0 %",
                "Share with margin ≤ 0.05",
                "Margin between the two best models",
                "Queries with at most that margin (%)",
            ],
        ),
        (
            rci().draw(&style).unwrap(),
            vec![
                "linear",
                "oracle",
                "75.0",
                "Routing collapse index (%) ↓",
                "wasteful: a cheaper model was as good",
                "wrong: not among the best",
            ],
        ),
        (
            pool().draw(&style).unwrap(),
            vec![
                "small",
                "large",
                "oracle",
                "Pareto front",
                "dominated model",
                "among the best",
                "75.0",
                "Mean cost per query (US dollars)",
                "Queries (%)",
                "Prices are assumed.",
            ],
        ),
        (
            sweep().draw(&style).unwrap(),
            vec![
                "EquiRouter",
                "kNN",
                "nAUC ↑",
                "Call rate (%) ↓",
                "Noise σ",
                "0.01",
                "Seeds 0 to 4.",
            ],
        ),
        (
            forest().draw(&style).unwrap(),
            vec![
                "kNN",
                "nAUC minus that of EquiRouter",
                "−0.250 [−0.375, −0.125]",
                "p < 0.001",
                "p = 0.250",
                "better →",
                "Paired bootstrap.",
            ],
        ),
        (
            heat().draw(&style).unwrap(),
            vec!["nAUC ↑", "RouterBench", "MLP", "0.750", "failed", "–"],
        ),
        (
            tuning().draw(&style).unwrap(),
            vec![
                "kNN: 0.750",
                "MLP: 0.625",
                "Validation nAUC ↑",
                "Trial",
                "failed or beyond the axis",
            ],
        ),
        (
            stacked().draw(&style).unwrap(),
            vec!["kNN", "62.5", "tie-breaking", "Means over seeds."],
        ),
        (
            backends().draw(&style).unwrap(),
            vec![
                "flex@bf16",
                "Seconds per epoch ↓",
                "0.125",
                "Training queries per second ↑",
                "Queries per batch",
                "2048 | 512",
                "96.88 %",
                "Processors of two cores.",
            ],
        ),
    ]
}

fn csv(drawing: Result<Drawing, PlotError>) -> String {
    String::from_utf8(drawing.unwrap().csv().to_vec()).unwrap()
}

#[test]
fn csv_holds_the_numbers_drawn() {
    let style = Style::default();
    assert_eq!(
        csv(call_rate().draw(&style)),
        "router,role,budget,call_rate,low,high\n\
         oracle,oracle,0.0001,0,,\noracle,oracle,0.001,0.1,,\noracle,oracle,0.01,0.15,,\n\
         \"kNN, k = 300\",router,0.0001,0,0,0\n\"kNN, k = 300\",router,0.001,0.5,0.4,0.6\n\
         \"kNN, k = 300\",router,0.01,1,0.99,1.01\n"
    );
    assert_eq!(
        csv(cost_quality().draw(&style)),
        "name,role,cost,quality\n\
         EquiRouter,highlight,0.00003,0.5\nEquiRouter,highlight,0.002,0.8\n\
         zero-one-ai/Yi-34B-Chat,model,0.0002,0.7\ngpt-4,model,0.003,0.85\n"
    );
    assert_eq!(
        csv(call_mix().draw(&style)),
        "router,budget,model,call_rate\n\
         linear,1,small,1\nlinear,1,large,0\nlinear,2,small,0.25\nlinear,2,large,0.75\n"
    );
    assert_eq!(
        csv(margins().draw(&style)),
        "name,margin,share\n\
         real,0,0.75\nreal,0.05,0.75\nreal,1,1\n\
         MLP,0,0\nMLP,0.01,0.25\nMLP,0.02,0.5\nMLP,0.05,0.75\nMLP,0.3,1\n"
    );
    assert_eq!(
        csv(rci().draw(&style)),
        "router,rci,wasteful,wrong,low,high\noracle,0,0,0,,\nlinear,0.75,0.5,0.25,0.7,0.8\n"
    );
    let of_one = BackendsChart {
        rows: backends().rows.split_off(2),
        ..backends()
    };
    let name = "EquiRouter,\"wgpu:llvmpipe (LLVM 15.0.6, 256 bits)\",";
    let lines = [
        "seconds_per_epoch,,2,1.5,3",
        "training_queries_per_second,32,64,,",
        "training_queries_per_second,128,128,,",
        "training_queries_per_second,512,256,,",
        "memory_mib,,2048,,",
        "device_memory_mib,,512,,",
        "score_difference,,0.0004,,",
        "equal_decisions,,0.9996,,",
    ];
    assert_eq!(
        csv(of_one.draw(&style)),
        format!(
            "router,backend,quantity,batch_size,value,low,high\n{}",
            lines.map(|line| format!("{name}{line}\n")).concat()
        )
    );
}

#[test]
fn svg_is_xml_with_every_word_and_needs_no_font() {
    for (drawing, words) in all() {
        let svg = drawing.svg();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let labels: HashSet<&str> = document
            .descendants()
            .filter_map(|n| n.attribute("aria-label"))
            .collect();
        for word in words {
            assert!(
                labels.contains(word),
                "{}: no \"{word}\" among {labels:?}",
                drawing.title()
            );
        }
        let root = document.root_element();
        assert_eq!(root.attribute("width"), Some("7in"));
        assert_eq!(root.attribute("aria-label"), Some(drawing.title()));
        for node in document.descendants().filter(|n| n.is_element()) {
            assert!(
                ["svg", "path", "circle"].contains(&node.tag_name().name()),
                "{:?}",
                node.tag_name()
            );
            assert_eq!(node.attribute("id"), None, "many figures stand in one page");
        }
        assert!(svg.len() < 300_000);
    }
}

fn decode(bytes: &[u8]) -> (png::OutputInfo, Vec<u8>, Option<png::PixelDimensions>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let dims = reader.info().pixel_dims;
    (info, pixels, dims)
}

#[test]
fn png_has_the_size_asked_for_and_a_picture() {
    for (width, dpi, pixels_wide) in [
        (ColumnWidth::Double, 200, 1400),
        (ColumnWidth::Single, 300, 990),
        (ColumnWidth::Page, 100, 550),
    ] {
        let drawing = cost_quality().draw(&Style { width, dpi }).unwrap();
        let (info, pixels, dims) = decode(&drawing.png().unwrap());
        assert_eq!(
            (info.width, info.color_type),
            (pixels_wide, png::ColorType::Rgb)
        );
        let per_metre = dims.unwrap().xppu;
        assert!((f64::from(per_metre) * 0.0254 - f64::from(dpi)).abs() < 0.5);
        let inked = pixels
            .chunks_exact(3)
            .filter(|p| **p != [255, 255, 255])
            .count();
        let share = inked as f64 / (info.width * info.height) as f64;
        assert!(
            (0.01..0.5).contains(&share),
            "{share} of the picture is inked"
        );
    }
}

#[test]
fn png_and_svg_have_one_shape() {
    for (drawing, _) in all() {
        let svg = drawing.svg();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let inches: f64 = document
            .root_element()
            .attribute("height")
            .unwrap()
            .trim_end_matches("in")
            .parse()
            .unwrap();
        let (info, ..) = decode(&drawing.png().unwrap());
        assert!((f64::from(info.height) / 200.0 - inches).abs() < 0.01);
    }
}

#[test]
fn save_writes_four_whole_files_that_do_not_change() {
    let folder = tempfile::tempdir().unwrap();
    let paths = call_rate().save(folder.path(), "rates").unwrap();
    let names: Vec<_> = paths
        .iter()
        .map(|p| p.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["rates.csv", "rates.svg", "rates.pdf", "rates.png"]);
    let first: Vec<Vec<u8>> = paths.iter().map(|p| fs::read(p).unwrap()).collect();
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        4,
        "nothing unfinished is left"
    );
    call_rate().save(folder.path(), "rates").unwrap();
    let second: Vec<Vec<u8>> = paths.iter().map(|p| fs::read(p).unwrap()).collect();
    assert!(first == second);
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap().path().join("missing");
    let error = rci().save(&folder, "rci").unwrap_err();
    assert!(matches!(error, PlotError::Write { .. }));
    assert!(error.to_string().contains("rci.csv"), "{error}");
}

/// The message of the error that a chart must give.
fn message(drawing: Result<Drawing, PlotError>) -> String {
    drawing.unwrap_err().to_string()
}

#[test]
fn what_is_missing_is_said() {
    let style = Style::default();
    assert!(
        message(
            CallRateChart {
                series: vec![],
                ..call_rate()
            }
            .draw(&style)
        )
        .contains("list of routers is empty")
    );
    assert!(
        message(
            CallRateChart {
                budgets: vec![],
                ..call_rate()
            }
            .draw(&style)
        )
        .contains("list of budgets is empty")
    );
    assert!(
        message(
            CostQualityChart {
                curves: vec![],
                models: vec![],
                ..cost_quality()
            }
            .draw(&style)
        )
        .contains("empty")
    );
    assert!(
        message(
            CallMixChart {
                panels: vec![],
                ..call_mix()
            }
            .draw(&style)
        )
        .contains("list of routers is empty")
    );
    assert!(
        message(
            MarginChart {
                real: vec![],
                ..margins()
            }
            .draw(&style)
        )
        .contains("real margins is empty")
    );
    assert!(
        message(
            RciChart {
                bars: vec![],
                note: None,
            }
            .draw(&style)
        )
        .contains("list of routers is empty")
    );
    let mut chart = cost_quality();
    chart.curves[0].points.clear();
    assert!(message(chart.draw(&style)).contains("\"EquiRouter\" is empty"));
}

#[test]
fn a_bad_number_is_named_with_its_series() {
    let style = Style::default();
    let mut chart = call_rate();
    chart.series[1].rate[2] = f64::NAN;
    let text = message(chart.draw(&style));
    assert!(
        text.contains("kNN, k = 300") && text.contains("value 2") && text.contains("NaN"),
        "{text}"
    );

    let mut chart = call_rate();
    chart.series[1].rate.pop();
    assert!(message(chart.draw(&style)).contains("has 2 values, expected 3"));

    let mut chart = call_rate();
    chart.budgets[1] = 1.0;
    assert!(message(chart.draw(&style)).contains("no less than the one before"));

    let mut chart = cost_quality();
    chart.models[0].cost = -1.0;
    assert!(message(chart.draw(&style)).contains("Yi-34B-Chat"));

    let mut chart = cost_quality();
    chart.curves[0].points[1].1 = 1.7;
    assert!(message(chart.draw(&style)).contains("1.7, expected a number from 0 to 1"));

    let mut chart = call_mix();
    chart.panels[0].rates[1][0] = 0.1;
    assert!(
        message(chart.draw(&style)).contains("the sum of the call rates of \"linear\" at budget 2")
    );

    let mut chart = margins();
    chart.predicted[0].margins[0] = f64::INFINITY;
    assert!(message(chart.draw(&style)).contains("\"MLP\""));
    assert!(
        message(
            MarginChart {
                threshold: 0.0,
                ..margins()
            }
            .draw(&style)
        )
        .contains("threshold")
    );

    let mut chart = backends();
    chart.rows[1].throughput[0] = Some(0.0);
    assert!(message(chart.draw(&style)).contains("the throughput of \"flex@bf16\""));
    let mut chart = backends();
    chart.batch_sizes[0] = 0;
    assert!(message(chart.draw(&style)).contains("batch size"));

    let mut chart = rci();
    chart.bars[0].wrong = 0.6;
    assert!(message(chart.draw(&style)).contains("the RCI of \"linear\""));

    assert!(message(rci().draw(&Style { dpi: 0, ..style })).contains("dots per inch"));
}

#[test]
fn odd_but_honest_numbers_are_drawn() {
    let style = Style::default();
    let zeros = CallRateChart {
        budgets: vec![0.0, 0.0, 0.0],
        series: vec![RateSeries {
            name: "a".into(),
            rate: vec![0.0; 3],
            low: None,
            high: None,
            role: Role::Router,
        }],
        ..call_rate()
    };
    let many = CallMixChart {
        budgets: vec![5.0],
        models: (0..40).map(|i| format!("model {i}")).collect(),
        panels: vec![MixPanel {
            name: "a".into(),
            rates: vec![vec![1.0 / 40.0; 40]],
        }],
        ..call_mix()
    };
    let constant = CostQualityChart {
        curves: vec![Curve {
            name: "a".into(),
            points: vec![(0.5, 1.0); 4],
            role: Role::Router,
        }],
        models: vec![
            LabelledPoint {
                name: "b".into(),
                cost: 0.5,
                quality: 1.0
            };
            3
        ],
        ..cost_quality()
    };
    let ties = MarginChart {
        real: vec![0.0; 9],
        predicted: vec![],
        threshold: 0.05,
        note: None,
    };
    let tiny = CostQualityChart {
        models: vec![LabelledPoint {
            name: "b".into(),
            cost: f64::MIN_POSITIVE,
            quality: 0.0,
        }],
        ..cost_quality()
    };
    for drawing in [
        zeros.draw(&style),
        many.draw(&style),
        constant.draw(&style),
        ties.draw(&style),
        tiny.draw(&style),
    ] {
        let drawing = drawing.unwrap();
        assert!(roxmltree::Document::parse(&drawing.svg()).is_ok());
        assert!(!drawing.png().unwrap().is_empty());
    }
    let svg = many.draw(&style).unwrap().svg();
    assert!(
        svg.contains("\"other (27 models)\""),
        "the least used share a fill"
    );
}

#[test]
fn names_cannot_break_the_svg() {
    let odd = "<script> & \"quotes\" \u{0} \u{7} \n \u{ffff} 模型 λ ≤ ∞";
    let mut chart = rci();
    chart.bars[0].name = odd.into();
    let svg = chart.draw(&Style::default()).unwrap().svg();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let found = document
        .descendants()
        .filter_map(|n| n.attribute("aria-label"))
        .any(|l| l.contains("<script> & \"quotes\""));
    assert!(found);
}
