//! Prompts and images to embeddings.
//!
//! An [`Encoder`] turns queries into vectors. Burn networks with published weights: [`MiniLm`] for text, [`ClipTextEncoder`]
//! and [`ClipImage`] for text and images. Without any weights: [`HashedNgrams`] and [`ImageStatistics`]. [`Concat`] puts
//! several side by side, [`CachedEncoder`] remembers on disk what any of them computed, and [`embed_table`] runs one over
//! a whole [`RoutingTable`](routelab_data::RoutingTable).
//!
//! ```
//! use routelab_encode::{Encoder, HashedConfig, HashedNgrams, Query};
//!
//! let training = ["Add 3 and 4.", "Add 5 and 9.", "Name a red planet."];
//! let encoder = HashedNgrams::fit(&training, &HashedConfig { dim: 512, ..HashedConfig::default() })?;
//! let embeddings = encoder.encode(&[Query::text("Add 7 and 2."), Query::text("Add 8 and 1."), Query::text("Name a planet.")])?;
//! assert_eq!(embeddings.dim(), (3, 512));
//! let nearness = |a: usize, b: usize| embeddings.row(a).dot(&embeddings.row(b));
//! assert!(nearness(0, 1) > nearness(0, 2));
//! # Ok::<(), routelab_encode::EncodeError>(())
//! ```

mod cache;
#[cfg(feature = "cubecl")]
mod card;
mod clip;
mod concat;
#[cfg(feature = "cubecl")]
mod cube;
mod device;
mod error;
mod image;
mod kernels;
mod norm;
mod sequences;
mod table;
mod text;
mod transformer;
mod weights;

use std::path::Path;

use ndarray::Array2;

pub use cache::{Cache, CacheReport, CachedEncoder, user_folder};
pub use concat::{Concat, side_by_side};
pub use error::EncodeError;
pub use image::{ClipImage, ClipVision, ImageStatistics, MissingImage, clip_pixels};
pub use table::{embed_queries, embed_table};
pub use text::{ClipText, ClipTextEncoder, HashedConfig, HashedNgrams, MAX_TOKENS, MiniLm};

/// What a router is asked: a prompt, and an image if the task has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// The prompt.
    pub text: &'a str,
    /// The image's file.
    pub image: Option<&'a Path>,
}

impl<'a> Query<'a> {
    /// A query without an image.
    pub fn text(text: &'a str) -> Self {
        Self { text, image: None }
    }
}

/// Turns queries into vectors of one dimension.
///
/// An encoder looks at its own part of the query only: a text encoder ignores images.
pub trait Encoder: Send + Sync {
    /// Name and content hash of everything that decides the numbers: weights, settings, backend. Equal ids mean equal
    /// embeddings, so the id is the key of the cache.
    fn id(&self) -> String;

    /// Dimension `D` of the embeddings.
    fn dim(&self) -> usize;

    /// Whether the embeddings depend on the queries' images. Default: no.
    fn uses_images(&self) -> bool {
        false
    }

    /// Embeddings of `queries` in their order, `N × D`, finite.
    ///
    /// A query's embedding does not depend on the others beyond the backend's rounding.
    ///
    /// # Errors
    ///
    /// [`EncodeError::AtQuery`] where one query is at fault; any other variant where the encoder or its backend is.
    fn encode(&self, queries: &[Query]) -> Result<Array2<f32>, EncodeError>;
}

/// Scales a vector to Euclidean length 1; a vector of zeros stays as it is.
pub(crate) fn normalise(vector: &mut [f32]) {
    let norm = vector
        .iter()
        .map(|&v| f64::from(v).powi(2))
        .sum::<f64>()
        .sqrt();
    if norm > 0.0 {
        vector
            .iter_mut()
            .for_each(|v| *v = (f64::from(*v) / norm) as f32);
    }
}
