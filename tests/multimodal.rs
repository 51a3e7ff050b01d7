//! Routing with images: experiments in variants, bad images, images on the command line.

mod common;

use std::fs;

use common::{arg, refused, repository, says, success};
use serde_json::Value;

const ROUTERS: &str = "
[[router]]
kind = \"oracle\"

[[router]]
kind = \"knn\"
k = 9

[[router]]
kind = \"linear\"
";

/// An experiment on DynaMath's first questions; `rest` goes before the routers.
fn dynamath(rest: &str) -> String {
    let dataset = repository().join("datasets/dynamath");
    format!(
        "name = \"small\"\nseeds = 2\n[data]\ndataset = {dataset:?}\nlimit = 120\n[evaluation]\nbootstrap = 20\ngrid = 8\n\
         [cost]\nepochs = 2\nrank = 4\nhidden = [8]\n{rest}\n{ROUTERS}"
    )
}

fn text_and_image() -> String {
    let text = repository().join("datasets/dynamath/minilm.safetensors");
    format!(
        "[embeddings]\ntext = {{ file = {text:?} }}\nimage = {{ encoder = \"image-statistics\" }}\n"
    )
}

#[test]
fn text_image_and_both_are_one_line_and_give_an_overview() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("small.toml");
    let vary = "[vary]\nkey = \"embeddings.use\"\nvalues = [\"text\", \"image\", \"both\"]\n";
    fs::write(&file, dynamath(&(text_and_image() + vary))).unwrap();
    let out = place.path().join("runs");
    let done: Value =
        serde_json::from_str(&success(&["run", arg(&file), "--out", arg(&out), "--json"])).unwrap();
    assert_eq!(done["variants"].as_array().unwrap().len(), 3);

    let study = out.join("small");
    let encoders = |variant: &str| -> Value {
        let manifest = fs::read(study.join(variant).join("manifest.json")).unwrap();
        serde_json::from_slice::<Value>(&manifest).unwrap()["embeddings"]["encoders"].clone()
    };
    let (text, image, both) = (encoders("text"), encoders("image"), encoders("both"));
    assert!(text[0].as_str().unwrap().starts_with("all-MiniLM-L6-v2"));
    assert_eq!(image[0], "image-statistics-1");
    assert_eq!(both, Value::Array(vec![text[0].clone(), image[0].clone()]));

    let overview = fs::read_to_string(study.join("overview.csv")).unwrap();
    let cell = |variant: &str, router: &str, metric: &str| -> f64 {
        let start = format!("{variant},,{router},{metric},");
        let line = overview
            .lines()
            .find(|line| line.starts_with(&start))
            .unwrap();
        line[start.len()..]
            .split(',')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    // The oracle does not look at embeddings; kNN does.
    assert_eq!(
        cell("text", "oracle", "nauc_shared"),
        cell("image", "oracle", "nauc_shared")
    );
    assert_ne!(cell("text", "knn", "rmse"), cell("image", "knn", "rmse"));
    assert_ne!(cell("both", "knn", "rmse"), cell("image", "knn", "rmse"));
    assert!(
        overview
            .lines()
            .skip(1)
            .all(|line| line.ends_with(",assumed"))
    );

    // Assumed costs are marked wherever they are shown.
    for table in [
        "overview.md",
        "overview.tex",
        "report.html",
        "text/table.md",
        "text/table.tex",
        "text/report.html",
    ] {
        let text = fs::read_to_string(study.join(table)).unwrap();
        says(&text, &["ssum", "list prices of prices.toml"]);
    }
    let table = fs::read_to_string(study.join("text/table.csv")).unwrap();
    assert!(table.lines().skip(1).all(|line| line.ends_with(",assumed")));

    // A second run finds everything finished and changes nothing.
    let before = fs::read(study.join("overview.csv")).unwrap();
    success(&["run", arg(&file), "--out", arg(&out), "--resume", "--quiet"]);
    assert_eq!(fs::read(study.join("overview.csv")).unwrap(), before);

    let report = fs::read_to_string(study.join("report.html")).unwrap();
    says(
        &report,
        &["text/report.html", "both/report.html", "nAUC (shared)"],
    );
}

#[test]
fn a_router_that_looks_at_images_routes_a_prompt_with_its_image() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("small.toml");
    let embeddings = "[embeddings]\ntext = { encoder = \"hashed-ngrams\", settings = { dim = 64 } }\nimage = { encoder = \
                      \"image-statistics\" }\n";
    fs::write(&file, dynamath(embeddings)).unwrap();
    let out = place.path().join("runs");
    success(&["run", arg(&file), "--out", arg(&out), "--quiet"]);
    let model = out.join("small/models/linear");
    let route = [
        "route",
        "--model",
        arg(&model),
        "What is the maximum of the function?",
    ];
    let image = repository().join("tests/golden/clip_tiny/photo.png");
    let chosen: Value = serde_json::from_str(&success(
        &[&route[..], &["--image", arg(&image), "--json"]].concat(),
    ))
    .unwrap();
    assert_eq!(chosen["predictions"].as_array().unwrap().len(), 14);
    says(&refused(2, &route), &["looks at images", "--image"]);
    let nowhere = place.path().join("nowhere.png");
    says(
        &refused(2, &[&route[..], &["--image", arg(&nowhere)]].concat()),
        &["nowhere.png"],
    );
}

#[test]
fn clip_of_any_size_encodes_images() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("small.toml");
    let weights = repository().join("tests/golden/clip_tiny");
    let embeddings =
        format!("[embeddings]\nimage = {{ encoder = \"clip-image\", weights = {weights:?} }}\n");
    fs::write(&file, dynamath(&embeddings)).unwrap();
    let out = place.path().join("runs");
    success(&["run", arg(&file), "--out", arg(&out), "--quiet"]);
    let manifest = fs::read_to_string(out.join("small/manifest.json")).unwrap();
    says(&manifest, &["clip-image-"]);
}

#[test]
fn bad_images_name_the_query_and_the_file() {
    let place = tempfile::tempdir().unwrap();
    let mut csv = "id,prompt,image,a,b,a|cost,b|cost\n".to_owned();
    for row in 0..30 {
        csv += &format!(
            "q{row},Question {row}?,photo.png,{},{},0.1,0.2\n",
            row % 2,
            1 - row % 2
        );
    }
    let photo = repository().join("tests/golden/clip_tiny/photo.png");
    fs::copy(photo, place.path().join("photo.png")).unwrap();
    fs::write(place.path().join("bad.png"), b"not an image").unwrap();
    fs::write(place.path().join("good.csv"), &csv).unwrap();
    fs::write(
        place.path().join("damaged.csv"),
        csv.replace("Question 7?,photo.png", "Question 7?,bad.png"),
    )
    .unwrap();
    fs::write(
        place.path().join("none.csv"),
        csv.replace("Question 7?,photo.png", "Question 7?,"),
    )
    .unwrap();
    let run = |table: &str, missing: &str| {
        let file = place.path().join(format!("{table}.toml"));
        let experiment = format!(
            "name = \"{table}{}\"\nseeds = 1\n[data]\nformat = \"tabular\"\npath = \"{table}.csv\"\nschema = {{ id = [\"id\"], \
             prompt = [\"prompt\"], image = \"image\", layout.wide = {{ quality = \"{{model}}\", cost = \"{{model}}|cost\" }} }}\n\
             [embeddings]\nimage = {{ encoder = \"image-statistics\"{missing} }}\n[evaluation]\nbootstrap = 5\n[cost]\nepochs = 1\n\
             {ROUTERS}",
            missing.len()
        );
        fs::write(&file, experiment).unwrap();
        let out = place.path().join("runs");
        [
            "run".to_owned(),
            arg(&file).to_owned(),
            "--out".to_owned(),
            arg(&out).to_owned(),
        ]
    };
    let call = |args: [String; 4], code: i32| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        match code {
            0 => success(&args),
            code => refused(code, &args),
        }
    };
    call(run("good", ""), 0);
    says(&call(run("damaged", ""), 1), &["q7", "bad.png"]);
    says(&call(run("none", ""), 1), &["q7", "image"]);
    call(run("none", ", missing_image = \"zeros\""), 0);
}

#[test]
fn bad_variants_and_parts_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("runs");
    let refuse = |experiment: String, parts: &[&str]| {
        let file = place.path().join("small.toml");
        fs::write(&file, experiment).unwrap();
        says(&refused(2, &["run", arg(&file), "--out", arg(&out)]), parts);
        assert!(!out.exists());
    };
    let both = text_and_image();
    let with = |rest: &str| dynamath(&(both.clone() + rest));
    refuse(
        with("use = \"smell\"\n"),
        &["[embeddings]", "use", "smell", "`both`"],
    );
    refuse(
        with("[vary]\nkey = \"embeddings.use\"\nvalues = []\n"),
        &["[vary]", "values"],
    );
    refuse(
        with("[vary]\nkey = \"embeddings use\"\nvalues = [1]\n"),
        &["[vary]", "embeddings use"],
    );
    refuse(
        with("[split]\nkind = \"in-domain\"\n[vary]\nkey = \"split.train\"\nvalues = [0.2, 1.5]\n"),
        &["variant \"1.5\"", "1.5"],
    );
    refuse(
        with("[vary]\nkey = []\nvalues = [1]\n"),
        &["[vary]", "at least one key"],
    );
    refuse(
        with("[vary]\nkey = [\"router.knn.k\", \"router.Nobody.k\"]\nvalues = [1, 2]\n"),
        &["Nobody"],
    );
    refuse(
        with("[vary]\nkey = \"router.Nobody.k\"\nvalues = [1, 2]\n"),
        &["Nobody"],
    );
    refuse(
        with(
            "[split]\nkind = \"in-domain\"\n[vary]\nkey = \"split.train\"\nvalues = [0.2, 0.3]\nlabels = [\"a\"]\n",
        ),
        &["labels"],
    );
    refuse(
        with("[split]\nkind = \"in-domain\"\n[[variant]]\nsplit.train = 0.2\n"),
        &["[[variant]] number 1", "label"],
    );
    refuse(
        dynamath("[embeddings]\nimage = { encoder = \"minilm\", weights = \"x\" }\n"),
        &["image", "does not read"],
    );
    refuse(
        dynamath("[embeddings]\nimage = { encoder = \"image-statistics\" }\nuse = \"text\"\n"),
        &["use", "not given"],
    );
}
