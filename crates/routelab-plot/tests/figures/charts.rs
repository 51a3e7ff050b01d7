//! A small example of every chart.

use routelab_plot::*;

pub fn call_rate() -> CallRateChart {
    CallRateChart {
        budgets: vec![0.0001, 0.001, 0.01],
        series: vec![
            RateSeries {
                name: "oracle".into(),
                rate: vec![0.0, 0.1, 0.15],
                low: None,
                high: None,
                role: Role::Oracle,
            },
            RateSeries {
                name: "kNN, k = 300".into(),
                rate: vec![0.0, 0.5, 1.0],
                low: Some(vec![0.0, 0.4, 0.99]),
                high: Some(vec![0.0, 0.6, 1.01]),
                role: Role::Router,
            },
        ],
        model: "gpt-4".into(),
        cost_unit: "US dollars".into(),
        note: Some("Prices are list prices.".into()),
    }
}

pub fn cost_quality() -> CostQualityChart {
    CostQualityChart {
        curves: vec![Curve {
            name: "EquiRouter".into(),
            points: vec![(0.00003, 0.5), (0.002, 0.8)],
            role: Role::Highlight,
        }],
        models: vec![
            LabelledPoint {
                name: "zero-one-ai/Yi-34B-Chat".into(),
                cost: 0.0002,
                quality: 0.7,
            },
            LabelledPoint {
                name: "gpt-4".into(),
                cost: 0.003,
                quality: 0.85,
            },
        ],
        cost_unit: "US dollars".into(),
        note: Some("Prices are assumed.".into()),
    }
}

pub fn call_mix() -> CallMixChart {
    CallMixChart {
        budgets: vec![1.0, 2.0],
        models: vec!["small".into(), "large".into()],
        panels: vec![MixPanel {
            name: "linear".into(),
            rates: vec![vec![1.0, 0.0], vec![0.25, 0.75]],
        }],
        cost_unit: "output characters".into(),
        note: None,
    }
}

pub fn margins() -> MarginChart {
    MarginChart {
        real: vec![0.0, 0.0, 0.0, 1.0],
        predicted: vec![MarginSeries {
            name: "MLP".into(),
            margins: vec![0.01, 0.02, 0.05, 0.3],
            role: Role::Router,
        }],
        threshold: 0.05,
        note: None,
    }
}

pub fn rci() -> RciChart {
    RciChart {
        bars: vec![
            RciBar {
                name: "linear".into(),
                wasteful: 0.5,
                wrong: 0.25,
                low: Some(0.7),
                high: Some(0.8),
            },
            RciBar {
                name: "oracle".into(),
                wasteful: 0.0,
                wrong: 0.0,
                low: None,
                high: None,
            },
        ],
        note: None,
    }
}

pub fn metric(name: &str, percent: bool, better: Better) -> Quantity {
    Quantity {
        name: name.into(),
        percent,
        better,
    }
}

pub fn pool() -> PoolChart {
    let model = |name: &str, cost, quality, best, only_best| PoolModel {
        name: name.into(),
        cost,
        quality,
        best,
        only_best,
    };
    PoolChart {
        models: vec![
            model("small", 0.0001, 0.5, 0.45, 0.05),
            model("odd", 0.002, 0.45, 0.3, 0.0),
            model("large", 0.01, 0.8, 0.75, 0.2),
        ],
        oracle: Some((0.0009, 0.95)),
        cost_unit: "US dollars".into(),
        note: Some("Prices are assumed.".into()),
    }
}

/// An estimate with an interval of ± 0.05.
fn about(value: f64) -> Option<Estimate> {
    Some(Estimate {
        value,
        interval: Some((value - 0.05, value + 0.05)),
    })
}

pub fn sweep() -> SweepChart {
    let alone = |value| {
        Some(Estimate {
            value,
            interval: None,
        })
    };
    SweepChart {
        parameter: "Noise σ".into(),
        positions: Positions::Log(vec![0.0, 0.01, 0.1, 1.0]),
        series: vec![
            SweepSeries {
                name: "EquiRouter".into(),
                role: Role::Highlight,
            },
            SweepSeries {
                name: "kNN".into(),
                role: Role::Router,
            },
        ],
        panels: vec![
            SweepPanel {
                metric: metric("nAUC", false, Better::Higher),
                log: false,
                values: vec![
                    [0.8, 0.75, 0.6, 0.5].map(about).to_vec(),
                    vec![about(0.7), None, about(0.5), about(0.4)],
                ],
            },
            SweepPanel {
                metric: metric("Call rate", true, Better::Lower),
                log: false,
                values: vec![
                    [0.2, 0.3, 0.3, 0.4].map(alone).to_vec(),
                    [0.7, 0.8, 0.9, 1.0].map(alone).to_vec(),
                ],
            },
        ],
        note: Some("Seeds 0 to 4.".into()),
    }
}

pub fn forest() -> ForestChart {
    let row = |name: &str, difference, half, p| ForestRow {
        name: name.into(),
        difference,
        low: difference - half,
        high: difference + half,
        p,
    };
    ForestChart {
        metric: metric("nAUC", false, Better::Higher),
        reference: "EquiRouter".into(),
        rows: vec![
            row("kNN", -0.25, 0.125, Some(0.0004)),
            row("linear", 0.125, 0.25, Some(0.25)),
            row("MLP", 0.0, 0.0, None),
        ],
        note: Some("Paired bootstrap.".into()),
    }
}

pub fn heat() -> HeatChart {
    let row = |name: &str, role, cells: [HeatCell; 3]| HeatRow {
        name: name.into(),
        role,
        cells: cells.to_vec(),
    };
    let value = HeatCell::Value;
    HeatChart {
        metric: metric("nAUC", false, Better::Higher),
        columns: vec!["RouterBench".into(), "SPROUT".into(), "MMR-Bench".into()],
        rows: vec![
            row("oracle", Role::Oracle, [value(0.9), value(0.9), value(0.9)]),
            row(
                "kNN",
                Role::Router,
                [value(0.5), value(0.25), HeatCell::Failed],
            ),
            row(
                "MLP",
                Role::Router,
                [value(0.75), value(0.25), HeatCell::Missing],
            ),
        ],
        note: None,
    }
}

pub fn tuning() -> TuningChart {
    let search = |name: &str, trials: &[Option<f64>]| TuningSearch {
        name: name.into(),
        trials: trials.to_vec(),
    };
    TuningChart {
        metric: metric("nAUC", false, Better::Higher),
        searches: vec![
            search("kNN", &[None, Some(0.5), Some(0.25), Some(0.75)]),
            search("MLP", &[Some(0.625), Some(0.5), Some(0.5), None]),
        ],
        note: None,
    }
}

pub fn stacked() -> StackedBars {
    let bar = |name: &str, values: [f64; 3], interval| StackedBar {
        name: name.into(),
        values: values.to_vec(),
        interval,
    };
    StackedBars {
        metric: metric("Routing collapse index", true, Better::Lower),
        parts: vec![
            "prediction".into(),
            "ordering".into(),
            "tie-breaking".into(),
        ],
        bars: vec![
            bar("kNN", [0.5, 0.125, 0.0], Some((0.5, 0.75))),
            bar("MLP", [0.25, 0.125, 0.25], None),
        ],
        note: Some("Means over seeds.".into()),
    }
}

pub fn backends() -> BackendsChart {
    let row = |name: &str, epoch: f64, throughput: [Option<f64>; 3], difference| BackendRow {
        name: name.into(),
        epoch: Estimate {
            value: epoch,
            interval: Some((epoch * 0.75, epoch * 1.5)),
        },
        throughput: throughput.to_vec(),
        memory: Some(1024.0 * epoch),
        device_memory: (epoch > 1.0).then_some(512.0),
        difference,
        decisions: 1.0 - difference,
    };
    BackendsChart {
        router: "EquiRouter".into(),
        batch_sizes: vec![32, 128, 512],
        rows: vec![
            row(
                "flex",
                0.125,
                [Some(512.0), Some(2048.0), Some(4096.0)],
                0.0,
            ),
            row(
                "flex@bf16",
                0.25,
                [Some(256.0), Some(1024.0), None],
                0.03125,
            ),
            row(
                "wgpu:llvmpipe (LLVM 15.0.6, 256 bits)",
                2.0,
                [Some(64.0), Some(128.0), Some(256.0)],
                0.0004,
            ),
        ],
        note: Some("Processors of two cores.".into()),
    }
}
