//! Names in any script, in figures; short names; prompts that occur twice.
#![allow(clippy::print_stderr, reason = "a test prints as it likes")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use common::{arg, experiment, files, repository, says, table, workplace};

const CHINESE: &str = "通义千问-大";

fn routers(label: &str) -> String {
    format!(
        "\n[[router]]\nkind = \"knn\"\nlabel = \"kNN {label}\"\nk = 5\n\n[[router]]\nkind = \"best-single\"\n\n[[router]]\nkind = \
         \"oracle\"\n"
    )
}

/// Runs an experiment whose strongest model has a name, with these fonts instead of the machine's.
fn run(place: &Path, fonts: Option<&Path>, out: &str) -> (Output, std::path::PathBuf) {
    let mut command = Command::cargo_bin("routelab").unwrap();
    command
        .current_dir(repository())
        .env_remove("ROUTELAB_FONTS");
    if let Some(fonts) = fonts {
        command.env("ROUTELAB_FONTS", fonts);
    }
    let out = place.join(out);
    let file = place.join("small.toml");
    let output = command
        .args(["run", arg(&file), "--out", arg(&out)])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    (output, out.join("small/figures"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn figure(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

/// The outline of the text with this label in an SVG.
fn outline<'a>(svg: &'a str, label: &str) -> &'a str {
    let start = svg
        .find(&format!("aria-label=\"{label}\" fill"))
        .unwrap_or_else(|| panic!("no {label}"));
    let path = &svg[start..];
    let path = &path[path.find(" d=\"").unwrap() + 4..];
    &path[..path.find('"').unwrap()]
}

fn place(model: &str, label: &str, more: &str) -> tempfile::TempDir {
    let table = table(60).replace("strong", model);
    workplace(&table, &(experiment(&routers(label)) + more))
}

#[test]
fn a_font_that_has_the_letters_draws_them() {
    let font = repository().join("tests/fixtures/fonts/chinese.otf");
    let place = place(CHINESE, "最近邻", "");
    let (output, figures) = run(place.path(), Some(&font), "runs");
    assert!(!said(&output).contains("no font here"), "{}", said(&output));
    let svg = figure(&figures, "call_mix.svg");
    assert!(!svg.contains("no font here"));
    // Five letters of a dozen strokes: far more than five boxes have.
    let name = outline(&svg, CHINESE);
    assert!(
        name.matches('z').count() >= 12 && name.contains('c'),
        "{name}"
    );
    // Others of the font's letters look different.
    assert_ne!(outline(&svg, "kNN 最近邻"), name);
    let (_, again) = run(place.path(), Some(font.parent().unwrap()), "again");
    for ending in ["svg", "pdf", "png"] {
        let name = format!("call_mix.{ending}");
        let read = |folder: &Path| fs::read(folder.join(&name)).unwrap();
        assert!(read(&figures) == read(&again), "{name}");
    }
    // The outlines make the PDF longer than boxes do.
    let (_, boxes) = run(place.path(), Some(&place.path().join("none")), "boxes");
    let size = |folder: &Path| fs::metadata(folder.join("call_mix.pdf")).unwrap().len();
    assert!(size(&figures) > size(&boxes));
}

#[test]
fn letters_that_no_font_has_are_boxes_with_a_note() {
    let names = [
        (CHINESE, "U+901A"),
        ("Гигачат", "U+0413"),
        ("جيس", "U+062C"),
        ("lla🦙ma", "U+1F999"),
        ("ஒன்று", "U+0B92"),
    ];
    for (model, code) in names {
        let place = place(model, "", "");
        let (output, figures) = run(place.path(), Some(&place.path().join("none")), "runs");
        says(
            &said(&output),
            &["no font here has", code, "short names", "[figures]"],
        );
        let svg = figure(&figures, "call_mix.svg");
        says(&svg, &["no font here has", code, "short names"]);
        // One box per missing letter, each of two outlines.
        let name = outline(&svg, model);
        let missing = model.chars().filter(|c| !c.is_ascii()).count();
        assert!(name.matches('z').count() >= 2 * missing, "{model}: {name}");
        assert!(figures.join("call_mix.pdf").metadata().unwrap().len() > 1000);
    }
}

#[test]
fn short_names_replace_those_of_models() {
    let more = format!("\n[figures]\nnames = {{ {CHINESE:?} = \"Qwen-L\" }}\n");
    let place = place(CHINESE, "", "");
    let file = place.path().join("small.toml");
    let text = fs::read_to_string(&file).unwrap();
    let first = text.find("\n[[router]]").unwrap();
    let with = |more: &str| {
        fs::write(&file, format!("{}{more}{}", &text[..first], &text[first..])).unwrap()
    };
    with(&more);
    let (output, figures) = run(place.path(), Some(&place.path().join("none")), "runs");
    assert!(!said(&output).contains("no font here"), "{}", said(&output));
    for name in [
        "call_rate.svg",
        "call_mix.svg",
        "cost_quality.svg",
        "cost_quality.csv",
    ] {
        let text = figure(&figures, name);
        assert!(text.contains("Qwen-L") && !text.contains(CHINESE), "{name}");
    }
    // Tables keep the data's names.
    let points = figure(&figures.join(".."), "grid_points.csv");
    assert!(points.contains(CHINESE) && !points.contains("Qwen-L"));
    assert!(figure(&figures.join(".."), "report.html").contains("Qwen-L"));

    for (names, part) in [
        ("{ nobody = \"x\" }", "\"nobody\""),
        ("{ words = \"maths\" }", "\"maths\""),
        ("{ words = \" \" }", "nothing"),
    ] {
        with(&format!("\n[figures]\nnames = {names}\n"));
        let error = common::refused(2, &["run", arg(&file), "--check"]);
        says(&error, &["[figures] `names`", part, "help: "]);
    }
}

/// With Latin names no other font is looked at, whatever there is.
#[test]
fn latin_figures_are_the_same_with_any_fonts() {
    let place = place("strong", "naïve – δ ≤ 5 %", "");
    let fonts = repository().join("tests/fixtures/fonts");
    let (_, with) = run(place.path(), Some(&fonts), "with");
    let (_, without) = run(place.path(), Some(&place.path().join("none")), "without");
    let (_, machine) = run(place.path(), None, "machine");
    let endings = [".svg", ".pdf", ".png", ".csv"];
    let drawn = files(&with, &endings);
    assert!(drawn.len() > 20);
    assert!(drawn == files(&without, &endings) && drawn == files(&machine, &endings));
}

/// Where this machine has fonts for a script, figures show it.
#[test]
fn fonts_of_this_machine_are_found() {
    let names = [CHINESE, "Гигачат", "جيس", "ひらがな", "한국어"];
    let mut shown = 0;
    for model in names {
        let place = place(model, "", "");
        let (output, figures) = run(place.path(), None, "runs");
        let svg = figure(&figures, "call_mix.svg");
        assert!(!outline(&svg, model).is_empty());
        if said(&output).contains("no font here") {
            eprintln!("skipped {model}: no font of this machine has it");
            assert!(svg.contains("no font here"));
        } else {
            shown += 1;
            assert!(!svg.contains("no font here"));
        }
    }
    eprintln!("{shown} of {} names are shown", names.len());
}

#[test]
fn prompts_that_occur_twice_are_counted() {
    let repeated = |rows: usize, different: usize| -> String {
        let mut csv = "q,question,a|score,b|score,a|cost,b|cost\n".to_owned();
        for row in 0..rows {
            csv += &format!(
                "q{row},question number {},{},1,1,2\n",
                row % different,
                row % 2
            );
        }
        csv
    };
    let place = tempfile::tempdir().unwrap();
    let check = |csv: &str, group: &str| -> String {
        fs::write(place.path().join("scores.csv"), csv).unwrap();
        let text = format!(
            "name = \"small\"\n[data]\nformat = \"tabular\"\npath = \"scores.csv\"\n[data.schema]\nid = [\"q\"]\nprompt = \
             [\"question\"]\n{group}\ncost_unit = \"US dollars\"\nlayout.wide = {{ quality = \"{{model}}|score\", cost = \
             \"{{model}}|cost\" }}\n[embeddings]\nencoder = \"hashed-ngrams\"\n[split]\nkind = \
             \"in-domain\"\ntrain = 0.5\n[[router]]\nkind = \"knn\"\n"
        );
        fs::write(place.path().join("small.toml"), text).unwrap();
        let file = place.path().join("small.toml");
        let output = common::routelab(&["run", arg(&file), "--check"]);
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    };
    let plain = check(&repeated(60, 6), "");
    says(
        &plain,
        &[
            "60 queries have 6 different prompts",
            "`group = \"question\"`",
        ],
    );
    assert_eq!(plain.matches("different prompts").count(), 1, "{plain}");
    let grouped = check(&repeated(60, 6), "group = \"question\"");
    says(
        &grouped,
        &["60 queries have 6 different prompts", "one group"],
    );
    assert!(!grouped.contains("flatters"), "{grouped}");
    let all = check(&repeated(60, 60), "");
    assert!(!all.contains("different prompts"), "{all}");
}
