//! A drawing as SVG. Texts become outlines, so that no viewer needs the font.

use std::fmt::Write;

use crate::canvas::{Ink, Mark, Words};
use crate::palette::hex;
use crate::style::UNITS_PER_INCH;
use crate::text::{self, Step};

/// One `<svg>` element without ids, styles or references: any number of them can stand in one page.
pub(crate) fn write(marks: &[Mark], (width, height): (i32, i32), title: &str) -> String {
    let mut out = String::new();
    let inches = |units: i32| f64::from(units) / f64::from(UNITS_PER_INCH);
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}in\" height=\"{:.4}in\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-label=\"{}\" fill=\"none\" stroke-linejoin=\"round\">",
        inches(width),
        inches(height),
        escape(title)
    );
    let mut open: Option<(Ink, u32)> = None;
    for mark in marks {
        if let Mark::Stroke { points, ink, width } = mark {
            // Neighbours of one look become one path; where ink is translucent that would change how they add up.
            if open != Some((*ink, *width)) || ink.alpha < 1.0 {
                if open.is_some() {
                    out.push_str("\"/>\n");
                }
                let _ = write!(
                    out,
                    "<path stroke=\"{}\" stroke-width=\"{width}\"{} d=\"",
                    hex(ink.rgb),
                    alpha("stroke", ink)
                );
                open = Some((*ink, *width));
            }
            polyline(&mut out, points);
            continue;
        }
        if open.take().is_some() {
            out.push_str("\"/>\n");
        }
        let _ = match mark {
            Mark::Stroke { .. } => Ok(()),
            Mark::Fill { points, ink } => {
                let _ = write!(
                    out,
                    "<path fill=\"{}\"{} d=\"",
                    hex(ink.rgb),
                    alpha("fill", ink)
                );
                polyline(&mut out, points);
                writeln!(out, "z\"/>")
            }
            Mark::Disc {
                centre: (x, y),
                radius,
                ink,
            } => {
                writeln!(
                    out,
                    "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"{}\"{}/>",
                    hex(ink.rgb),
                    alpha("fill", ink)
                )
            }
            Mark::Ring {
                centre: (x, y),
                radius,
                ink,
                width,
            } => writeln!(
                out,
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" stroke=\"{}\" stroke-width=\"{width}\"{}/>",
                hex(ink.rgb),
                alpha("stroke", ink)
            ),
            Mark::Text(words) => {
                letters(&mut out, words);
                Ok(())
            }
        };
    }
    if open.is_some() {
        out.push_str("\"/>\n");
    }
    out.push_str("</svg>\n");
    out
}

fn polyline(out: &mut String, points: &[(i32, i32)]) {
    let mut last: Option<(i32, i32)> = None;
    for &(x, y) in points {
        let _ = match last {
            None => write!(out, "M{x} {y}"),
            Some((_, b)) if b == y => write!(out, "h{}", x - last.map_or(0, |p| p.0)),
            Some((a, _)) if a == x => write!(out, "v{}", y - last.map_or(0, |p| p.1)),
            Some((a, b)) => write!(out, "l{} {}", x - a, y - b),
        };
        last = Some((x, y));
    }
}

/// Outlines on a grid of 4/1000 em: a quarter of a pixel for 7-point text at 600 dots per inch.
const LETTER_GRID: f32 = 4.0;

fn letters(out: &mut String, words: &Words) {
    let (x, y) = words.at;
    let scale = f64::from(words.size) * f64::from(LETTER_GRID) / 1000.0;
    let turn = if words.upright { "rotate(-90)" } else { "" };
    let _ = write!(
        out,
        "<path role=\"img\" aria-label=\"{}\" fill=\"{}\" transform=\"translate({x} {y}){turn}scale({scale})\" d=\"",
        escape(&words.text),
        hex(words.ink.rgb)
    );
    let grid = |(x, y): (f32, f32)| {
        (
            (x / LETTER_GRID).round() as i32,
            (y / LETTER_GRID).round() as i32,
        )
    };
    let (mut pen, mut start) = ((0, 0), (0, 0));
    for step in text::outline(&words.text, words.weight) {
        let from = |p: (f32, f32)| {
            let (x, y) = grid(p);
            (x - pen.0, y - pen.1)
        };
        match step {
            Step::Move(p) => {
                let (dx, dy) = from(p);
                // After a close the pen is back at the start of the last outline, which is where `pen` points.
                let _ = write!(out, "m{dx} {dy}");
                pen = grid(p);
                start = pen;
            }
            Step::Line(p) => {
                let _ = match from(p) {
                    (dx, 0) => write!(out, "h{dx}"),
                    (0, dy) => write!(out, "v{dy}"),
                    (dx, dy) => write!(out, "l{dx} {dy}"),
                };
                pen = grid(p);
            }
            Step::Quad(a, p) => {
                let (a, d) = (from(a), from(p));
                let _ = write!(out, "q{} {} {} {}", a.0, a.1, d.0, d.1);
                pen = grid(p);
            }
            Step::Cubic(a, b, p) => {
                let (a, b, d) = (from(a), from(b), from(p));
                let _ = write!(out, "c{} {} {} {} {} {}", a.0, a.1, b.0, b.1, d.0, d.1);
                pen = grid(p);
            }
            Step::Close => {
                out.push('z');
                pen = start;
            }
        }
    }
    out.push_str("\"/>\n");
}

fn alpha(what: &str, ink: &Ink) -> String {
    if ink.alpha < 1.0 {
        format!(" {what}-opacity=\"{}\"", ink.alpha)
    } else {
        String::new()
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Not characters of XML 1.0.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
