//! RouteLab as a library: a program with a router of its own, and what is read of its runs.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{QUICK_ROUTERS, experiment, files, says, table, workplace};
use ndarray::Array2;
use routelab::prelude::*;
use routelab::{
    EvaluateOptions, Evaluated, Plotted, Reopen, Told, Watch, plot, read_data, run_files,
};
use routelab_routers::{FitResult, ParsedRouter, RouterInfo};

/// The example beside the tests of this build.
fn own_router() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    profile.join(format!(
        "examples/own_router{}",
        std::env::consts::EXE_SUFFIX
    ))
}

fn call(args: &[&str]) -> (bool, String) {
    let output = Command::new(own_router()).args(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn a_router_of_ones_own_is_in_every_table_and_figure() {
    let routers = "reference = \"Mine\"\n[[router]]\nkind = \"knn\"\nk = 3\n[[router]]\nkind = \"centroids\"\nlabel = \"Mine\"\nweight = 2\n";
    let place = workplace(&table(60), "");
    let (start, end) = routers.split_once('\n').unwrap();
    let file = place.path().join("small.toml");
    std::fs::write(&file, format!("{start}\n{}", experiment(end))).unwrap();
    let out = place.path().join("runs");
    let run = |more: &[&str]| {
        let args = [
            "run",
            file.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ];
        call(&[&args, more].concat())
    };
    let (good, said) = run(&[]);
    assert!(good, "{said}");
    says(&said, &["Mine", "report:"]);

    let run_folder = RunFolder::open(&out.join("small")).unwrap();
    let results = run_folder.results().unwrap();
    let mine = results.routers.iter().find(|router| router.label == "Mine");
    let mine = mine.unwrap();
    assert_eq!((mine.kind.as_str(), mine.seeds.len()), ("centroids", 2));
    assert!(results.summary(mine, "nauc_shared").unwrap().mean.0 > 0.0);
    assert_eq!(results.reference.as_deref(), Some("Mine"));
    for file in [
        "metrics.csv",
        "table.md",
        "table.tex",
        "tasks.csv",
        "decomposition.csv",
        "report.html",
        "figures/call_rate.svg",
        "figures/rci.csv",
    ] {
        assert!(run_folder.text(file).unwrap().contains("Mine"), "{file}");
    }
    // It is routed with by its own program, and unknown to the plain one.
    let model = run_folder.file("models/mine");
    let (good, said) = call(&[
        "route",
        "--model",
        model.to_str().unwrap(),
        "What is 7 + 7?",
    ]);
    assert!(good, "{said}");
    says(&said, &["← chosen"]);
    let refused = Deployed::open(&model).err().unwrap().to_string();
    says(&refused, &["unknown router `centroids`", "knn"]);
    // An error of the library says what happened; what to do with the program is apart from it.
    let error = Deployed::open(run_folder.path()).err().unwrap();
    assert!(!error.to_string().contains("--"), "{error}");
    says(&error.remedy().unwrap(), &["`--model` takes a folder"]);
    // Its settings are checked like all others.
    let text = std::fs::read_to_string(&file).unwrap();
    for (wrong, said) in [
        ("weight = -1", "`weight` must be at least 0, not -1"),
        ("weigth = 1", "weigth"),
    ] {
        std::fs::write(&file, text.replace("weight = 2", wrong)).unwrap();
        let (good, error) = run(&[]);
        assert!(!good);
        says(&error, &["small.toml", "number 2", "centroids", said]);
    }
}

/// The mean of the training qualities plus a number, and the mean costs.
struct Means {
    more: f64,
}

struct FittedMeans([Array2<f64>; 2]);

impl Router for Means {
    fn kind(&self) -> &'static str {
        "means"
    }

    fn description(&self) -> &'static str {
        "means of the training queries"
    }

    fn fit_checked(&self, train: &TrainingSet, _: &Context) -> FitResult {
        let means = [train.quality(), train.cost()].map(|values| {
            let mean = values.mean_axis(ndarray::Axis(0)).unwrap();
            mean.insert_axis(ndarray::Axis(0))
        });
        let [quality, cost] = means;
        Ok(Box::new(FittedMeans([quality + self.more, cost])))
    }

    fn load(archive: &Archive, _: &Loader) -> FitResult {
        let part = |name: &str| archive.matrix(name);
        Ok(Box::new(FittedMeans([part("quality")?, part("cost")?])))
    }
}

impl FittedRouter for FittedMeans {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        let shape = (queries.len(), self.0[0].ncols());
        let [quality, cost] =
            [0, 1].map(|at: usize| self.0[at].broadcast(shape).unwrap().to_owned());
        Ok(Scores::new(quality, cost)?)
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put_matrix("quality", &self.0[0]);
        archive.put_matrix("cost", &self.0[1]);
        Ok(())
    }
}

/// A registry with a router that has no `Default` and no settings of serde's: what it adds is decided when the program runs.
fn registry(usual: f64) -> Registry {
    let parse = move |mut given: toml::Table| {
        let more = given.remove("more").and_then(|more| more.as_float());
        if let Some(key) = given.keys().next() {
            return Err(format!("there is no `{key}`, only `more`"));
        }
        let more = more.unwrap_or(usual);
        Ok(ParsedRouter {
            router: Box::new(Means { more }),
            settings: toml::Table::from_iter([("more".to_owned(), more.into())]),
        })
    };
    let info = RouterInfo::new("means", "means of the training queries", parse, Means::load);
    Registry::default().with_info(info)
}

#[test]
fn a_router_that_no_type_stands_for_is_named_in_a_file_or_one_more_row() {
    let named = "[[router]]\nkind = \"means\"\nlabel = \"Mine\"\nmore = 0.5\n[[router]]\nkind = \"margin-rule\"\nbase = { kind = \"means\" }\n";
    let place = workplace(&table(60), &experiment(named));
    let file = place.path().join("small.toml");
    let options = RunOptions {
        out: place.path().join("runs"),
        reopen: Reopen::Overwrite,
        ..RunOptions::default()
    };
    let labels = |registry: &Registry, kinds: &[&str]| -> Vec<String> {
        let runs = run_files(&file, Some(1), true, kinds, registry, &options).unwrap();
        let routers = runs[0].results().unwrap().routers.into_iter();
        routers.map(|router| router.label).collect()
    };
    let registry = registry(0.25);
    assert_eq!(labels(&registry, &["means"]), ["Mine", "margin-rule"]);
    let written = std::fs::read_to_string(options.out.join("small/experiment.toml")).unwrap();
    says(&written, &["more = 0.5"]);
    std::fs::write(&file, experiment("[[router]]\nkind = \"knn\"\nk = 3\n")).unwrap();
    assert_eq!(labels(&registry, &["means"]), ["knn", "means"]);
    let written = std::fs::read_to_string(options.out.join("small/experiment.toml")).unwrap();
    says(&written, &["more = 0.25"]);
    // It is kept, and comes back where its kind is known.
    let model = options.out.join("small/models/means");
    let archive = Archive::read(&model).unwrap();
    assert_eq!(archive.kind(), "means");
    assert!(registry.load(&archive, &Default::default()).is_ok());
    let wrong = experiment("[[router]]\nkind = \"means\"\nless = 1\n");
    std::fs::write(&file, wrong).unwrap();
    let error = run_files(&file, None, true, &[], &registry, &options).err();
    says(
        &error.unwrap().to_string(),
        &["small.toml", "router `means`: there is no `less`"],
    );
}

#[test]
fn a_run_that_is_stopped_goes_on_where_it_was() {
    let place = workplace(&table(60), &experiment(QUICK_ROUTERS));
    let file = place.path().join("small.toml");
    let run = |out: &str, watch: &Watch| {
        let options = RunOptions {
            out: place.path().join(out),
            watch: watch.clone(),
            ..RunOptions::default()
        };
        run_files(&file, None, true, &[], &Registry::default(), &options)
    };
    // Stopped from inside, when half is done.
    let (steps, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (seen, watch) = (Arc::clone(&steps), Watch::default());
    let (inner, count) = (watch.clone(), Arc::clone(&stopped));
    let watch = watch.telling(move |told| {
        if let Told::Step { done, of, .. } = told {
            seen.fetch_add(1, Ordering::Relaxed);
            if 2 * done > of {
                count.fetch_add(1, Ordering::Relaxed);
                inner.stop();
            }
        }
    });
    let error = run("stopped", &watch).unwrap_err();
    assert_eq!(error.to_string(), "stopped");
    assert!(steps.load(Ordering::Relaxed) > 0 && stopped.load(Ordering::Relaxed) > 0);
    let folder = place.path().join("stopped/small");
    let units = files(&folder.join("units"), &["unit.json"]).len();
    assert!((1..10).contains(&units), "{units} units");
    assert!(!folder.join("results.json").exists());
    run("stopped", &Watch::default()).unwrap();
    run("whole", &Watch::default()).unwrap();
    let endings = ["csv", "json", "toml", "md", "svg"];
    assert_eq!(
        files(&folder, &endings),
        files(&place.path().join("whole/small"), &endings)
    );
}

#[test]
fn predictions_from_elsewhere_are_evaluated_and_drawn_as_in_a_run() {
    let place = workplace(&table(60), &experiment("[[router]]\nkind = \"means\"\n"));
    let registry = registry(0.0);
    let experiment =
        Experiment::from_toml_with(place.path().join("small.toml"), &registry).unwrap();
    let options = RunOptions {
        out: place.path().join("runs"),
        ..RunOptions::default()
    };
    let run = experiment.run(&options).unwrap();
    let data = toml::toml! { format = "routerbench" path = "table.csv" };
    let table = routelab_data::load(&read_data(data, place.path()).unwrap()).unwrap();
    let table = Arc::new(table.table);
    let split = toml::toml! { kind = "in-domain" train = 0.3 };
    let mut evaluated = Vec::new();
    for seed in [42, 43] {
        let rows = routelab_data::split::split(&table, &split.clone().try_into().unwrap(), seed);
        let rows = rows.unwrap();
        let mean = |values: ndarray::ArrayView2<f64>| {
            let mean = values.select(ndarray::Axis(0), &rows.train);
            let mean = mean.mean_axis(ndarray::Axis(0)).unwrap();
            mean.broadcast((rows.test.len(), 3)).unwrap().to_owned()
        };
        let scores = Scores::new(mean(table.quality()), mean(table.cost())).unwrap();
        let options = EvaluateOptions::default();
        let one = Evaluated::new(Arc::clone(&table), Some(rows.test), scores, &options);
        evaluated.push(one.unwrap());
    }
    let lines = [Plotted {
        label: "means".into(),
        kind: "means".into(),
        splits: evaluated.iter().collect(),
    }];
    for figure in ["rci", "margins", "decomposition"] {
        let drawn = plot(figure, &lines, None, &Default::default()).unwrap();
        let stored = run.text(&format!("figures/{figure}.csv")).unwrap();
        assert_eq!(String::from_utf8_lossy(drawn.csv()), stored, "{figure}");
    }
    let results = run.results().unwrap();
    let stored = &results.routers[0].seeds[1].metrics;
    for (metric, value) in evaluated[1].metrics() {
        let at = results.metrics.iter().position(|name| name == metric.name);
        assert_eq!(
            stored[at.unwrap()].map(|number| number.0),
            value,
            "{}",
            metric.name
        );
    }
    let refused = |rows: Vec<usize>| {
        let scores = Scores::new(table.quality().to_owned(), table.cost().to_owned()).unwrap();
        let options = EvaluateOptions::default();
        let error = Evaluated::new(Arc::clone(&table), Some(rows), scores, &options).err();
        error.unwrap().to_string()
    };
    says(&refused(vec![60]), &["`rows` has 60", "60 rows"]);
    says(&refused(vec![1, 1]), &["twice"]);
    says(&refused(vec![]), &["at least one row"]);
    says(&refused(vec![1]), &["60 x 3", "1 x 3"]);
}
