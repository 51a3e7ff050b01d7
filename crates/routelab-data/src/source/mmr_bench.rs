//! MMR-Bench (Ma, Lai & Ye 2026): `MMR_Bench.csv` with `question`, `dataset_idx`, and `MODEL_correct` and `MODEL_cost` for
//! every model, beside one folder of images per source.

use std::path::{Path, PathBuf};

use crate::error::{DataError, Place};
use crate::report::Loaded;
use crate::source::files::one_of;
use crate::source::tabular::{self, Layout, TabularSchema};
use crate::spec::DataSpec;

/// Prefixes of `dataset_idx`, which are the tasks, and the folders of their images.
const SOURCES: [(&str, &str); 7] = [
    ("MathVerse", "MathVerse"),
    ("MathVision", "MathVision"),
    ("MathVista", "MathVista"),
    ("MMStar", "MMStar"),
    ("OCRBench", "OCRBench"),
    ("RealWorldQA", "RealWorldQA"),
    ("SEEDBench2_Plus", "SEEDBenchv2Plus"),
];

/// Extensions of images, in the order in which they are looked for.
const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// Reads the CSV file, or the one in the folder. The image of `OCRBench_12` is `OCRBench/12.jpg` (or .jpeg, .png, .webp).
pub(super) fn read(spec: &DataSpec) -> Result<Loaded, DataError> {
    let file = one_of(&spec.path, &["MMR_Bench.csv", "MMR-Bench.csv"])?;
    let schema = TabularSchema {
        file: None,
        separator: None,
        decimal: None,
        id: vec!["dataset_idx".to_owned()],
        prompt: vec!["question".to_owned()],
        task: None,
        image: None,
        group: None,
        cost_unit: "cost as published by MMR-Bench".to_owned(),
        layout: Layout::Wide {
            quality: "{model}_correct".to_owned(),
            cost: Some("{model}_cost".to_owned()),
            models: None,
        },
    };
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    tabular::read_files(
        spec,
        &schema,
        std::slice::from_ref(&file),
        &mut |place, found| {
            let (source, image) = image_of(&found.query.id, &folder)
                .ok_or_else(|| unknown_source(&file, place, &found.query.id))?;
            found.query.task = Some(source.to_owned());
            found.query.image = Some(image);
            Ok(())
        },
    )
}

/// The source and the image of an index such as `OCRBench_12`. Where there is no such file, the path where it should be.
fn image_of(index: &str, folder: &Path) -> Option<(&'static str, PathBuf)> {
    let number_in = |source: &str| index.strip_prefix(source)?.strip_prefix('_');
    let (source, images, number) = SOURCES
        .iter()
        .find_map(|(source, images)| Some((*source, images, number_in(source)?)))?;
    let path = |extension| folder.join(images).join(format!("{number}.{extension}"));
    let found = EXTENSIONS.map(path).into_iter().find(|path| path.is_file());
    Some((source, found.unwrap_or_else(|| path(EXTENSIONS[0]))))
}

fn unknown_source(path: &Path, place: Place, index: &str) -> DataError {
    let names: Vec<String> = SOURCES
        .iter()
        .map(|(source, _)| format!("{source}_…"))
        .collect();
    DataError::Unexpected {
        path: path.to_owned(),
        place,
        column: "dataset_idx".to_owned(),
        value: index.to_owned(),
        expected: format!("one of {}", names.join(", ")),
    }
}
