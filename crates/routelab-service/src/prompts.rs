//! Files of prompts: CSV, JSON Lines, JSON or Parquet.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use routelab_data::{hex, read_texts, resolve_path};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use sha2::{Digest, Sha256};

use crate::error::ServiceError;

/// The columns that are read.
const COLUMNS: [&str; 5] = ["id", "prompt", "image", "reference", "task"];

/// The largest image that is sent.
const LARGEST_IMAGE: u64 = 20 << 20;

/// How a log of decisions ends in the place of a prompt that it does not have.
pub const NOT_STORED: &str = "bytes, not stored)";

/// A question for every model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Its name, unique; the number of its row by default.
    pub id: String,
    /// The text.
    pub text: String,
    /// The file of its image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<PathBuf>,
    /// The SHA-256 of that file, when it was first read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_hash: Option<String>,
    /// What a right answer is, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Its task; `prompts` by default.
    pub task: String,
}

/// Reads prompts: the column `prompt`, and where they are there `id`, `image` (a path relative to the file), `reference` and `task`.
///
/// # Errors
///
/// A file that cannot be read, a row without a prompt, an id twice, an image that is not there.
pub fn read_prompts(path: &Path) -> Result<Vec<Prompt>, ServiceError> {
    let texts = read_texts(path, &COLUMNS)?;
    let wrong = |detail: String| Err(ServiceError::file(path, detail));
    if !texts.columns.iter().any(|column| column == "prompt") {
        return wrong(format!(
            "there is no column \"prompt\"; its columns are {}",
            texts.columns.join(", ")
        ));
    }
    if let Some(nested) = texts
        .columns
        .iter()
        .find(|column| column.starts_with("reference."))
    {
        return wrong(format!(
            "{nested:?} is a part of an object; write the reference as a text, such as \"{{\\\"a\\\": 1}}\""
        ));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut seen = HashMap::new();
    let mut prompts = Vec::with_capacity(texts.rows.len());
    for (row, (place, cells)) in (1..).zip(texts.rows) {
        let [id, text, image, reference, task] =
            <[Option<String>; 5]>::try_from(cells).expect("one cell per column");
        let id = id.unwrap_or_else(|| row.to_string());
        let Some(text) = text else {
            return wrong(format!(
                "{place} (id {id:?}): there is no prompt; give every row one"
            ));
        };
        if text.starts_with('(') && text.ends_with(NOT_STORED) {
            return wrong(format!(
                "{place} (id {id:?}): the log of decisions was kept without prompts; keep one with them"
            ));
        }
        if let Some(first) = seen.insert(id.clone(), row) {
            return wrong(format!(
                "{place}: the id {id:?} was already used in row {first}; ids must be unique"
            ));
        }
        let image = image.map(|image| {
            let path = resolve_path(folder, Path::new(&image));
            path.canonicalize().unwrap_or(path)
        });
        let mut image_hash = None;
        if let Some(image) = &image {
            let bytes = std::fs::read(image).unwrap_or_default();
            image_hash = Some(hex(&Sha256::digest(bytes)));
            let problem = match (std::fs::metadata(image), media_type(image)) {
                (Err(error), _) => Some(error.to_string()),
                (Ok(file), _) if file.len() > LARGEST_IMAGE => Some(format!(
                    "it has {} bytes, more than {LARGEST_IMAGE}",
                    file.len()
                )),
                (_, None) => Some("expected .png, .jpg, .jpeg, .gif or .webp".to_owned()),
                _ => None,
            };
            if let Some(problem) = problem {
                return wrong(format!(
                    "{place} (id {id:?}): the image {}: {problem}",
                    image.display()
                ));
            }
        }
        prompts.push(Prompt {
            id,
            text,
            image,
            image_hash,
            reference,
            task: task.unwrap_or_else(|| "prompts".to_owned()),
        });
    }
    if prompts.is_empty() {
        return wrong("there is no prompt in it".to_owned());
    }
    Ok(prompts)
}

fn media_type(image: &Path) -> Option<&'static str> {
    let ending = image.extension()?.to_str()?.to_lowercase();
    match ending.as_str() {
        "png" => Some("image/png"),
        "jpg" | "jpeg" => Some("image/jpeg"),
        "gif" => Some("image/gif"),
        "webp" => Some("image/webp"),
        _ => None,
    }
}

impl Prompt {
    /// The messages of a request.
    ///
    /// # Errors
    ///
    /// An image that cannot be read any more.
    pub fn messages(&self, system: Option<&str>) -> Result<Value, ServiceError> {
        let content: Value = match &self.image {
            None => self.text.as_str().into(),
            Some(image) => {
                let bytes =
                    std::fs::read(image).map_err(|error| ServiceError::file(image, error))?;
                let kind = media_type(image).unwrap_or("image/png");
                let url = format!("data:{kind};base64,{}", STANDARD.encode(bytes));
                json!([
                    { "type": "text", "text": self.text },
                    { "type": "image_url", "image_url": { "url": url } },
                ])
            }
        };
        let user = json!({ "role": "user", "content": content });
        Ok(match system {
            None => json!([user]),
            Some(system) => json!([{ "role": "system", "content": system }, user]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Vec<Prompt>, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("dot.png"), b"not looked at").unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read_prompts(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn lines_of_json_and_csv_are_the_same_prompts() {
        let lines = read(
            "p.jsonl",
            "{\"prompt\": \"one\", \"reference\": 1, \"task\": \"t\"}\n{\"id\": \"b\", \"prompt\": \"two\"}\n",
        );
        let csv = read("p.csv", "prompt,reference,task,id\none,1,t,\ntwo,,,b\n");
        assert_eq!(lines, csv);
        let prompts = lines.unwrap();
        assert_eq!(prompts[0].id, "1");
        assert_eq!(prompts[0].reference.as_deref(), Some("1"));
        assert_eq!(prompts[1].task, "prompts");
    }

    #[test]
    fn errors_name_the_row() {
        for (text, expected) in [
            (
                "question\na\n",
                "no column \"prompt\"; its columns are question",
            ),
            ("prompt,id\na,1\nb,1\n", "\"1\" was already used in row 1"),
            ("prompt,id\na,1\n,2\n", "(id \"2\"): there is no prompt"),
            ("prompt,image\na,dot.png\nb,none.png\n", "none.png"),
        ] {
            let error = read("p.csv", text).unwrap_err();
            assert!(error.contains(expected), "{error}");
            assert!(error.contains("p.csv"), "{error}");
        }
    }
}
