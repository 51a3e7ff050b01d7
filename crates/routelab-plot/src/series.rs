//! The curves of a chart: how each is drawn, in what order, and what the legend says.

use crate::legend::Key;
use crate::style::{Look, QUIET, Role, looks};

/// How many learned routers have a look of their own beside a highlighted one; of more, all become quiet grey lines.
const TELLABLE: usize = 12;

/// One curve of a chart.
pub(crate) struct Series<'a> {
    pub role: Role,
    pub name: &'a str,
    /// What the legend says; usually the name.
    pub label: String,
}

impl<'a> Series<'a> {
    pub fn new(role: Role, name: &'a str) -> Self {
        let label = name.to_owned();
        Series { role, name, label }
    }
}

/// The curves of a chart, laid out.
pub(crate) struct Lines {
    /// One per curve, in the order given.
    pub looks: Vec<Look>,
    /// Indices of curves: oracle, highlights, routers, baselines. Drawn from last to first, so that what matters most
    /// lies on top.
    pub order: Vec<usize>,
    pub entries: Vec<(Key, String)>,
    /// Names the curves that have no entry of their own.
    pub note: Option<String>,
}

impl Lines {
    pub fn new(series: &[Series]) -> Lines {
        let count = |role: Role| series.iter().filter(|s| s.role == role).count();
        let crowded = count(Role::Highlight) > 0 && count(Role::Router) > TELLABLE;
        let quiet = |s: &Series| crowded && s.role == Role::Router;

        let mut looks = looks(series.iter().map(|s| s.role));
        for (look, _) in looks.iter_mut().zip(series).filter(|(_, s)| quiet(s)) {
            *look = QUIET;
        }
        let mut order: Vec<usize> = (0..series.len()).collect();
        // What is quiet lies below all else.
        order.sort_by_key(|&i| (quiet(&series[i]), series[i].role as usize, i));
        let mut entries: Vec<(Key, String)> = order
            .iter()
            .filter(|&&i| !quiet(&series[i]))
            .map(|&i| (Key::Curve(looks[i]), series[i].label.clone()))
            .collect();
        let names: Vec<&str> = series.iter().filter(|s| quiet(s)).map(|s| s.name).collect();
        let note = crowded.then(|| {
            entries.push((Key::Curve(QUIET), format!("{} other routers", names.len())));
            format!("Other routers: {}.", names.join(", "))
        });
        Lines {
            looks,
            order,
            entries,
            note,
        }
    }
}
