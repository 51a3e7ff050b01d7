//! Every link and every path in the pages of the repository leads somewhere.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::repository;

/// Folders with files of others, or that appear when something runs.
const SKIPPED: [&str; 6] = [
    ".git",
    "fuzz-findings",
    "models",
    "node_modules",
    "runs",
    "target",
];

/// Where paths in text begin that are files of the repository.
const TOP: [&str; 8] = [
    ".ci/",
    "crates/",
    "datasets/",
    "docs/",
    "experiments/",
    "scripts/",
    "tests/",
    "Cargo.toml",
];

/// Paths that a page tells the reader to make, and one of another repository.
const ELSEWHERE: [&str; 2] = ["experiments/mine.toml", "datasets/routerbench_zs"];

/// Every file of the repository.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !path.is_dir() {
            found.push(path);
        } else if !SKIPPED.contains(&name) {
            files(&path, found);
        }
    }
}

/// The lines of a page, each with whether it is in a block of code.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str, bool)> {
    let mut code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            code = !code;
            return None;
        }
        Some((index + 1, line, code))
    })
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let headings = lines(text).filter(|(_, line, code)| !code && line.starts_with('#'));
    headings
        .map(|(_, line, _)| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter_map(|c| match c {
                ' ' => Some('-'),
                '-' | '_' => Some(c),
                _ => c.is_alphanumeric().then_some(c),
            });
            let anchor: String = kept.collect();
            let count = seen.entry(anchor.clone()).or_default();
            *count += 1;
            if *count == 1 {
                anchor
            } else {
                format!("{anchor}-{}", *count - 1)
            }
        })
        .collect()
}

/// What stands between `open` and `close`, wherever it does.
fn between<'a>(line: &'a str, open: &'a str, close: char) -> impl Iterator<Item = &'a str> {
    line.split(open)
        .skip(1)
        .filter_map(move |rest| rest.split_once(close).map(|(inside, _)| inside))
}

/// What is wrong with a link of the page at `path`.
fn broken_link(path: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() {
        path.to_owned()
    } else {
        path.parent().unwrap().join(file)
    };
    if !target.exists() {
        return Some(format!("there is no {file}"));
    }
    if anchor.is_empty() {
        return None;
    }
    let known = anchors(&fs::read_to_string(&target).unwrap_or_default());
    (!known.iter().any(|known| known == anchor))
        .then(|| format!("{} has no heading #{anchor}", target.display()))
}

/// The words of a text that look like files of the repository, from its top or, as sources, from anywhere.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || "`\"'()[]{},;=".contains(c))
        .map(|word| word.trim_end_matches(['.', ':']))
        .filter(|word| TOP.iter().any(|top| word.starts_with(top)) || word.ends_with(".rs"))
}

/// Whether a path, up to its first placeholder such as `*` or `NAME`, is one of these files or folders.
fn exists(path: &str, files: &[PathBuf]) -> bool {
    let is_placeholder = |part: &str| {
        part.contains(['*', '<', '…', '$'])
            || part.split(['.', '_']).next().is_some_and(|stem| {
                stem.len() > 1 && stem.chars().all(|c| c.is_ascii_uppercase()) && stem != "README"
            })
    };
    let kept: PathBuf = path
        .split('/')
        .take_while(|part| !is_placeholder(part))
        .collect();
    ELSEWHERE.contains(&path)
        || repository().join(&kept).exists()
        || path.ends_with(".rs") && files.iter().any(|file| file.ends_with(&kept))
}

#[test]
fn every_link_and_path_of_every_page_leads_somewhere() {
    let mut all = Vec::new();
    files(&repository(), &mut all);
    let (mut wrong, mut links, mut words) = (Vec::new(), 0, 0);
    for page in all
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "md"))
    {
        let text = fs::read_to_string(page).unwrap();
        let name = page.strip_prefix(repository()).unwrap().display();
        for (number, line, code) in lines(&text) {
            let mut report = |problem: String| wrong.push(format!("{name}:{number}: {problem}"));
            if !code {
                for link in between(line, "](", ')') {
                    links += 1;
                    broken_link(page, link).map(&mut report);
                }
            }
            let texts: Vec<&str> = if code {
                vec![line]
            } else {
                line.split('`').skip(1).step_by(2).collect()
            };
            for path in texts.into_iter().flat_map(paths) {
                words += 1;
                if !exists(path, &all) {
                    report(format!("there is no {path}"));
                }
            }
        }
    }
    assert!(
        links > 100 && words > 100,
        "{links} links, {words} paths: the pages are not read as they are written"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_leads_nowhere_is_found() {
    let page = repository().join("docs/README.md");
    let broken = |link: &str| broken_link(&page, link);
    assert_eq!(broken("backends.md#tests"), None);
    assert_eq!(broken("https://nowhere.example/x.md"), None);
    assert_eq!(broken("nowhere.md").unwrap(), "there is no nowhere.md");
    assert!(
        broken("backends.md#nowhere")
            .unwrap()
            .contains("no heading #nowhere")
    );
    let sources = [repository().join("crates/routelab-data/src/source/mod.rs")];
    for path in [
        "datasets/*/dataset.toml",
        "docs/datasets/NAME.md",
        "source/mod.rs",
    ] {
        assert!(exists(path, &sources), "{path}");
    }
    for path in [
        "crates/nowhere.rs",
        "docs/nowhere/NAME.md",
        "source/nowhere.rs",
        "e/mod.rs",
    ] {
        assert!(!exists(path, &sources), "{path}");
    }
    assert_eq!(
        anchors("# One: `two`, three\n```sh\n# none\n```\n## Same\n## Same\n"),
        ["one-two-three", "same", "same-1"]
    );
    assert_eq!(
        paths("see (`crates/a.rs`), runs/x and docs/b.md.").collect::<Vec<_>>(),
        ["crates/a.rs", "docs/b.md"]
    );
}
