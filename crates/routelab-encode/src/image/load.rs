//! Image files to pixels, with bounded memory.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use image::{ImageDecoder, ImageReader, Limits};

use super::complete::{check_complete, check_decodable};
use crate::EncodeError;

/// Largest file that is opened, in bytes.
const MAX_FILE: u64 = 64 << 20;
/// Longest side in pixels.
const MAX_SIDE: u32 = 32_768;
/// Largest decoded image in bytes: 85 million pixels of eight bits in three channels.
const MAX_DECODED: u64 = 256 << 20;
/// Decoded images above this size are decoded one at a time, so that many threads do not hold many of them.
const LARGE: u64 = 32 << 20;

static ONE_LARGE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Eight-bit RGB pixels, row-major.
pub(crate) struct Pixels {
    pub width: usize,
    pub height: usize,
    /// `height × width × 3`.
    pub rgb: Vec<u8>,
}

/// Reads the image in `path` and hands its pixels to `work`.
///
/// The format is recognised by content: PNG, JPEG, GIF, WebP or BMP. Of an animation the first frame counts. Grey becomes
/// RGB, 16 bits become 8, CMYK becomes RGB; transparency, colour profiles and the EXIF orientation are ignored, as in the
/// reference preprocessing of CLIP.
pub(crate) fn with_pixels<R>(
    path: &Path,
    work: impl FnOnce(&Pixels) -> R,
) -> Result<R, EncodeError> {
    let bad = |reason: String| EncodeError::Image {
        path: path.to_owned(),
        reason,
    };
    let io = |error| EncodeError::io(path, "read", error);
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    if length == 0 {
        return Err(bad("the image file is empty".to_owned()));
    }
    if length > MAX_FILE {
        return Err(bad(format!(
            "the file has {length} bytes; at most {MAX_FILE} are read"
        )));
    }
    // A few files a thread, each bounded: the end has to be looked at as well.
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(io)?;
    let mut reader = ImageReader::new(Cursor::new(bytes.as_slice()))
        .with_guessed_format()
        .map_err(io)?;
    let format = reader.format().ok_or_else(|| {
        bad("not an image that is recognised; expected PNG, JPEG, GIF, WebP or BMP".to_owned())
    })?;
    check_complete(format, &bytes)
        .map_err(|reason| bad(format!("{reason}; copy or download the image again")))?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODED);
    reader.limits(limits);
    let undecodable = |error: image::ImageError| {
        bad(format!(
            "cannot decode the {} image: {error}",
            format.extensions_str().first().unwrap_or(&"")
        ))
    };
    let decoder = reader.into_decoder().map_err(undecodable)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(bad(format!(
            "the image is {width} × {height} pixels; it has no content"
        )));
    }
    if width > MAX_SIDE || height > MAX_SIDE || decoder.total_bytes() > MAX_DECODED {
        return Err(bad(format!(
            "the image is {width} × {height} pixels ({} bytes when decoded); at most {MAX_SIDE} pixels a side and \
             {MAX_DECODED} bytes are decoded; scale it down",
            decoder.total_bytes()
        )));
    }
    let _guard = (decoder.total_bytes() > LARGE).then(|| {
        // The mutex guards no data that a panic elsewhere could have spoilt.
        ONE_LARGE_AT_A_TIME
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    });
    let image = image::DynamicImage::from_decoder(decoder).map_err(undecodable)?;
    check_decodable(format, &bytes)
        .map_err(|reason| bad(format!("{reason}; copy or download the image again")))?;
    Ok(work(&Pixels {
        width: width as usize,
        height: height as usize,
        rgb: image.into_rgb8().into_raw(),
    }))
}
