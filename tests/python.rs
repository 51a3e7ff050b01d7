//! The Python package: pytest on `crates/routelab-python/tests`, with the module of this build.
//!
//! Without Python or what its tests need nothing is tested, and that is said; with `ROUTELAB_PYTHON_TESTS=1` it is a failure.
//! `ROUTELAB_PYTHON` names another Python than `python3`.
#![allow(clippy::print_stderr, reason = "a test prints as it likes")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the tests cannot do without.
const NEEDED: &str = "import sys, numpy, pytest; sys.exit(sys.version_info < (3, 10))";

/// Python, if the tests can run in it; says what is missing if not.
fn python() -> Option<String> {
    let python = std::env::var("ROUTELAB_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output = Command::new(&python).args(["-c", NEEDED]).output();
    if output.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(
        std::env::var("ROUTELAB_PYTHON_TESTS").as_deref() != Ok("1"),
        "the Python package cannot be tested: {python} is not Python 3.10 or later with numpy and pytest"
    );
    eprintln!(
        "SKIPPED: the Python package was not tested. {python} is not Python 3.10 or later with numpy and pytest \
         (pip install numpy pytest, or another Python in ROUTELAB_PYTHON)."
    );
    None
}

/// Copies the package, and the module of this build into it.
fn install(package: &Path, place: &Path) {
    let to = place.join("routelab");
    fs::create_dir(&to).unwrap();
    for entry in fs::read_dir(package.join("python/routelab")).unwrap() {
        let path = entry.unwrap().path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        if matches!(ending, Some("py" | "pyi" | "typed")) {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let build = build();
    let built = [build.join("deps"), build]
        .map(|folder| folder.join(format!("{prefix}_routelab{suffix}")))
        .into_iter()
        .find(|path| path.is_file())
        .expect("Cargo builds the module before its test");
    let name = if cfg!(windows) {
        "_routelab.pyd"
    } else {
        "_routelab.abi3.so"
    };
    fs::copy(built, to.join(name)).unwrap();
}

/// The folder of this build.
fn build() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_owned()
}

#[test]
fn the_python_package_passes_its_tests() {
    let Some(python) = python() else { return };
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let place = tempfile::tempdir().unwrap();
    install(package, place.path());
    let mut command = Command::new(python);
    command
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .current_dir(package)
        .env("PYTHONPATH", place.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("ROUTELAB_PROGRAM");
    let program = build().join(format!("routelab{}", std::env::consts::EXE_SUFFIX));
    if program.is_file() {
        command.env("ROUTELAB_PROGRAM", program);
    }
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    eprintln!("{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "pytest failed:\n{told}");
}
