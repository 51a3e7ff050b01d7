//! Numbers, errors and PDFs of the figures of wider experiments.

use routelab_plot::*;

use crate::charts::*;
use crate::{all, csv, message};

#[test]
fn csv_of_wider_figures_holds_the_numbers_drawn() {
    let style = Style::default();
    assert_eq!(
        csv(pool().draw(&style)),
        "name,cost,quality,best,only_best,on_front\n\
         large,0.01,0.8,0.75,0.2,true\nsmall,0.0001,0.5,0.45,0.05,true\n\
         odd,0.002,0.45,0.3,0,false\noracle,0.0009,0.95,,,\n"
    );
    let sweep = csv(sweep().draw(&style));
    assert!(sweep.starts_with("router,role,metric,position,value,low,high\n"));
    assert!(sweep.contains("\nkNN,router,nAUC,0.01,,,\n"), "{sweep}");
    assert!(sweep.contains("\nkNN,router,Call rate,1,1,,\n"), "{sweep}");
    assert_eq!(sweep.lines().count(), 1 + 2 * 2 * 4);
    assert_eq!(
        csv(forest().draw(&style)),
        "router,reference,difference,low,high,p\n\
         kNN,EquiRouter,-0.25,-0.375,-0.125,0.0004\n\
         linear,EquiRouter,0.125,-0.125,0.375,0.25\nMLP,EquiRouter,0,0,0,\n"
    );
    assert_eq!(
        csv(heat().draw(&style)).lines().skip(4).collect::<Vec<_>>(),
        [
            "kNN,router,RouterBench,0.5,value",
            "kNN,router,SPROUT,0.25,value",
            "kNN,router,MMR-Bench,,failed",
            "MLP,router,RouterBench,0.75,value",
            "MLP,router,SPROUT,0.25,value",
            "MLP,router,MMR-Bench,,missing",
        ]
    );
    assert_eq!(
        csv(tuning().draw(&style)),
        "router,trial,value,best_so_far\n\
         kNN,1,,\nkNN,2,0.5,0.5\nkNN,3,0.25,0.5\nkNN,4,0.75,0.75\n\
         MLP,1,0.625,0.625\nMLP,2,0.5,0.625\nMLP,3,0.5,0.625\nMLP,4,,0.625\n"
    );
    assert_eq!(
        csv(stacked().draw(&style)),
        "router,part,value,total_low,total_high\n\
         kNN,prediction,0.5,0.5,0.75\nkNN,ordering,0.125,0.5,0.75\nkNN,tie-breaking,0,0.5,0.75\n\
         MLP,prediction,0.25,,\nMLP,ordering,0.125,,\nMLP,tie-breaking,0.25,,\n"
    );
}

#[test]
fn lower_is_better_where_the_metric_says_so() {
    let mut chart = tuning();
    chart.metric.better = Better::Lower;
    let text = csv(chart.draw(&Style::default()));
    assert!(text.ends_with("MLP,4,,0.5\n"), "{text}");
}

#[test]
fn bad_numbers_of_wider_figures_are_named() {
    let style = Style::default();
    let mut chart = pool();
    chart.models[0].only_best = 0.5;
    assert!(message(chart.draw(&style)).contains("model \"small\""));

    let mut chart = sweep();
    chart.positions = Positions::Linear(vec![0.0, 2.0, 1.0, 3.0]);
    assert!(message(chart.draw(&style)).contains("no less than the one before"));
    let mut chart = sweep();
    chart.positions = Positions::Log(vec![-1.0, 0.0, 1.0, 3.0]);
    assert!(message(chart.draw(&style)).contains("positions, value 0"));
    let mut chart = sweep();
    chart.panels[0].log = true;
    chart.panels[0].values[0][0].as_mut().unwrap().value = -1.0;
    assert!(message(chart.draw(&style)).contains("a number of at least 0"));
    let mut chart = sweep();
    chart.panels[1].values[0].pop();
    assert!(message(chart.draw(&style)).contains("Call rate of \"EquiRouter\" has 3 values"));

    let mut chart = forest();
    chart.rows[1].low = 1.0;
    assert!(message(chart.draw(&style)).contains("interval of \"linear\""));

    let mut chart = heat();
    chart.rows[1].cells[1] = HeatCell::Value(f64::NAN);
    assert!(message(chart.draw(&style)).contains("\"kNN\" on \"SPROUT\""));
    let mut chart = heat();
    chart.columns = vec!["set".into(); 15];
    assert!(message(chart.draw(&style)).contains("15 data sets, at most 14"));

    let mut chart = tuning();
    chart.searches[1].trials.clear();
    assert!(message(chart.draw(&style)).contains("trials of \"MLP\" is empty"));

    let mut chart = stacked();
    chart.bars[0].values[1] = -0.1;
    assert!(message(chart.draw(&style)).contains("the parts of \"kNN\""));
    let mut chart = stacked();
    chart.parts = vec!["part".into(); 9];
    assert!(message(chart.draw(&style)).contains("9 parts, at most 8"));
}

#[test]
fn many_routers_beside_a_highlight_become_quiet_and_a_note_names_them() {
    let mut chart = call_rate();
    let series = |name: String, role| RateSeries {
        name,
        rate: vec![0.0, 0.5, 1.0],
        low: None,
        high: None,
        role,
    };
    chart.series = (0..13)
        .map(|i| series(format!("r{i}"), Role::Router))
        .collect();
    let svg = chart.draw(&Style::default()).unwrap().svg();
    assert!(svg.contains("\"r12\""), "no highlight: each has an entry");

    chart
        .series
        .push(series("EquiRouter".into(), Role::Highlight));
    let svg = chart.draw(&Style::default()).unwrap().svg();
    assert!(svg.contains("\"EquiRouter\"") && svg.contains("\"13 other routers\""));
    assert!(!svg.contains("\"r12\""));
    assert!(svg.contains("Other routers: r0, r1, r2,"));
}

#[test]
fn names_that_would_lie_on_curves_become_numbers() {
    let mut chart = cost_quality();
    let wall = |i: i32| Curve {
        name: format!("router {i}"),
        points: (0..40)
            .map(|k| {
                (
                    3e-5 * 1.13f64.powi(k),
                    0.4 + 0.01 * f64::from(i) + 0.005 * f64::from(k % 2),
                )
            })
            .collect(),
        role: Role::Router,
    };
    chart.curves = (0..46).map(wall).collect();
    let svg = chart.draw(&Style::default()).unwrap().svg();
    assert!(
        svg.contains("Models: 1\u{a0}zero-one-ai/Yi-34B-Chat, 2\u{a0}gpt-4."),
        "{svg}"
    );
}

#[test]
fn widths_have_names() {
    for width in ColumnWidth::ALL {
        assert_eq!(width.name().parse::<ColumnWidth>().unwrap(), width);
    }
    let error = "wide".parse::<ColumnWidth>().unwrap_err().to_string();
    assert!(
        error.contains("\"wide\"") && error.contains("\"double\""),
        "{error}"
    );
}

/// The bytes between two marks, the first time they occur from `from` on.
fn between<'a>(bytes: &'a [u8], open: &[u8], close: &[u8]) -> Option<&'a [u8]> {
    let find = |bytes: &[u8], mark: &[u8]| bytes.windows(mark.len()).position(|w| w == mark);
    let start = find(bytes, open)? + open.len();
    let length = find(&bytes[start..], close)?;
    Some(&bytes[start..start + length])
}

#[test]
fn pdf_has_the_size_of_the_svg_an_embedded_font_and_no_date() {
    for (drawing, _) in all() {
        let pdf = drawing.pdf().unwrap();
        assert!(
            pdf == drawing.pdf().unwrap(),
            "equal figures give equal bytes"
        );
        assert!(pdf.starts_with(b"%PDF-1.7") && pdf.ends_with(b"%%EOF"));
        let media = between(&pdf, b"/MediaBox [", b"]").unwrap();
        let numbers: Vec<f64> = std::str::from_utf8(media)
            .unwrap()
            .split_whitespace()
            .map(|n| n.parse().unwrap())
            .collect();
        assert_eq!(numbers[2], 7.0 * 72.0);
        let svg = drawing.svg();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let view = document
            .root_element()
            .attribute("viewBox")
            .unwrap()
            .to_owned();
        let height: f64 = view.split(' ').next_back().unwrap().parse().unwrap();
        assert!(
            (numbers[3] - height / 20.0).abs() < 1e-3,
            "20 grid units to the point"
        );
        let text = String::from_utf8_lossy(&pdf);
        assert!(text.contains("+Inter-Regular") && text.contains("/CIDFontType0C"));
        assert!(!text.contains("Date"), "files hold no dates");
    }
}

#[test]
fn pdf_words_can_be_searched() {
    let pdf = stacked().draw(&Style::default()).unwrap().pdf().unwrap();
    let text = String::from_utf8_lossy(&pdf);
    // The map from glyphs to characters is not compressed: 'p' of "prediction" and the arrow of the title are in it.
    for c in ['p', 'k', '↓', '%'] {
        let entry = format!("> <{:04X}>", u32::from(c));
        assert!(text.contains(&entry), "no {c} in the map");
    }
    // Characters that the font lacks are drawn as boxes and stand for nothing.
    let mut chart = stacked();
    chart.bars[0].name = "模型".into();
    let pdf = chart.draw(&Style::default()).unwrap().pdf().unwrap();
    assert!(!String::from_utf8_lossy(&pdf).contains("> <6A21>"));
}

#[test]
fn odd_but_honest_numbers_of_wider_figures_are_drawn() {
    let style = Style::default();
    let mut alone = pool();
    alone.models.truncate(1);
    alone.oracle = None;
    let mut free = pool();
    free.models[0].cost = 0.0;
    let mut empty = sweep();
    empty.panels[0].values = vec![vec![None; 4]; 2];
    let mut one = sweep();
    one.positions = Positions::Categories(vec!["only".into()]);
    one.panels
        .iter_mut()
        .flat_map(|p| &mut p.values)
        .for_each(|v| v.truncate(1));
    let mut zero = sweep();
    zero.positions = Positions::Log(vec![0.0; 4]);
    let mut same = heat();
    same.rows.retain(|row| row.role == Role::Oracle);
    let mut failed = tuning();
    failed
        .searches
        .iter_mut()
        .for_each(|s| s.trials = vec![None]);
    let mut nothing = stacked();
    nothing.bars.iter_mut().for_each(|b| {
        b.values = vec![0.0; 3];
        b.interval = None;
    });
    let mut plain = stacked();
    plain.metric.percent = false;
    plain.bars[0].values = vec![1e6, 3e-9, 0.0];
    for drawing in [
        alone.draw(&style),
        free.draw(&style),
        empty.draw(&style),
        one.draw(&style),
        zero.draw(&style),
        same.draw(&style),
        failed.draw(&style),
        nothing.draw(&style),
        plain.draw(&style),
    ] {
        let drawing = drawing.unwrap();
        assert!(roxmltree::Document::parse(&drawing.svg()).is_ok());
        assert!(!drawing.png().unwrap().is_empty());
        assert!(!drawing.pdf().unwrap().is_empty());
    }
}
