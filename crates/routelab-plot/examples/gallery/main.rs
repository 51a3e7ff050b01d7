//! Draws every figure with invented numbers of a realistic size, to look at when the style changes:
//! `cargo run --release -p routelab-plot --example gallery -- FOLDER`.
#![allow(clippy::print_stdout, reason = "an example prints as it likes")]

use std::path::Path;

mod wider;

use routelab_plot::{
    CallMixChart, CallRateChart, ColumnWidth, CostQualityChart, Curve, LabelledPoint, MarginChart,
    MarginSeries, MixPanel, PlotError, RateSeries, RciBar, RciChart, Role, Style,
};

const ROUTERS: [(&str, Role); 13] = [
    ("oracle", Role::Oracle),
    ("EquiRouter", Role::Highlight),
    ("kNN", Role::Router),
    ("linear", Role::Router),
    ("linear-MF", Role::Router),
    ("MLP", Role::Router),
    ("MLP-MF", Role::Router),
    ("EmbedLLM", Role::Router),
    ("UniRoute", Role::Router),
    ("margin rule (δ = 0.05)", Role::Router),
    ("random", Role::Baseline),
    ("cheapest", Role::Baseline),
    ("strongest", Role::Baseline),
];

/// The models of RouterBench with a mean cost in dollars and a mean quality.
const MODELS: [(&str, f64, f64); 11] = [
    ("WizardLM/WizardLM-13B-V1.2", 0.000_075, 0.539),
    ("claude-instant-v1", 0.000_236, 0.721),
    ("claude-v1", 0.002_12, 0.766),
    ("claude-v2", 0.002_41, 0.683),
    ("gpt-3.5-turbo-1106", 0.000_241, 0.712),
    ("gpt-4-1106-preview", 0.002_94, 0.879),
    ("meta/code-llama-instruct-34b-chat", 0.000_19, 0.443),
    ("meta/llama-2-70b-chat", 0.000_22, 0.583),
    ("mistralai/mistral-7b-chat", 0.000_046, 0.486),
    ("mistralai/mixtral-8x7b-chat", 0.000_132, 0.675),
    ("zero-one-ai/Yi-34B-Chat", 0.000_188, 0.742),
];

/// A fixed stream of numbers from 0 to 1.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1u64 << 31) as f64
    }
}

fn budgets() -> Vec<f64> {
    (0..100)
        .map(|i| 3e-5 * (5e-3f64 / 3e-5).powf(f64::from(i) / 99.0))
        .collect()
}

fn rises(at: f64, steep: f64, budget: f64) -> f64 {
    1.0 / (1.0 + (-(budget.ln() - at.ln()) * steep).exp())
}

fn call_rates(routers: &[(String, Role)], numbers: &mut Numbers) -> CallRateChart {
    let budgets = budgets();
    let series = routers
        .iter()
        .map(|(name, role)| {
            let top = match role {
                Role::Oracle => 0.06,
                Role::Highlight => 0.41,
                Role::Router => 0.9 + 0.1 * numbers.next(),
                Role::Baseline => numbers.next(),
            };
            let (at, steep) = (8e-4 + 2e-3 * numbers.next(), 3.0 + 6.0 * numbers.next());
            let rate: Vec<f64> = budgets
                .iter()
                .map(|&b| (top * rises(at, steep, b) + 0.004 * numbers.next()).min(1.0))
                .collect();
            let spread = |sign: f64| -> Vec<f64> {
                rate.iter()
                    .map(|r| r + sign * 0.15 * r * (1.0 - r))
                    .collect()
            };
            let bands = *role != Role::Baseline;
            RateSeries {
                name: name.clone(),
                low: bands.then(|| spread(-1.0)),
                high: bands.then(|| spread(1.0)),
                rate,
                role: *role,
            }
        })
        .collect();
    CallRateChart {
        budgets,
        series,
        model: "gpt-4-1106-preview".into(),
        cost_unit: "US dollars".into(),
        note: None,
    }
}

fn cost_quality(numbers: &mut Numbers) -> CostQualityChart {
    let curves = ROUTERS
        .iter()
        .map(|&(name, role)| {
            let (low, high) = match role {
                Role::Oracle => (0.80, 0.985),
                Role::Highlight => (0.52, 0.885),
                Role::Router => (0.48 + 0.03 * numbers.next(), 0.86 + 0.02 * numbers.next()),
                Role::Baseline => (0.48, 0.72 + 0.1 * numbers.next()),
            };
            let end = if role == Role::Oracle { 4e-4 } else { 2.9e-3 };
            let shift = 0.7 + 0.6 * numbers.next();
            let points = (0..40)
                .map(|i| {
                    let t = f64::from(i) / 39.0;
                    (
                        5e-5 * (end / 5e-5f64).powf(t),
                        low + (high - low) * t.powf(shift),
                    )
                })
                .collect();
            Curve {
                name: name.into(),
                points,
                role,
            }
        })
        .collect();
    let models = MODELS
        .iter()
        .map(|&(name, cost, quality)| LabelledPoint {
            name: name.into(),
            cost,
            quality,
        })
        .collect();
    CostQualityChart {
        curves,
        models,
        cost_unit: "US dollars".into(),
        note: Some("Costs rest on list prices of January 2024, an assumption.".into()),
    }
}

fn call_mix(routers: usize, numbers: &mut Numbers) -> CallMixChart {
    let budgets = budgets();
    let panels = ROUTERS[..routers]
        .iter()
        .map(|&(name, role)| {
            let taste: Vec<f64> = MODELS
                .iter()
                .map(|m| {
                    let spread = if role == Role::Oracle { 0.2 } else { 1.5 };
                    (m.2 * 14.0).exp().powf(spread / 1.5) * (0.3 + numbers.next())
                })
                .collect();
            let rates = budgets
                .iter()
                .map(|&b| {
                    let mut row: Vec<f64> = MODELS
                        .iter()
                        .zip(&taste)
                        .map(|(m, t)| t * rises(m.1 * 0.9, 12.0, b) + 1e-6)
                        .collect();
                    row[8] += 50.0;
                    let sum: f64 = row.iter().sum();
                    row.iter_mut().for_each(|r| *r /= sum);
                    row
                })
                .collect();
            MixPanel {
                name: name.into(),
                rates,
            }
        })
        .collect();
    CallMixChart {
        budgets,
        models: MODELS.iter().map(|m| m.0.into()).collect(),
        panels,
        cost_unit: "US dollars".into(),
        note: None,
    }
}

fn margins(numbers: &mut Numbers) -> MarginChart {
    let real = (0..3164)
        .map(|_| if numbers.next() < 0.949 { 0.0 } else { 1.0 })
        .collect();
    let predicted = ROUTERS[1..9]
        .iter()
        .map(|&(name, role)| {
            let width = 0.01 + 0.1 * numbers.next();
            MarginSeries {
                name: name.to_owned(),
                margins: (0..3164)
                    .map(|_| width * -numbers.next().max(1e-9).ln() * numbers.next())
                    .collect(),
                role,
            }
        })
        .collect();
    MarginChart {
        real,
        predicted,
        threshold: 0.05,
        note: None,
    }
}

fn rci(numbers: &mut Numbers) -> RciChart {
    let bars = ROUTERS
        .iter()
        .map(|&(name, role)| {
            let wasteful = if role == Role::Oracle {
                0.0
            } else {
                0.3 + 0.5 * numbers.next()
            };
            let wrong = if role == Role::Oracle {
                0.0
            } else {
                0.05 + 0.1 * numbers.next()
            };
            let half = if role == Role::Oracle {
                None
            } else {
                Some(0.005 + 0.03 * numbers.next())
            };
            RciBar {
                name: name.into(),
                wasteful,
                wrong,
                low: half.map(|h| wasteful + wrong - h),
                high: half.map(|h| wasteful + wrong + h),
            }
        })
        .collect();
    RciChart { bars, note: None }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args()
        .nth(1)
        .ok_or("name the folder to write to")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let numbers = &mut Numbers(7);
    let routers: Vec<(String, Role)> = ROUTERS
        .iter()
        .map(|&(name, role)| (name.to_owned(), role))
        .collect();
    let many: Vec<(String, Role)> = routers
        .iter()
        .cloned()
        .chain((0..17).map(|i| (format!("ablation {i} of the loss"), Role::Router)))
        .collect();

    for width in ColumnWidth::ALL {
        let style = Style { width, dpi: 200 };
        let save = |drawing: Result<routelab_plot::Drawing, PlotError>,
                    stem: &str|
         -> Result<(), PlotError> {
            drawing?.save(folder, &format!("{stem}-{}", width.name()))?;
            println!("{stem}, {} inches wide", width.inches());
            Ok(())
        };
        save(call_rates(&routers, numbers).draw(&style), "call-rate")?;
        save(call_rates(&many, numbers).draw(&style), "call-rate-30")?;
        save(cost_quality(numbers).draw(&style), "cost-quality")?;
        save(call_mix(12, numbers).draw(&style), "call-mix")?;
        save(call_mix(3, numbers).draw(&style), "call-mix-3")?;
        save(margins(numbers).draw(&style), "margins")?;
        save(rci(numbers).draw(&style), "rci")?;
        for (count, routers) in [
            ("few", &routers[..4]),
            ("", &routers[..]),
            ("many", &many[..]),
        ] {
            let stem = |figure: &str| format!("{figure}-{count}").trim_end_matches('-').to_owned();
            save(
                wider::pool(routers.len() - 2, numbers).draw(&style),
                &stem("pool"),
            )?;
            save(wider::sweep(routers, numbers).draw(&style), &stem("sweep"))?;
            save(
                wider::encoders(routers, numbers).draw(&style),
                &stem("encoders"),
            )?;
            save(
                wider::prices(routers, numbers).draw(&style),
                &stem("prices"),
            )?;
            save(
                wider::forest(routers, numbers).draw(&style),
                &stem("forest"),
            )?;
            save(wider::heat(routers, numbers).draw(&style), &stem("heat"))?;
            save(
                wider::tuning(routers, numbers).draw(&style),
                &stem("tuning"),
            )?;
            save(
                wider::stacked(routers, numbers).draw(&style),
                &stem("stacked"),
            )?;
            save(wider::backends(numbers).draw(&style), &stem("backends"))?;
        }
    }
    Ok(())
}
