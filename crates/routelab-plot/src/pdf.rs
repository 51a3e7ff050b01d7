//! A drawing as a PDF of one page, with the glyphs that it needs embedded, so that its words can be searched.

use pdf_writer::types::{LineCapStyle, LineJoinStyle};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

use crate::PlotError;
use crate::canvas::{Ink, Mark, Words};
use crate::pdf_font::{Face, deflated};
use crate::text::{self, Part, Step};

const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const PAGE: Ref = Ref::new(3);
const CONTENT: Ref = Ref::new(4);
const INFO: Ref = Ref::new(5);
/// The first number that has no fixed meaning.
const FREE: i32 = 6;

/// One page of `size` grid units. Holds no date, so that equal drawings give equal bytes.
pub(crate) fn write(marks: &[Mark], size: (i32, i32), title: &str) -> Result<Vec<u8>, PlotError> {
    let (width, height) = (size.0 as f32 / 20.0, size.1 as f32 / 20.0);
    let mut fonts: Vec<Face> = Vec::new();
    for mark in marks {
        let Mark::Text(words) = mark else { continue };
        let known = fonts.iter().position(|face| face.weight == words.weight);
        let known = known.unwrap_or_else(|| {
            fonts.push(Face::new(words.weight));
            fonts.len() - 1
        });
        for part in text::parts(&words.text, words.weight) {
            if let Part::Own(text) = part {
                fonts[known].add(text);
            }
        }
    }
    let mut page = Page::new(height);
    for mark in marks {
        page.mark(mark, &fonts);
    }

    let mut next = FREE;
    let mut reference = || {
        next += 1;
        Ref::new(next - 1)
    };
    let mut pdf = Pdf::new();
    pdf.set_version(1, 7);
    pdf.catalog(CATALOG).pages(PAGES);
    pdf.pages(PAGES).kids([PAGE]).count(1);
    let font_refs: Vec<Ref> = fonts.iter().map(|_| reference()).collect();
    let mut sheet = pdf.page(PAGE);
    sheet.media_box(Rect::new(0.0, 0.0, width, height));
    sheet.parent(PAGES).contents(CONTENT);
    let mut resources = sheet.resources();
    let mut names = resources.fonts();
    for (i, &id) in font_refs.iter().enumerate() {
        names.pair(Name(font_name(i).as_bytes()), id);
    }
    names.finish();
    let mut states = resources.ext_g_states();
    for (i, &alpha) in page.alphas.iter().enumerate() {
        let mut state = states
            .insert(Name(state_name(i).as_bytes()))
            .start::<pdf_writer::writers::ExtGraphicsState>();
        state.stroking_alpha(alpha as f32);
        state.non_stroking_alpha(alpha as f32);
    }
    states.finish();
    resources.finish();
    sheet.finish();
    let content = deflated(page.content.finish().as_slice());
    pdf.stream(CONTENT, &content).filter(Filter::FlateDecode);
    pdf.document_info(INFO)
        .title(TextStr(title))
        .creator(TextStr("RouteLab"));
    for (face, &id) in fonts.iter().zip(&font_refs) {
        face.write(&mut pdf, id, &mut reference)?;
    }
    Ok(pdf.finish())
}

fn font_name(index: usize) -> String {
    format!("F{index}")
}

fn state_name(index: usize) -> String {
    format!("A{index}")
}

/// What is drawn on the page, and what the pen is set to.
struct Page {
    content: Content,
    /// Every degree of cover that occurs.
    alphas: Vec<f64>,
    alpha: f64,
    fill: Option<(u8, u8, u8)>,
    stroke: Option<(u8, u8, u8)>,
    width: Option<u32>,
}

impl Page {
    fn new(height: f32) -> Page {
        let mut content = Content::new();
        // From grid units, down from the upper edge, to points, up from the lower.
        content.transform([0.05, 0.0, 0.0, -0.05, 0.0, height]);
        content.set_line_join(LineJoinStyle::RoundJoin);
        content.set_line_cap(LineCapStyle::ButtCap);
        Page {
            content,
            alphas: Vec::new(),
            alpha: 1.0,
            fill: None,
            stroke: None,
            width: None,
        }
    }

    fn cover(&mut self, alpha: f64) {
        if self.alpha == alpha {
            return;
        }
        self.alpha = alpha;
        let known = self.alphas.iter().position(|&a| a == alpha);
        let index = known.unwrap_or_else(|| {
            self.alphas.push(alpha);
            self.alphas.len() - 1
        });
        self.content
            .set_parameters(Name(state_name(index).as_bytes()));
    }

    fn fill_with(&mut self, ink: &Ink) {
        self.cover(ink.alpha);
        if self.fill != Some(ink.rgb) {
            let [r, g, b] = shares(ink.rgb);
            self.content.set_fill_rgb(r, g, b);
            self.fill = Some(ink.rgb);
        }
    }

    fn stroke_with(&mut self, ink: &Ink, width: u32) {
        self.cover(ink.alpha);
        if self.stroke != Some(ink.rgb) {
            let [r, g, b] = shares(ink.rgb);
            self.content.set_stroke_rgb(r, g, b);
            self.stroke = Some(ink.rgb);
        }
        if self.width != Some(width) {
            self.content.set_line_width(width as f32);
            self.width = Some(width);
        }
    }

    fn polyline(&mut self, points: &[(i32, i32)]) {
        for (i, &(x, y)) in points.iter().enumerate() {
            let (x, y) = (x as f32, y as f32);
            if i == 0 {
                self.content.move_to(x, y);
            } else {
                self.content.line_to(x, y);
            }
        }
    }

    /// A circle of four Bézier curves.
    fn circle(&mut self, (x, y): (i32, i32), radius: u32) {
        let (x, y, r) = (x as f32, y as f32, radius as f32);
        let k = r * 0.552_28;
        self.content
            .move_to(x + r, y)
            .cubic_to(x + r, y + k, x + k, y + r, x, y + r)
            .cubic_to(x - k, y + r, x - r, y + k, x - r, y)
            .cubic_to(x - r, y - k, x - k, y - r, x, y - r)
            .cubic_to(x + k, y - r, x + r, y - k, x + r, y)
            .close_path();
    }

    fn mark(&mut self, mark: &Mark, fonts: &[Face]) {
        match mark {
            Mark::Stroke { points, ink, width } => {
                self.stroke_with(ink, *width);
                self.polyline(points);
                self.content.stroke();
            }
            Mark::Fill { points, ink } => {
                self.fill_with(ink);
                self.polyline(points);
                self.content.fill_nonzero();
            }
            Mark::Disc {
                centre,
                radius,
                ink,
            } => {
                self.fill_with(ink);
                self.circle(*centre, *radius);
                self.content.fill_nonzero();
            }
            Mark::Ring {
                centre,
                radius,
                ink,
                width,
            } => {
                self.stroke_with(ink, *width);
                self.circle(*centre, *radius);
                self.content.stroke();
            }
            Mark::Text(words) => self.text(words, fonts),
        }
    }

    fn text(&mut self, words: &Words, fonts: &[Face]) {
        let Some(index) = fonts.iter().position(|face| face.weight == words.weight) else {
            return;
        };
        self.fill_with(&words.ink);
        let (x, y) = (words.at.0 as f32, words.at.1 as f32);
        let mut start = 0.0;
        for part in text::parts(&words.text, words.weight) {
            let along = start * words.size as f32;
            start += part.ems(words.weight);
            let Part::Own(text) = part else {
                self.outlines(words, &part, along);
                continue;
            };
            let matrix = if words.upright {
                [0.0, -1.0, -1.0, 0.0, x, y - along]
            } else {
                [1.0, 0.0, 0.0, -1.0, x + along, y]
            };
            self.content
                .begin_text()
                .set_font(Name(font_name(index).as_bytes()), words.size as f32)
                .set_text_matrix(matrix)
                .show(Str(&fonts[index].encode(text)))
                .end_text();
        }
    }

    /// Part of a text whose font is not embedded, as outlines that carry its words.
    fn outlines(&mut self, words: &Words, part: &Part, along: f32) {
        let mut steps = Vec::new();
        part.outline(0.0, words.weight, &mut steps);
        let scale = words.size as f32 / 1000.0;
        let (x, y) = (words.at.0 as f32, words.at.1 as f32);
        let place = |(right, down): (f32, f32)| {
            if words.upright {
                (x + down * scale, y - along - right * scale)
            } else {
                (x + along + right * scale, y + down * scale)
            }
        };
        let mut pen = (0.0, 0.0);
        for step in steps {
            match step {
                Step::Move(to) => {
                    let (x, y) = place(to);
                    self.content.move_to(x, y);
                    pen = to;
                }
                Step::Line(to) => {
                    let (x, y) = place(to);
                    self.content.line_to(x, y);
                    pen = to;
                }
                // The same curve of the next degree.
                Step::Quad(by, to) => {
                    let third = |from: f32, by: f32| from + (by - from) * 2.0 / 3.0;
                    let near = |end: (f32, f32)| place((third(end.0, by.0), third(end.1, by.1)));
                    let ((a, b), (c, d), (x, y)) = (near(pen), near(to), place(to));
                    self.content.cubic_to(a, b, c, d, x, y);
                    pen = to;
                }
                Step::Cubic(a, b, to) => {
                    let ((a, b), (c, d), (x, y)) = (place(a), place(b), place(to));
                    self.content.cubic_to(a, b, c, d, x, y);
                    pen = to;
                }
                Step::Close => {
                    self.content.close_path();
                }
            }
        }
        self.content.fill_nonzero();
    }
}

fn shares((r, g, b): (u8, u8, u8)) -> [f32; 3] {
    [r, g, b].map(|c| f32::from(c) / 255.0)
}
