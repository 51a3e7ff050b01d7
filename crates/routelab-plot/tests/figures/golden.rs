//! Figures look as they did: small pictures of every chart against stored ones.
//!
//! After a change that is meant, look at the new pictures, then store them:
//! `ROUTELAB_BLESS=1 cargo test --release --test figures golden`.

use std::fs;
use std::path::PathBuf;

use routelab_plot::{ColumnWidth, Drawing, PlotError, Style};

use crate::decode;

/// Largest mean difference of a channel, of 255. A character that moves by a pixel gives more.
const MEAN: f64 = 0.05;
/// Largest difference of a channel of any pixel. The rasteriser is the same everywhere; only rounding may differ.
const MOST: u8 = 24;

const STYLE: Style = Style {
    width: ColumnWidth::Single,
    dpi: 100,
};

fn stored(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.png"))
}

fn compare(name: &str, drawing: Result<Drawing, PlotError>) {
    let png = drawing.unwrap().png().unwrap();
    if std::env::var_os("ROUTELAB_BLESS").is_some() {
        fs::write(stored(name), &png).unwrap();
    }
    // What was drawn goes beside the tests' other outputs, to look at.
    let drawn = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
    fs::write(&drawn, &png).unwrap();
    if let Err(difference) = same(name, &png) {
        panic!("{name}: {difference}; see {}", drawn.display());
    }
}

/// Whether a picture is the stored one, and if not, how they differ.
fn same(name: &str, png: &[u8]) -> Result<(), String> {
    let stored = fs::read(stored(name)).map_err(|error| format!("no stored picture: {error}"))?;
    let ((new, pixels, _), (old, before, _)) = (decode(png), decode(&stored));
    if (new.width, new.height) != (old.width, old.height) {
        return Err("another size".into());
    }
    let differences = || pixels.iter().zip(&before).map(|(a, b)| a.abs_diff(*b));
    let mean = differences().map(f64::from).sum::<f64>() / pixels.len() as f64;
    let most = differences().max().unwrap();
    if mean <= MEAN && most <= MOST {
        return Ok(());
    }
    Err(format!(
        "differs by {mean:.3} in the mean, by {most} at most, of 255"
    ))
}

macro_rules! golden {
    ($($name:ident),*) => {
        $(
            #[test]
            fn $name() {
                compare(stringify!($name), crate::charts::$name().draw(&STYLE));
            }
        )*
    };
}

golden!(
    backends,
    call_rate,
    cost_quality,
    call_mix,
    margins,
    rci,
    pool,
    sweep,
    forest,
    heat,
    tuning,
    stacked
);

#[test]
fn a_changed_figure_is_seen() {
    let mut chart = crate::charts::forest();
    chart.rows[0].difference += 0.01;
    let png = chart.draw(&STYLE).unwrap().png().unwrap();
    assert!(same("forest", &png).unwrap_err().contains("differs"));
}
