//! `[embeddings]`: what routers see of a query.

use std::path::{Path, PathBuf};

use routelab_data::resolve_path;
use routelab_encode::{HashedConfig, MissingImage};
use serde::{Deserialize, Serialize};

/// An encoder, by its name in experiment files and on the command line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "encoder", rename_all = "kebab-case", deny_unknown_fields)]
pub enum EncoderSpec {
    /// all-MiniLM-L6-v2.
    Minilm {
        /// Folder of the weights.
        weights: PathBuf,
        /// Whether long prompts are cut at their beginning.
        #[serde(default)]
        keep_end: bool,
    },
    /// Hashed n-grams, fitted on the training prompts of every split.
    HashedNgrams {
        /// Its settings.
        #[serde(default)]
        settings: HashedConfig,
    },
    /// The text tower of a CLIP.
    ClipText {
        /// Folder of the weights.
        weights: PathBuf,
    },
    /// The image tower of a CLIP.
    ClipImage {
        /// Folder of the weights.
        weights: PathBuf,
        /// What a query without an image gets.
        #[serde(default)]
        missing_image: MissingImage,
    },
    /// Colour and gradient statistics.
    ImageStatistics {
        /// What a query without an image gets.
        #[serde(default)]
        missing_image: MissingImage,
    },
}

/// A part of the embedding.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// A file with the embedding of every query.
    File(PathBuf),
    /// Computed now.
    Encoder(EncoderSpec),
}

/// Parts that stand side by side in the embedding, at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingsSpec {
    /// In their order, with paths that can be opened.
    pub parts: Vec<Part>,
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
                parts: vec![Part::parse(table.into(), folder)?],
            });
        }
        let mut part = |key: &str| {
            let part = table
                .remove(key)
                .map(|value| Part::parse(value, folder))
                .transpose();
            part.map_err(|reason| format!("`{key}`: {reason}"))
        };
        let (text, image) = (part("text")?, part("image")?);
        for (key, part, images) in [("text", &text, false), ("image", &image, true)] {
            if let Some(Part::Encoder(encoder)) = part
                && encoder.uses_images() != images
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

impl Part {
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
                let mut encoder: EncoderSpec =
                    toml::Value::from(table)
                        .try_into()
                        .map_err(|error: toml::de::Error| {
                            format!("{}; see docs/encoders.md", error.message())
                        })?;
                encoder.resolve(folder)?;
                Ok(Self::Encoder(encoder))
            }
            _ => Err("needs exactly one of `file` and `encoder`".into()),
        }
    }
}

impl EncoderSpec {
    /// Whether it reads the queries' images, and not their prompts.
    pub fn uses_images(&self) -> bool {
        match self {
            Self::Minilm { .. } | Self::HashedNgrams { .. } | Self::ClipText { .. } => false,
            Self::ClipImage { .. } | Self::ImageStatistics { .. } => true,
        }
    }

    fn resolve(&mut self, folder: &Path) -> Result<(), String> {
        match self {
            Self::Minilm { weights, .. }
            | Self::ClipText { weights }
            | Self::ClipImage { weights, .. } => *weights = resolve_path(folder, weights),
            Self::HashedNgrams { settings } => {
                settings.validate().map_err(|error| error.to_string())?;
            }
            Self::ImageStatistics { .. } => {}
        }
        Ok(())
    }
}
