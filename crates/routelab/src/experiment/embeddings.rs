//! `[embeddings]`: what routers see of a query.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use routelab_data::resolve_path;
use serde::Deserialize;

use crate::encoders::{self, EncoderSpec};

/// A part of the embedding.
#[derive(Clone, Debug)]
pub enum EmbeddingsPart {
    /// A file with the embedding of every query.
    File(PathBuf),
    /// Computed now.
    Encoder {
        /// By this encoder.
        spec: Arc<dyn EncoderSpec>,
        /// Whether it reads the queries' images, and not their prompts.
        images: bool,
    },
}

/// Parts that stand side by side in the embedding, at least one.
#[derive(Clone, Debug)]
pub struct EmbeddingsSpec {
    /// In their order, with paths that can be opened.
    pub parts: Vec<EmbeddingsPart>,
}

/// Which parts are used.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Use {
    Text,
    Image,
    Both,
}

impl EmbeddingsSpec {
    /// Either one part, or `text` and `image` with `use`.
    pub(super) fn parse(mut table: toml::Table, folder: &Path) -> Result<Self, String> {
        if !table.contains_key("text") && !table.contains_key("image") {
            if table.contains_key("use") {
                return Err("`use` chooses between the parts `text` and `image`".into());
            }
            return Ok(Self {
                parts: vec![EmbeddingsPart::parse(table.into(), folder)?],
            });
        }
        let mut part = |key: &str| {
            let part = table
                .remove(key)
                .map(|value| EmbeddingsPart::parse(value, folder))
                .transpose();
            part.map_err(|reason| format!("`{key}`: {reason}"))
        };
        let (text, image) = (part("text")?, part("image")?);
        for (key, part, wanted) in [("text", &text, false), ("image", &image, true)] {
            if let Some(EmbeddingsPart::Encoder { images, .. }) = part
                && *images != wanted
            {
                return Err(format!(
                    "`{key}` has an encoder that does not read the {key}"
                ));
            }
        }
        let used = match table.remove("use") {
            None => None,
            Some(value) => Some(
                value
                    .try_into::<Use>()
                    .map_err(|error| format!("`use`: {}", error.message()))?,
            ),
        };
        if let Some(key) = table.keys().next() {
            return Err(format!(
                "unknown key `{key}` beside `text` and `image`: expected `use`"
            ));
        }
        let parts = match (used, text, image) {
            (Some(Use::Text), Some(text), _) | (None, Some(text), None) => vec![text],
            (Some(Use::Image), _, Some(image)) | (None, None, Some(image)) => vec![image],
            (Some(Use::Both) | None, Some(text), Some(image)) => vec![text, image],
            _ => return Err("`use` asks for a part that is not given".into()),
        };
        Ok(Self { parts })
    }
}

impl EmbeddingsPart {
    fn parse(value: toml::Value, folder: &Path) -> Result<Self, String> {
        let toml::Value::Table(mut table) = value else {
            return Err("must be a table with `file` or `encoder`".into());
        };
        match (table.remove("file"), table.contains_key("encoder")) {
            (Some(toml::Value::String(file)), false) => match table.keys().next() {
                None => Ok(Self::File(resolve_path(folder, file.as_ref()))),
                Some(key) => Err(format!("`file` takes no other key, but `{key}` is given")),
            },
            (Some(_), false) => Err("`file` must be a path".into()),
            (None, true) => {
                let (info, spec) = encoders::read(table, folder)
                    .map_err(|reason| format!("{reason}; see docs/encoders.md"))?;
                Ok(Self::Encoder {
                    spec: spec.into(),
                    images: info.images,
                })
            }
            _ => Err("needs exactly one of `file` and `encoder`".into()),
        }
    }
}
