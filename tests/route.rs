//! `routelab route` with many prompts.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use common::{
    QUICK_ROUTERS, arg, experiment, refused, repository, routelab, says, success, table, workplace,
};
use serde_json::Value;

fn fitted(routers: &str) -> (tempfile::TempDir, PathBuf) {
    let place = workplace(&table(120), &experiment(routers));
    let (file, out) = (place.path().join("small.toml"), place.path().join("runs"));
    success(&["run", arg(&file), "--out", arg(&out), "--quiet"]);
    let models = out.join("small/models");
    (place, models)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn prompts() -> Vec<String> {
    (0..600)
        .map(|number| match number % 2 {
            0 => format!("Spell the word number {number} backwards and find a rhyme for it."),
            _ => format!("Compute {number} * 15 + 7 and give the digits."),
        })
        .collect()
}

/// What one prompt after the other gives is what all of them give at once, in their order.
#[test]
fn many_prompts_are_routed_as_each_alone() {
    let more = r#"
[[router]]
kind = "carrot"
estimates = "linear"

[[router]]
kind = "linear"
label = "by price"
decision = "price"

[[router]]
kind = "linear"
label = "by capped price"
decision = { kind = "cap+price", cap = 1.5 }

[[router]]
kind = "linear"
label = "within a margin"
decision = { kind = "margin", delta = 0.2 }
"#;
    let (place, models) = fitted(&format!("{QUICK_ROUTERS}{more}"));
    let file = place.path().join("prompts.txt");
    fs::write(&file, prompts().join("\n")).unwrap();
    let by_decision = ["by-price", "by-capped-price", "within-a-margin"];
    for router in ["linear", "knn", "equirouter", "carrot"]
        .iter()
        .chain(&by_decision)
    {
        let model = models.join(router);
        let budget = ["--model", arg(&model), "--budget", "0.001"];
        let route = |more: &[&str]| success(&[&["route"], &budget[..], more].concat());
        let text = route(&["--prompts", arg(&file)]);
        assert_eq!(text, route(&["--prompts", arg(&file), "--json"]));
        assert_eq!(text, route(&["--prompts", arg(&file), "--quiet"]));
        let many = lines(&text);
        assert_eq!(many.len(), 600);
        for (at, found) in many.iter().enumerate() {
            assert_eq!(found["line"], at + 1);
        }
        for at in [0, 1, 255, 256, 599] {
            let alone: Value = serde_json::from_str(&route(&[&prompts()[at], "--json"])).unwrap();
            assert_eq!(many[at]["model"], alone["model"], "{router}, {at}");
            assert_eq!(many[at]["within_budget"], alone["within_budget"]);
            let (one, other) = (&many[at]["predictions"], &alone["predictions"]);
            for model in 0..3 {
                let number = |from: &Value| from[model]["quality"].as_f64().unwrap();
                assert!((number(one) - number(other)).abs() < 1e-5, "{router}, {at}");
            }
        }

        let csv = route(&["--prompts", arg(&file), "--format", "csv"]);
        let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(
            rows[0][..6],
            [
                "line",
                "id",
                "model",
                "within_budget",
                "words|quality",
                "words|cost"
            ]
        );
        assert_eq!(rows.len(), 601);
        for (row, found) in rows[1..].iter().zip(&many) {
            assert_eq!(row[0], found["line"].to_string());
            assert_eq!(row[2], found["model"].as_str().unwrap());
            let quality: f64 = row[4].parse().unwrap();
            assert_eq!(
                quality,
                found["predictions"][0]["quality"].as_f64().unwrap()
            );
        }
    }
}

fn piped(model: &Path, more: &[&str], input: &str) -> std::process::Output {
    Command::cargo_bin("routelab")
        .unwrap()
        .current_dir(repository())
        .args([&["route", "--model", arg(model)], more].concat())
        .write_stdin(input)
        .output()
        .unwrap()
}

#[test]
fn prompts_come_from_standard_input_too() {
    let (_place, models) = fitted(QUICK_ROUTERS);
    let model = models.join("linear");
    let text = "Spell the word number 5 backwards and find a rhyme for it.\n\nCompute 12 * 15 + 7 and give the digits.\n";
    for more in [&["-"][..], &["--prompts", "-"]] {
        let output = piped(&model, &[more, &["--budget", "0.001"]].concat(), text);
        assert!(output.status.success());
        let found = lines(&String::from_utf8(output.stdout).unwrap());
        assert_eq!(found.len(), 2);
        // The numbers are those of the input's lines, blank ones included.
        assert_eq!(
            (&found[0]["line"], &found[1]["line"]),
            (&1.into(), &3.into())
        );
        assert_eq!(
            (&found[0]["model"], &found[1]["model"]),
            (&"words".into(), &"maths".into())
        );
        says(
            &String::from_utf8(output.stderr).unwrap(),
            &["1 blank line"],
        );
    }
    let json = "{\"prompt\": \"Compute 12 * 15\\nand give the digits.\", \"id\": \"a,b\"}\n";
    let output = piped(&model, &["-", "--format", "csv", "--budget", "0.001"], json);
    says(
        &String::from_utf8(output.stdout).unwrap(),
        &["1,\"a,b\",maths,true,"],
    );
    // What looks like an object may be a prompt.
    let output = piped(&model, &["-", "--input", "text"], "{\"a\": 1}\n");
    assert_eq!(lines(&String::from_utf8(output.stdout).unwrap()).len(), 1);
}

#[test]
fn bad_prompts_are_refused_with_their_line() {
    let (place, models) = fitted(QUICK_ROUTERS);
    let model = models.join("linear");
    let file = place.path().join("prompts.jsonl");
    for (text, parts) in [
        ("{\"prompt\": \"a\"}\nnot an object\n", &["line 2: "][..]),
        (
            "{\"prompt\": \"a\"}\n{\"prompt\": 3}\n",
            &["line 2: `prompt` must be a text"],
        ),
        ("\n\n", &["no prompt"]),
    ] {
        fs::write(&file, text).unwrap();
        let error = refused(
            2,
            &["route", "--model", arg(&model), "--prompts", arg(&file)],
        );
        says(&error, &["prompts.jsonl: ", "help: "]);
        says(&error, parts);
    }
    fs::write(&file, "{\"prompt\": \"a\"}\n").unwrap();
    let at = arg(&file);
    let model = arg(&model);
    let absent = arg(&place.path().join("absent.txt")).to_owned();
    for args in [
        &["--prompts", at, "--json", "--format", "csv"][..],
        &["a prompt", "--format", "csv"],
        &["--prompts", &absent],
        &["-", "--image", "a.png"],
    ] {
        let error = refused(2, &[&["route", "--model", model], args].concat());
        says(&error, &["help: "]);
    }
    assert_eq!(
        routelab(&["route", "--model", model]).status.code(),
        Some(2)
    );
}

/// Images of many prompts stand beside their file; one that is missing is named with its line.
#[test]
fn many_prompts_have_images() {
    let place = tempfile::tempdir().unwrap();
    let dataset = repository().join("datasets/dynamath");
    let file = place.path().join("small.toml");
    fs::write(
        &file,
        format!(
            "name = \"small\"\nseeds = 1\n[data]\ndataset = {dataset:?}\nlimit = 60\n[embeddings]\nencoder = \
             \"image-statistics\"\n[evaluation]\nbootstrap = 20\ngrid = 8\n[[router]]\nkind = \"knn\"\nk = 3\n"
        ),
    )
    .unwrap();
    let out = place.path().join("runs");
    success(&["run", arg(&file), "--out", arg(&out), "--quiet"]);
    let model = out.join("small/models/knn");
    image::RgbImage::from_pixel(32, 32, image::Rgb([200, 30, 40]))
        .save(place.path().join("red.png"))
        .unwrap();
    let prompts = place.path().join("prompts.jsonl");
    let one = "{\"prompt\": \"What is it?\", \"image\": \"red.png\"}\n";
    fs::write(&prompts, one.repeat(3)).unwrap();
    let route = ["route", "--model", arg(&model), "--prompts", arg(&prompts)];
    assert_eq!(lines(&success(&route)).len(), 3);
    for (second, parts) in [
        (
            "{\"prompt\": \"What is it?\"}\n",
            ["line 2: the router looks at images", "JSON Lines"],
        ),
        (
            "{\"prompt\": \"What is it?\", \"image\": \"blue.png\"}\n",
            ["line 2: ", "blue.png"],
        ),
    ] {
        fs::write(&prompts, format!("{one}{second}{one}")).unwrap();
        says(&refused(2, &route), &parts);
    }
}

#[test]
fn examples_of_prompts_are_read() {
    let (_place, models) = fitted(QUICK_ROUTERS);
    let model = models.join("linear");
    for (file, count) in [("prompts.txt", 3), ("prompts.jsonl", 2)] {
        let file = format!("docs/examples/{file}");
        let found = lines(&success(&[
            "route",
            "--model",
            arg(&model),
            "--prompts",
            &file,
        ]));
        assert_eq!(found.len(), count);
    }
}
