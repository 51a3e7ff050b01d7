//! Whether an image file is whole. Decoders are lenient: they fill what is missing with grey, or do not look for the end.

use image::ImageFormat;
use zune_core::bytestream::ZCursor;
use zune_core::options::DecoderOptions;

const CUT_OFF: &str = "the image is cut off: its file ends before the image does";

/// Follows the structure of the file to its end.
pub(super) fn check_complete(format: ImageFormat, bytes: &[u8]) -> Result<(), String> {
    let whole = match format {
        ImageFormat::Png => png_ends(bytes),
        ImageFormat::Jpeg => jpeg_ends(bytes),
        ImageFormat::Gif => gif_ends(bytes),
        ImageFormat::WebP => webp_ends(bytes),
        // BMP has no end of its own; its decoder wants every row.
        _ => Some(()),
    };
    whole.ok_or_else(|| CUT_OFF.to_owned())
}

/// Decodes a JPEG once more, strictly: the decoder that makes the pixels says nothing about data that is missing between the
/// beginning and the end. The decoders of the other formats do.
pub(super) fn check_decodable(format: ImageFormat, bytes: &[u8]) -> Result<(), String> {
    if format != ImageFormat::Jpeg {
        return Ok(());
    }
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX);
    // Nothing stands between the end of the image and that of the data.
    let image = &bytes[..jpeg_end(bytes).unwrap_or(bytes.len())];
    zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(image), options)
        .decode()
        .map(|_| ())
        .map_err(|error| format!("image data is missing or damaged ({error})"))
}

/// PNG: chunks of length, name, content and checksum up to `IEND`.
fn png_ends(bytes: &[u8]) -> Option<()> {
    let mut at = 8;
    loop {
        let length = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize;
        let name = bytes.get(at + 4..at + 8)?;
        at = at.checked_add(12)?.checked_add(length)?;
        bytes.get(..at)?;
        if name == b"IEND" {
            return Some(());
        }
    }
}

fn jpeg_ends(bytes: &[u8]) -> Option<()> {
    jpeg_end(bytes).map(|_| ())
}

/// JPEG: markers, most of which have a length; coded data after a start of scan, up to the next marker; the end of image.
/// Where the file goes on after it.
fn jpeg_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        // What is no marker is coded data, in which 0xff is followed by 0 or by a restart marker.
        while *bytes.get(at)? != 0xff {
            at += 1;
        }
        match *bytes.get(at + 1)? {
            0xff => at += 1,
            0 | 0x01 | 0xd0..=0xd8 => at += 2,
            0xd9 => return Some(at + 2),
            _ => {
                let length = u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]);
                at = at + 2 + usize::from(length.max(2));
            }
        }
    }
}

/// GIF: colours, then blocks of pieces that each say their length, up to the trailer. What follows the first image does not
/// count, since it is the one that is used.
fn gif_ends(bytes: &[u8]) -> Option<()> {
    let colours = |flags: u8| match flags & 0x80 {
        0 => 0,
        _ => 3 << ((flags & 7) + 1),
    };
    let mut at = 13 + colours(*bytes.get(10)?);
    loop {
        let image = match *bytes.get(at)? {
            b'!' => {
                at += 2;
                false
            }
            b',' => {
                at += 11 + colours(*bytes.get(at + 9)?);
                true
            }
            // The trailer, or what is no GIF, about which the decoder knows more.
            _ => return Some(()),
        };
        loop {
            let length = usize::from(*bytes.get(at)?);
            at += 1 + length;
            if length == 0 {
                break;
            }
        }
        if image {
            return Some(());
        }
    }
}

/// WebP: the length of the file stands at its beginning.
fn webp_ends(bytes: &[u8]) -> Option<()> {
    let length = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?) as usize;
    bytes.get(..length.checked_add(8)?).map(|_| ())
}
