//! Nothing is cut off and no text lies on another, whatever the size of the data.

use crate::canvas::{Area, Mark, Words};
use crate::label::overlap;
use crate::*;

/// The box of the letters of a text, from its outlines.
fn box_of(words: &Words) -> Option<Area> {
    use crate::text::Step;
    let mut corners: Vec<(f32, f32)> = Vec::new();
    for step in crate::text::outline(&words.text, words.weight) {
        match step {
            Step::Move(a) | Step::Line(a) => corners.push(a),
            Step::Quad(a, b) => corners.extend([a, b]),
            Step::Cubic(a, b, c) => corners.extend([a, b, c]),
            Step::Close => {}
        }
    }
    let scale = words.size as f32 / 1000.0;
    let places = corners.iter().map(|&(right, down)| {
        let (right, down) = ((right * scale) as i32, (down * scale) as i32);
        let (x, y) = words.at;
        if words.upright {
            (x + down, y - right)
        } else {
            (x + right, y + down)
        }
    });
    places.fold(None, |area: Option<Area>, (x, y)| {
        Some(match area {
            None => Area {
                left: x,
                top: y,
                right: x,
                bottom: y,
            },
            Some(a) => Area {
                left: a.left.min(x),
                top: a.top.min(y),
                right: a.right.max(x),
                bottom: a.bottom.max(y),
            },
        })
    })
}

fn assert_legible(what: &str, drawing: &Drawing) {
    let (marks, (width, height)) = drawing.marks();
    let texts: Vec<(&str, Area)> = marks
        .iter()
        .filter_map(|mark| match mark {
            Mark::Text(words) => box_of(words).map(|area| (words.text.as_str(), area)),
            _ => None,
        })
        .collect();
    assert!(texts.len() > 4, "{what}: there are texts");
    for (i, (text, area)) in texts.iter().enumerate() {
        let inside =
            area.left >= 0 && area.top >= 0 && area.right <= width && area.bottom <= height;
        assert!(
            inside,
            "{what}: \"{text}\" is cut off: {area:?} on {width} by {height}"
        );
        for (other, place) in &texts[..i] {
            assert!(
                !overlap(area, place),
                "{what}: \"{text}\" lies on \"{other}\""
            );
        }
    }
    for mark in marks {
        let points: &[(i32, i32)] = match mark {
            Mark::Stroke { points, .. } | Mark::Fill { points, .. } => points,
            Mark::Disc { centre, .. } | Mark::Ring { centre, .. } => std::slice::from_ref(centre),
            Mark::Text(_) => &[],
        };
        for &(x, y) in points {
            assert!(
                (0..=width).contains(&x) && (0..=height).contains(&y),
                "{what}: a mark is cut off at {x}, {y}"
            );
        }
    }
}

fn names(count: usize, long: bool) -> Vec<String> {
    let end = if long {
        " with a name that no legend was ever made for, not even in a thesis"
    } else {
        ""
    };
    (0..count)
        .map(|i| format!("zero-one-ai/Yi-{i}B{end}"))
        .collect()
}

fn role(i: usize) -> Role {
    [
        Role::Oracle,
        Role::Highlight,
        Role::Router,
        Role::Router,
        Role::Baseline,
    ][i.min(4 + i % 2) % 5]
}

fn budgets(count: usize, low: f64, high: f64) -> Vec<f64> {
    (0..count)
        .map(|i| low * (high / low).powf(i as f64 / (count.max(2) - 1) as f64))
        .collect()
}

fn wave(i: usize, k: usize) -> f64 {
    0.5 + 0.5 * ((i * 7 + k) as f64 * 0.37).sin()
}

#[test]
fn figures_are_legible_at_every_size() {
    for width in ColumnWidth::ALL {
        for (count, long) in [(1, false), (2, true), (13, false), (30, false), (30, true)] {
            let style = Style { width, dpi: 72 };
            let what = |figure: &str| format!("{figure}, {count} names, long: {long}, {width:?}");
            let names = names(count, long);
            let cost_unit = "US dollars".to_owned();
            for (k, low, high) in [
                (100, 3e-5, 5e-3),
                (5, 1.0, 2.0),
                (1, 0.001, 0.001),
                (40, 1e-9, 1e6),
            ] {
                let budgets = budgets(k, low, high);
                let series = names
                    .iter()
                    .enumerate()
                    .map(|(i, name)| {
                        let rate: Vec<f64> = (0..k).map(|j| wave(i, j)).collect();
                        let ends = (i % 2 == 0).then(|| rate.clone());
                        RateSeries {
                            name: name.clone(),
                            low: ends.clone(),
                            high: ends,
                            rate,
                            role: role(i),
                        }
                    })
                    .collect();
                let model = names[0].clone();
                let chart = CallRateChart {
                    budgets: budgets.clone(),
                    series,
                    model,
                    cost_unit: cost_unit.clone(),
                    note: Some("Prices are assumed. ".repeat(9)),
                };
                assert_legible(&what("call rate"), &chart.draw(&style).unwrap());

                let panels = names
                    .iter()
                    .take(13)
                    .map(|name| MixPanel {
                        name: name.clone(),
                        rates: vec![vec![1.0 / count as f64; count]; k],
                    })
                    .collect();
                let chart = CallMixChart {
                    budgets,
                    models: names.clone(),
                    panels,
                    cost_unit: cost_unit.clone(),
                    note: None,
                };
                assert_legible(&what("call mix"), &chart.draw(&style).unwrap());
            }

            let curves = names
                .iter()
                .enumerate()
                .map(|(i, name)| Curve {
                    name: name.clone(),
                    points: (0..30)
                        .map(|k| (1e-5 * 1.3f64.powi(k), wave(i, k as usize) / 2.0 + 0.2))
                        .collect(),
                    role: role(i),
                })
                .collect();
            let models = names
                .iter()
                .enumerate()
                .map(|(i, name)| LabelledPoint {
                    name: name.clone(),
                    cost: 2e-5 * 1.2f64.powi(i as i32),
                    quality: wave(i, 3),
                })
                .collect();
            let note = Some("Prices are assumed. ".repeat(12));
            let chart = CostQualityChart {
                curves,
                models,
                cost_unit,
                note,
            };
            assert_legible(&what("cost and quality"), &chart.draw(&style).unwrap());

            let margins = |i: usize| {
                (0..700)
                    .map(|k| 0.4 * wave(i, k).powi(6))
                    .collect::<Vec<f64>>()
            };
            let predicted = names
                .iter()
                .enumerate()
                .map(|(i, name)| MarginSeries {
                    name: name.clone(),
                    margins: margins(i),
                    role: role(i),
                })
                .collect();
            let chart = MarginChart {
                real: margins(99),
                predicted,
                threshold: 0.05,
                note: None,
            };
            assert_legible(&what("margins"), &chart.draw(&style).unwrap());

            let bars = names
                .iter()
                .enumerate()
                .map(|(i, name)| {
                    let (wasteful, wrong) = (0.7 * wave(i, 0), 0.3 * wave(i, 1));
                    let (low, high) =
                        (Some(wasteful + wrong - 0.05), Some(wasteful + wrong + 0.05));
                    RciBar {
                        name: name.clone(),
                        wasteful,
                        wrong,
                        low,
                        high,
                    }
                })
                .collect();
            assert_legible(
                &what("RCI"),
                &RciChart { bars, note: None }.draw(&style).unwrap(),
            );
        }
    }
}

fn metric(percent: bool, better: Better) -> Quantity {
    Quantity {
        name: "Area under the curve of cost and quality".into(),
        percent,
        better,
    }
}

#[test]
fn figures_of_wider_experiments_are_legible_at_every_size() {
    for width in ColumnWidth::ALL {
        for (count, long) in [(1, false), (2, true), (13, false), (30, false), (30, true)] {
            let style = Style { width, dpi: 72 };
            let what = |figure: &str| format!("{figure}, {count} names, long: {long}, {width:?}");
            let names = names(count, long);
            let note = Some("Prices are assumed. ".repeat(9));

            let models = names
                .iter()
                .enumerate()
                .map(|(i, name)| PoolModel {
                    name: name.clone(),
                    cost: 2e-5 * 1.2f64.powi(i as i32),
                    quality: wave(i, 3),
                    best: wave(i, 1),
                    only_best: wave(i, 1) / 3.0,
                })
                .collect();
            let chart = PoolChart {
                models,
                oracle: Some((1e-4, 1.0)),
                cost_unit: "US dollars".into(),
                note: note.clone(),
            };
            assert_legible(&what("pool"), &chart.draw(&style).unwrap());

            for positions in [
                Positions::Linear(vec![-1.0, 0.0, 0.001, 250_000.0]),
                Positions::Log(vec![0.0, 1e-7, 1.0, 3.0, 1e6]),
                Positions::Categories(crate::layout_tests::names(5, long)),
                Positions::Log(vec![7.0]),
            ] {
                let length = match &positions {
                    Positions::Linear(values) | Positions::Log(values) => values.len(),
                    Positions::Categories(names) => names.len(),
                };
                for panels in 1..=5 {
                    let panel = |p: usize| SweepPanel {
                        metric: metric(p.is_multiple_of(2), Better::Higher),
                        log: p > 1,
                        values: (0..count)
                            .map(|i| {
                                let point = |k: usize| {
                                    let value = 1e-5 * 10f64.powf(p as f64 * wave(i + p, k));
                                    Some(Estimate {
                                        value,
                                        interval: Some((value * 0.9, value * 1.1)),
                                    })
                                };
                                (0..length).map(point).collect()
                            })
                            .collect(),
                    };
                    let series = names.iter().enumerate().map(|(i, name)| SweepSeries {
                        name: name.clone(),
                        role: role(i),
                    });
                    let chart = SweepChart {
                        parameter: names[0].clone(),
                        positions: positions.clone(),
                        series: series.collect(),
                        panels: (0..panels).map(panel).collect(),
                        note: note.clone(),
                    };
                    assert_legible(&what("sweep"), &chart.draw(&style).unwrap());
                }
            }

            for (scale, better) in [(1.0, Better::Higher), (1e-3, Better::Lower)] {
                let rows = names.iter().enumerate().map(|(i, name)| ForestRow {
                    name: name.clone(),
                    difference: scale * (wave(i, 0) - 0.9),
                    low: scale * (wave(i, 0) - 1.0),
                    high: scale * (wave(i, 0) - 0.8),
                    p: (i % 3 > 0).then(|| wave(i, 7).powi(9)),
                });
                let chart = ForestChart {
                    metric: metric(false, better),
                    reference: names[0].clone(),
                    rows: rows.collect(),
                    note: note.clone(),
                };
                assert_legible(&what("forest"), &chart.draw(&style).unwrap());
            }

            for columns in [1, 5, 14] {
                let rows = names.iter().enumerate().map(|(i, name)| HeatRow {
                    name: name.clone(),
                    role: role(i),
                    cells: (0..columns)
                        .map(|c| match (i + c) % 9 {
                            7 => HeatCell::Failed,
                            8 => HeatCell::Missing,
                            _ => HeatCell::Value(wave(i, c)),
                        })
                        .collect(),
                });
                let chart = HeatChart {
                    metric: metric(true, Better::Lower),
                    columns: crate::layout_tests::names(columns, long),
                    rows: rows.collect(),
                    note: note.clone(),
                };
                assert_legible(&what("heat"), &chart.draw(&style).unwrap());
            }

            let searches = names.iter().enumerate().map(|(i, name)| TuningSearch {
                name: name.clone(),
                trials: (0..1 + 7 * i)
                    .map(|k| (k % 5 > 0).then(|| wave(i, k)))
                    .collect(),
            });
            let chart = TuningChart {
                metric: metric(true, Better::Lower),
                searches: searches.collect(),
                note: note.clone(),
            };
            assert_legible(&what("tuning"), &chart.draw(&style).unwrap());

            for (parts, percent) in [(1, true), (8, false)] {
                let bars = names.iter().enumerate().map(|(i, name)| StackedBar {
                    name: name.clone(),
                    values: (0..parts).map(|p| wave(i, p) / parts as f64).collect(),
                    interval: (i % 2 == 0).then_some((0.2, 1.0)),
                });
                let rows = names.iter().enumerate().map(|(i, name)| BackendRow {
                    name: name.clone(),
                    epoch: Estimate {
                        value: 1e-3 * 10f64.powf(6.0 * wave(i, 0)),
                        interval: None,
                    },
                    throughput: (0..parts)
                        .map(|p| (i + p > 1).then(|| 1.0 + 1e5 * wave(i, p)))
                        .collect(),
                    memory: (i % 4 > 0).then(|| 1.0 + 1e5 * wave(i, 3)),
                    device_memory: (i % 3 > 0).then(|| 1.0 + 1e6 * wave(i, 4)),
                    difference: match (i, percent) {
                        (0, true) => 0.0,
                        _ => 1e-6 + wave(i, 5).powi(9),
                    },
                    decisions: wave(i, 6),
                });
                let chart = BackendsChart {
                    router: names[0].clone(),
                    batch_sizes: (0..parts).map(|p| 32 << p).collect(),
                    rows: rows.collect(),
                    note: note.clone(),
                };
                assert_legible(&what("backends"), &chart.draw(&style).unwrap());

                let chart = StackedBars {
                    metric: metric(percent, Better::Lower),
                    parts: crate::layout_tests::names(parts, long),
                    bars: bars.collect(),
                    note: note.clone(),
                };
                assert_legible(&what("stacked"), &chart.draw(&style).unwrap());
            }
        }
    }
}

#[test]
fn zero_costs_keep_their_place_on_the_sheet() {
    let models = vec![
        LabelledPoint {
            name: "free".into(),
            cost: 0.0,
            quality: 0.5,
        },
        LabelledPoint {
            name: "cheap".into(),
            cost: 1e-5,
            quality: 0.6,
        },
        LabelledPoint {
            name: "dear".into(),
            cost: 1e-2,
            quality: 0.9,
        },
    ];
    let curves = vec![Curve {
        name: "kNN".into(),
        points: vec![(0.0, 0.5), (1e-4, 0.7), (1e-2, 0.9)],
        role: Role::Router,
    }];
    let chart = CostQualityChart {
        curves,
        models,
        cost_unit: "US dollars".into(),
        note: None,
    };
    assert_legible("zero cost", &chart.draw(&Style::default()).unwrap());
}
