//! A drawing as a PDF of one page, with the glyphs that it needs embedded, so that its words can be searched.

use std::collections::BTreeMap;

use pdf_writer::types::{
    CidFontType, FontFlags, LineCapStyle, LineJoinStyle, SystemInfo, UnicodeCmap,
};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};
use subsetter::GlyphRemapper;

use crate::PlotError;
use crate::canvas::{Ink, Mark, Words};
use crate::text::{self, Weight};

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
        fonts[known].add(&words.text);
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

fn deflated(bytes: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(bytes, 9)
}

fn font_name(index: usize) -> String {
    format!("F{index}")
}

fn state_name(index: usize) -> String {
    format!("A{index}")
}

/// The glyphs of one cut that the drawing needs.
struct Face {
    weight: Weight,
    glyphs: GlyphRemapper,
    /// By the number in the file: width in thousandths of an em, and the character if the font has it.
    used: BTreeMap<u16, (f32, Option<char>)>,
}

impl Face {
    fn new(weight: Weight) -> Face {
        let (_, box_width) = text::glyph('\u{0}', weight);
        Face {
            weight,
            glyphs: GlyphRemapper::new(),
            used: BTreeMap::from([(0, (box_width, None))]),
        }
    }

    fn add(&mut self, text: &str) {
        for c in text.chars() {
            let (glyph, width) = text::glyph(c, self.weight);
            let new = self.glyphs.remap(glyph);
            // Number 0 is the box of every unknown character, and stands for none of them.
            self.used.insert(new, (width, (glyph != 0).then_some(c)));
        }
    }

    /// The numbers of a text's glyphs in the embedded font, two bytes each.
    fn encode(&self, text: &str) -> Vec<u8> {
        text.chars()
            .flat_map(|c| {
                let (glyph, _) = text::glyph(c, self.weight);
                self.glyphs.get(glyph).unwrap_or(0).to_be_bytes()
            })
            .collect()
    }

    fn write(
        &self,
        pdf: &mut Pdf,
        id: Ref,
        reference: &mut impl FnMut() -> Ref,
    ) -> Result<(), PlotError> {
        let [cid, descriptor, unicode, file] = [(); 4].map(|()| reference());
        let system = SystemInfo {
            registry: Str(b"Adobe"),
            ordering: Str(b"Identity"),
            supplement: 0,
        };
        let name = self.name();
        let name = Name(name.as_bytes());
        pdf.type0_font(id)
            .base_font(name)
            .encoding_predefined(Name(b"Identity-H"))
            .descendant_font(cid)
            .to_unicode(unicode);
        let mut font = pdf.cid_font(cid);
        font.subtype(CidFontType::Type0)
            .base_font(name)
            .system_info(system)
            .font_descriptor(descriptor)
            .default_width(0.0);
        font.widths()
            .consecutive(0, self.used.values().map(|&(width, _)| width));
        font.finish();

        let (ascent, descent) = text::reach(self.weight);
        pdf.font_descriptor(descriptor)
            .name(name)
            .flags(FontFlags::NON_SYMBOLIC)
            .bbox(Rect::new(-1000.0, descent, 3000.0, ascent))
            .italic_angle(0.0)
            .ascent(ascent)
            .descent(descent)
            .cap_height(text::CAP_HEIGHT as f32 * 1000.0)
            .stem_v(match self.weight {
                Weight::Regular => 95.0,
                Weight::SemiBold => 140.0,
            })
            .font_file3(file);

        let mut map = UnicodeCmap::new(Name(b"Custom"), system);
        for (&glyph, &(_, c)) in &self.used {
            if let Some(c) = c {
                map.pair(glyph, c);
            }
        }
        pdf.stream(unicode, map.finish().as_slice());

        let subset = subsetter::subset(text::file(self.weight), 0, &self.glyphs)
            .map_err(|error| PlotError::Pdf(error.to_string()))?;
        let outlines = table(&subset, *b"CFF ")
            .ok_or_else(|| PlotError::Pdf("the subset of the font has no outlines".into()))?;
        let outlines = deflated(outlines);
        let mut stream = pdf.stream(file, &outlines);
        stream.filter(Filter::FlateDecode);
        stream.pair(Name(b"Subtype"), Name(b"CIDFontType0C"));
        Ok(())
    }

    /// Six letters that depend on the glyphs stand before the name of a subset: programs that join files take two
    /// subsets of one name for the same.
    fn name(&self) -> String {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for (_, c) in self.used.values() {
            hash = (hash ^ u64::from(c.map_or(0, u32::from))).wrapping_mul(0x100_0000_01b3);
        }
        let tag: String = (0..6)
            .map(|i| char::from(b'A' + (hash / 26u64.pow(i) % 26) as u8))
            .collect();
        let cut = match self.weight {
            Weight::Regular => "Regular",
            Weight::SemiBold => "SemiBold",
        };
        format!("{tag}+Inter-{cut}")
    }
}

/// A table of an OpenType file: the header has the number of tables, then 16 bytes for each: tag, checksum, offset,
/// length.
fn table(file: &[u8], tag: [u8; 4]) -> Option<&[u8]> {
    let count = u16::from_be_bytes(file.get(4..6)?.try_into().ok()?);
    (0..usize::from(count)).find_map(|i| {
        let entry = file.get(12 + i * 16..28 + i * 16)?;
        let number = |at: usize| {
            let bytes = entry[at..at + 4].try_into().ok()?;
            usize::try_from(u32::from_be_bytes(bytes)).ok()
        };
        let (offset, length) = (number(8)?, number(12)?);
        (entry[..4] == tag).then(|| file.get(offset..offset + length))?
    })
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
        let matrix = if words.upright {
            [0.0, -1.0, -1.0, 0.0, x, y]
        } else {
            [1.0, 0.0, 0.0, -1.0, x, y]
        };
        self.content
            .begin_text()
            .set_font(Name(font_name(index).as_bytes()), words.size as f32)
            .set_text_matrix(matrix)
            .show(Str(&fonts[index].encode(&words.text)))
            .end_text();
    }
}

fn shares((r, g, b): (u8, u8, u8)) -> [f32; 3] {
    [r, g, b].map(|c| f32::from(c) / 255.0)
}
