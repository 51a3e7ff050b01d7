//! MMR-Bench (Ma, Lai & Ye 2026): the `dataset_idx` says the task and the image, which lies in one folder per source.

use std::path::{Path, PathBuf};

use crate::error::{DataError, Place};
use crate::source::published::Custom;

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

/// The task and the image of a query.
pub(super) const CUSTOM: Custom = Custom {
    query: |file, place, found| {
        let folder = file.parent().unwrap_or(Path::new(""));
        let (source, image) = image_of(&found.query.id, folder)
            .ok_or_else(|| unknown_source(file, place, &found.query.id))?;
        found.query.task = Some(source.to_owned());
        found.query.image = Some(image);
        Ok(())
    },
    ..Custom::NONE
};

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
        at: place.cell(path, "dataset_idx"),
        value: index.to_owned(),
        expected: format!("one of {}", names.join(", ")),
    }
}
