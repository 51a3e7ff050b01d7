//! Figures of wider experiments, with invented numbers.

use routelab_plot::{
    BackendRow, BackendsChart, Better, Estimate, ForestChart, ForestRow, HeatCell, HeatChart,
    HeatRow, PoolChart, PoolModel, Positions, Quantity, Role, StackedBar, StackedBars, SweepChart,
    SweepPanel, SweepSeries, TuningChart, TuningSearch,
};

use crate::{MODELS, Numbers};

type Routers = [(String, Role)];

fn metric(name: &str, percent: bool, better: Better) -> Quantity {
    Quantity {
        name: name.into(),
        percent,
        better,
    }
}

fn note() -> Option<String> {
    Some("Costs are an assumption: list prices of January 2024.".into())
}

pub fn pool(count: usize, numbers: &mut Numbers) -> PoolChart {
    let models = (0..count)
        .map(|i| {
            let (name, cost, quality) = MODELS[i % MODELS.len()];
            let best = quality * quality * numbers.next();
            let round = i / MODELS.len();
            PoolModel {
                name: match round {
                    0 => name.to_owned(),
                    round => format!("{name} v{}", round + 1),
                },
                cost: cost * (0.6 + numbers.next() * round as f64 + 0.4),
                quality: quality - 0.1 * numbers.next() * round as f64,
                best,
                only_best: best * 0.2 * numbers.next(),
            }
        })
        .collect();
    PoolChart {
        models,
        oracle: Some((4e-4, 0.97)),
        cost_unit: "US dollars".into(),
        note: note(),
    }
}

fn line(
    length: usize,
    (role, start, slope): (Role, f64, f64),
    numbers: &mut Numbers,
) -> Vec<Option<Estimate>> {
    (0..length)
        .map(|k| {
            let value = start + slope * k as f64 / length as f64 + 0.01 * numbers.next();
            let half = 0.01 + 0.02 * numbers.next();
            let interval = (role != Role::Baseline).then_some((value - half, value + half));
            Some(Estimate { value, interval })
        })
        .collect()
}

fn panels(
    routers: &Routers,
    metrics: &[Quantity],
    length: usize,
    numbers: &mut Numbers,
) -> Vec<SweepPanel> {
    let panel = |metric: &Quantity| {
        let values = routers.iter().map(|&(_, role)| {
            let start = match role {
                Role::Oracle => 0.95,
                Role::Highlight => 0.85,
                Role::Router => 0.6 + 0.2 * numbers.next(),
                Role::Baseline => 0.3 + 0.2 * numbers.next(),
            };
            let slope = match role {
                Role::Oracle => 0.0,
                _ => -0.4 * numbers.next(),
            };
            line(length, (role, start, slope), numbers)
        });
        SweepPanel {
            values: values.collect(),
            metric: metric.clone(),
            log: false,
        }
    };
    metrics.iter().map(panel).collect()
}

fn series(routers: &Routers) -> Vec<SweepSeries> {
    let series = |(name, role): &(String, Role)| SweepSeries {
        name: name.clone(),
        role: *role,
    };
    routers.iter().map(series).collect()
}

pub fn sweep(routers: &Routers, numbers: &mut Numbers) -> SweepChart {
    let metrics = [
        metric("nAUC", false, Better::Higher),
        metric("Routing collapse index", true, Better::Lower),
        metric("Peak quality", false, Better::Higher),
    ];
    let mut panels = panels(routers, &metrics, 6, numbers);
    panels[0].values[2][3] = None;
    SweepChart {
        parameter: "Noise σ on the predicted quality".into(),
        positions: Positions::Linear(vec![0.0, 0.05, 0.1, 0.2, 0.3, 0.5]),
        series: series(routers),
        panels,
        note: note(),
    }
}

pub fn encoders(routers: &Routers, numbers: &mut Numbers) -> SweepChart {
    let metrics = [
        metric("nAUC", false, Better::Higher),
        metric("Routing collapse index", true, Better::Lower),
    ];
    let names = [
        "all-MiniLM-L6-v2",
        "bge-small-en-v1.5",
        "hashed n-grams",
        "gte-base",
    ];
    SweepChart {
        parameter: "Encoder of prompts".into(),
        positions: Positions::Categories(names.map(str::to_owned).to_vec()),
        series: series(routers),
        panels: panels(routers, &metrics, names.len(), numbers),
        note: None,
    }
}

pub fn prices(routers: &Routers, numbers: &mut Numbers) -> SweepChart {
    let metrics = [metric(
        "Mean cost at peak quality, US dollars",
        false,
        Better::Lower,
    )];
    let mut panels = panels(routers, &metrics, 6, numbers);
    panels[0].log = true;
    for value in panels[0].values.iter_mut().flatten().flatten() {
        let raised = |v: f64| 10f64.powf(6.0 * v - 6.0);
        value.value = raised(value.value);
        value.interval = value.interval.map(|(l, h)| (raised(l), raised(h)));
    }
    SweepChart {
        parameter: "Scale of the prices of large models".into(),
        positions: Positions::Log(vec![0.0, 0.01, 0.1, 1.0, 10.0, 100.0]),
        series: series(routers),
        panels,
        note: None,
    }
}

pub fn forest(routers: &Routers, numbers: &mut Numbers) -> ForestChart {
    let rows = routers
        .iter()
        .filter(|r| r.1 != Role::Highlight)
        .map(|(name, _)| {
            let difference = -0.06 + 0.08 * numbers.next();
            let half = 0.004 + 0.02 * numbers.next();
            let p = numbers.next().powi(4);
            ForestRow {
                name: name.clone(),
                difference,
                low: difference - half,
                high: difference + half,
                p: Some(p),
            }
        })
        .collect();
    ForestChart {
        metric: metric("nAUC", false, Better::Higher),
        reference: "EquiRouter".into(),
        rows,
        note: Some("Paired bootstrap over queries; p corrected after Holm.".into()),
    }
}

pub fn heat(routers: &Routers, numbers: &mut Numbers) -> HeatChart {
    const SETS: [&str; 10] = [
        "RouterBench",
        "MixInstruct",
        "SPROUT",
        "EmbedLLM",
        "MMR-Bench",
        "HELM-Lite",
        "LMArena",
        "RouterEval",
        "Open LLM Leaderboard",
        "alpaca-eval",
    ];
    let columns = &SETS[..if routers.len() < 5 { 3 } else { SETS.len() }];
    let rows = routers
        .iter()
        .enumerate()
        .map(|(r, (name, role))| {
            let cell = |c: usize| match (r, c) {
                (3, 1) => HeatCell::Failed,
                (2, 2) => HeatCell::Missing,
                (0, _) => HeatCell::Value(0.95),
                _ => HeatCell::Value(0.3 + 0.6 * numbers.next()),
            };
            HeatRow {
                name: name.clone(),
                role: *role,
                cells: (0..columns.len()).map(cell).collect(),
            }
        })
        .collect();
    HeatChart {
        metric: metric("nAUC", false, Better::Higher),
        columns: columns.iter().map(|&c| c.into()).collect(),
        rows,
        note: note(),
    }
}

pub fn tuning(routers: &Routers, numbers: &mut Numbers) -> TuningChart {
    let searches = routers
        .iter()
        .filter(|r| matches!(r.1, Role::Router | Role::Highlight))
        .map(|(name, _)| {
            let top = 0.7 + 0.1 * numbers.next();
            let trial = |_| {
                let failed = numbers.next() < 0.03;
                (!failed).then(|| top - 0.3 * numbers.next().powi(3) - 0.02 * numbers.next())
            };
            TuningSearch {
                name: name.clone(),
                trials: (0..40).map(trial).collect(),
            }
        })
        .collect();
    TuningChart {
        metric: metric("nAUC", false, Better::Higher),
        searches,
        note: None,
    }
}

pub fn stacked(routers: &Routers, numbers: &mut Numbers) -> StackedBars {
    let bars = routers
        .iter()
        .map(|(name, _)| {
            let values: Vec<f64> = [0.4, 0.3, 0.2].map(|most| most * numbers.next()).to_vec();
            let sum: f64 = values.iter().sum();
            StackedBar {
                name: name.clone(),
                values,
                interval: Some((sum - 0.03, sum + 0.03)),
            }
        })
        .collect();
    StackedBars {
        metric: metric("Routing collapse index", true, Better::Lower),
        parts: ["prediction", "ordering", "tie-breaking"]
            .map(str::to_owned)
            .to_vec(),
        bars,
        note: None,
    }
}

pub fn backends(numbers: &mut Numbers) -> BackendsChart {
    let names = [
        "flex",
        "ndarray",
        "flex@bf16",
        "wgpu:llvmpipe (LLVM 15.0.6, 256 bits)",
    ];
    let rows = names.iter().enumerate().map(|(at, name)| {
        let seconds = 0.1 * 3f64.powi(at as i32) * (1.0 + numbers.next());
        BackendRow {
            name: (*name).to_owned(),
            epoch: Estimate {
                value: seconds,
                interval: Some((0.9 * seconds, 1.2 * seconds)),
            },
            throughput: [0.3, 0.7, 1.0]
                .map(|share| Some(share * 256.0 / seconds))
                .to_vec(),
            memory: Some(100.0 + 900.0 * numbers.next()),
            device_memory: (at == 3).then_some(300.0),
            difference: 1e-3 * at as f64,
            decisions: 1.0 - 1e-3 * at as f64,
        }
    });
    BackendsChart {
        router: "EquiRouter".into(),
        batch_sizes: vec![32, 128, 512],
        rows: rows.collect(),
        note: None,
    }
}
