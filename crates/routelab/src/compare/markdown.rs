//! A comparison as Markdown, for the terminal and `compare.md`.

use routelab_eval::Metric;

use super::flips::Flips;
use super::metrics::Difference;
use super::settings::Change;
use super::{Comparison, RouterComparison};
use crate::text::markdown_table;

/// Pairs of models and queries that the text shows; the files have all.
pub const SHOWN: usize = 5;

impl Comparison {
    /// The text for the terminal and for `compare.md`.
    pub fn markdown(&self) -> String {
        let (a, b) = (
            self.a.folder.path().display(),
            self.b.folder.path().display(),
        );
        let mut text =
            format!("# What changed\n\n- A: {a}\n- B: {b}\n\nDifferences are B less A.\n");
        text += "\n## Settings\n\n";
        text += &changed(&self.settings, "No setting changed.");
        text += "\n## Inputs\n\n";
        text += &changed(
            &self.inputs,
            "Versions, backend, data, embeddings and splits are the same.",
        );
        text += &self.metrics_markdown();
        text += &self.choices_markdown();
        text
    }

    fn metrics_markdown(&self) -> String {
        let mut text = "\n## Metrics\n\n".to_owned();
        let mut header = vec!["router"];
        header.extend(Metric::everywhere().map(|metric| metric.name));
        let rows = self.routers.iter().map(|router| {
            let cells = Metric::everywhere().map(|metric| {
                let difference = router.metrics.iter().find(|one| one.metric == metric.name);
                difference.map_or("–".to_owned(), written)
            });
            let mut row = vec![router.label.clone()];
            row.extend(cells);
            row
        });
        text += &markdown_table(&header, &rows.collect::<Vec<_>>());
        text += "\n=: no difference. Brackets: 95 % interval; *: without 0 in it.\n";
        let of = |paired: bool| -> String {
            let routers = self.routers.iter().filter(|router| router.paired == paired);
            let labels: Vec<&str> = routers.map(|router| router.label.as_str()).collect();
            if labels.len() == self.routers.len() {
                "all routers".to_owned()
            } else {
                labels.join(", ")
            }
        };
        if self.routers.iter().any(|router| router.paired) {
            text += &format!(
                "Same data, seeds and test rows ({}): paired bootstrap over the queries of the whole table.\n",
                of(true)
            );
        }
        if self.routers.iter().any(|router| !router.paired) {
            text += &format!(
                "Other data, seeds or test rows ({}): unpaired, Welch's interval over the seeds.\n",
                of(false)
            );
        }
        for (labels, run) in self.alone.iter().zip(["A", "B"]) {
            if !labels.is_empty() {
                text += &format!("Only in {run}: {}.\n", labels.join(", "));
            }
        }
        text
    }

    fn choices_markdown(&self) -> String {
        let mut text = "\n## Choices\n\n".to_owned();
        if !self.same_table {
            return text + "Not compared: the runs read different tables.\n";
        }
        let mut rows = Vec::new();
        for router in &self.routers {
            for flips in &router.flips {
                rows.push(vec![
                    router.label.clone(),
                    flips.point.name.to_owned(),
                    flips.queries.to_string(),
                    percent(flips.share()),
                    percent(flips.share_of(|flip| flip.quality > 0.0)),
                    percent(flips.share_of(|flip| flip.quality < 0.0)),
                    format!("{:+.4}", flips.per_query(|flip| flip.quality)),
                    format!("{:+.3e}", flips.per_query(|flip| flip.cost)),
                ]);
            }
        }
        let header = [
            "router",
            "budget",
            "test queries",
            "other model",
            "better",
            "worse",
            "mean quality",
            "mean cost",
        ];
        text += &markdown_table(&header, &rows);
        text += &format!(
            "\nThe largest budget affords every model{}. Test queries are those that both runs have on the same seed, over all \
             seeds; shares and means are of all of them. Cost: {}.\n",
            self.routers
                .iter()
                .flat_map(|router| &router.flips)
                .find(|flips| flips.point.budget.is_finite())
                .map_or(String::new(), |flips| format!(
                    "; the middle of A's shared grid is {:.3e}",
                    flips.point.budget
                )),
            Change::written(Some(self.a.data("cost_unit")))
        );
        for router in &self.routers {
            for flips in &router.flips {
                if !flips.flips.is_empty() {
                    text += &self.flips_markdown(router, flips);
                }
            }
        }
        text
    }

    fn flips_markdown(&self, router: &RouterComparison, flips: &Flips) -> String {
        let mut text = format!("\n### {}, {} budget\n\n", router.label, flips.point.name);
        let moves = flips.moves();
        let rows: Vec<Vec<String>> = moves
            .iter()
            .take(SHOWN)
            .map(|pair| {
                let count = pair.count as f64;
                vec![
                    self.a.results.models[pair.from].clone(),
                    self.a.results.models[pair.to].clone(),
                    pair.count.to_string(),
                    format!("{:+.4}", pair.quality / count),
                    format!("{:+.3e}", pair.cost / count),
                ]
            })
            .collect();
        text += &markdown_table(
            &["from", "to", "flips", "quality per flip", "cost per flip"],
            &rows,
        );
        if moves.len() > SHOWN {
            text += &format!("\n… and {} more pairs of models.\n", moves.len() - SHOWN);
        }
        let ids: Vec<String> = flips
            .effects()
            .iter()
            .take(SHOWN)
            .map(|effect| {
                let id = &self.a.truth.ids[effect.row];
                let mean = effect.quality / effect.seeds as f64;
                format!("{id} ({mean:+.3} × {})", effect.seeds)
            })
            .collect();
        text + &format!(
            "\nLargest effects on quality, with the mean over the seeds with a flip × their number: {}.\n",
            ids.join(", ").replace('|', r"\|")
        )
    }
}

fn changed(changes: &[Change], none: &str) -> String {
    if changes.is_empty() {
        return format!("{none}\n");
    }
    let rows: Vec<Vec<String>> = changes
        .iter()
        .map(|change| {
            vec![
                change.key.clone(),
                Change::written(change.a.as_ref()),
                Change::written(change.b.as_ref()),
            ]
        })
        .collect();
    markdown_table(&["key", "A", "B"], &rows)
}

/// A difference with its interval.
fn written(one: &Difference) -> String {
    if one.a.is_infinite() && one.b.is_infinite() {
        return "∞ in both".to_owned();
    }
    if one.difference == 0.0
        && one
            .interval
            .is_none_or(|(low, high)| low == 0.0 && high == 0.0)
    {
        return "=".to_owned();
    }
    let number = |value: f64| {
        if value.is_finite() {
            format!("{value:+.4}")
        } else {
            if value > 0.0 { "+∞" } else { "-∞" }.to_owned()
        }
    };
    let mut text = number(one.difference);
    if let Some((low, high)) = one.interval {
        text += &format!(" [{}, {}]", number(low), number(high));
        if low > 0.0 || high < 0.0 {
            text += " *";
        }
    }
    text
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
