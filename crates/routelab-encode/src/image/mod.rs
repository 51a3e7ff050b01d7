//! Encoders of the query's image.

mod clip;
mod complete;
mod load;
mod missing;
mod preprocess;
mod resample;
mod statistics;

pub use clip::{ClipImage, ClipVision};
pub use missing::MissingImage;
pub use preprocess::clip_pixels;
pub use statistics::ImageStatistics;
