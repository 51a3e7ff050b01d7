//! A drawing as PNG.

use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, Transform,
};

use crate::PlotError;
use crate::canvas::{Ink, Mark, Words};
use crate::style::UNITS_PER_INCH;
use crate::text::{self, Step};

/// Draws marks on a sheet of `size` grid units at a resolution, as an RGB PNG that states its resolution.
pub(crate) fn png(marks: &[Mark], size: (i32, i32), dpi: u32) -> Result<Vec<u8>, PlotError> {
    let pixels =
        |units: i32| (f64::from(units) * f64::from(dpi) / f64::from(UNITS_PER_INCH)).round() as u32;
    let (width, height) = (pixels(size.0), pixels(size.1));
    let failed = |reason: String| PlotError::Raster {
        width,
        height,
        reason,
    };
    let mut sheet =
        Pixmap::new(width, height).ok_or_else(|| failed("it does not fit into memory".into()))?;
    sheet.fill(Color::WHITE);
    let scale = dpi as f32 / UNITS_PER_INCH as f32;
    for mark in marks {
        draw(&mut sheet, mark, Transform::from_scale(scale, scale));
    }
    // The sheet was filled with opaque white, so that alpha is 255 everywhere and colours are not premultiplied.
    let rgb: Vec<u8> = sheet
        .data()
        .chunks_exact(4)
        .flat_map(|p| [p[0], p[1], p[2]])
        .collect();

    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let per_metre = (f64::from(dpi) / 0.0254).round() as u32;
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: per_metre,
        yppu: per_metre,
        unit: png::Unit::Meter,
    }));
    let mut writer = encoder.write_header().map_err(|e| failed(e.to_string()))?;
    writer
        .write_image_data(&rgb)
        .map_err(|e| failed(e.to_string()))?;
    writer.finish().map_err(|e| failed(e.to_string()))?;
    Ok(bytes)
}

fn draw(sheet: &mut Pixmap, mark: &Mark, to_pixels: Transform) {
    let fill = |sheet: &mut Pixmap, path: Option<Path>, ink: &Ink, transform: Transform| {
        // A path without extent has nothing to fill, and is None.
        if let Some(path) = path {
            sheet.fill_path(&path, &paint(ink), FillRule::Winding, transform, None);
        }
    };
    let stroke = |sheet: &mut Pixmap, path: Option<Path>, ink: &Ink, width: u32| {
        if let Some(path) = path {
            let stroke = Stroke {
                width: width as f32,
                line_join: LineJoin::Round,
                line_cap: LineCap::Butt,
                ..Stroke::default()
            };
            sheet.stroke_path(&path, &paint(ink), &stroke, to_pixels, None);
        }
    };
    let circle = |(x, y): (i32, i32), radius: u32| {
        PathBuilder::from_circle(x as f32, y as f32, radius as f32)
    };
    match mark {
        Mark::Stroke { points, ink, width } => stroke(sheet, polyline(points, false), ink, *width),
        Mark::Fill { points, ink } => fill(sheet, polyline(points, true), ink, to_pixels),
        Mark::Disc {
            centre,
            radius,
            ink,
        } => fill(sheet, circle(*centre, *radius), ink, to_pixels),
        Mark::Ring {
            centre,
            radius,
            ink,
            width,
        } => stroke(sheet, circle(*centre, *radius), ink, *width),
        Mark::Text(words) => fill(sheet, letters(words), &words.ink, to_pixels),
    }
}

fn paint(ink: &Ink) -> Paint<'static> {
    let (r, g, b) = ink.rgb;
    let mut paint = Paint {
        anti_alias: true,
        ..Paint::default()
    };
    paint.set_color_rgba8(r, g, b, (ink.alpha.clamp(0.0, 1.0) * 255.0).round() as u8);
    paint
}

fn polyline(points: &[(i32, i32)], close: bool) -> Option<Path> {
    let mut builder = PathBuilder::new();
    for (i, &(x, y)) in points.iter().enumerate() {
        if i == 0 {
            builder.move_to(x as f32, y as f32)
        } else {
            builder.line_to(x as f32, y as f32)
        }
    }
    if close {
        builder.close();
    }
    builder.finish()
}

fn letters(words: &Words) -> Option<Path> {
    let mut builder = PathBuilder::new();
    for step in text::outline(&words.text, words.weight) {
        match step {
            Step::Move((x, y)) => builder.move_to(x, y),
            Step::Line((x, y)) => builder.line_to(x, y),
            Step::Quad((a, b), (x, y)) => builder.quad_to(a, b, x, y),
            Step::Cubic((a, b), (c, d), (x, y)) => builder.cubic_to(a, b, c, d, x, y),
            Step::Close => builder.close(),
        }
    }
    let scale = words.size as f32 / 1000.0;
    let turn = if words.upright {
        Transform::from_rotate(-90.0)
    } else {
        Transform::identity()
    };
    let place = Transform::from_scale(scale, scale)
        .post_concat(turn)
        .post_translate(words.at.0 as f32, words.at.1 as f32);
    builder.finish()?.transform(place)
}
