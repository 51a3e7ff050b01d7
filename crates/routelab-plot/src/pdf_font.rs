//! The glyphs that a PDF embeds.

use std::collections::BTreeMap;

use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Filter, Finish, Name, Pdf, Rect, Ref, Str};
use subsetter::GlyphRemapper;

use crate::PlotError;
use crate::text::{self, Weight};

/// The glyphs of one cut that the drawing needs.
pub(crate) struct Face {
    pub weight: Weight,
    glyphs: GlyphRemapper,
    /// By the number in the file: width in thousandths of an em, and the character if the font has it.
    used: BTreeMap<u16, (f32, Option<char>)>,
}

impl Face {
    pub fn new(weight: Weight) -> Face {
        let (_, box_width) = text::glyph('\u{0}', weight);
        Face {
            weight,
            glyphs: GlyphRemapper::new(),
            used: BTreeMap::from([(0, (box_width, None))]),
        }
    }

    pub fn add(&mut self, text: &str) {
        for c in text.chars() {
            let (glyph, width) = text::glyph(c, self.weight);
            let new = self.glyphs.remap(glyph);
            // Number 0 is the box of every unknown character, and stands for none of them.
            self.used.insert(new, (width, (glyph != 0).then_some(c)));
        }
    }

    /// The numbers of a text's glyphs in the embedded font, two bytes each.
    pub fn encode(&self, text: &str) -> Vec<u8> {
        text.chars()
            .flat_map(|c| {
                let (glyph, _) = text::glyph(c, self.weight);
                self.glyphs.get(glyph).unwrap_or(0).to_be_bytes()
            })
            .collect()
    }

    pub fn write(
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

/// Bytes compressed as a stream of a PDF.
pub(crate) fn deflated(bytes: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(bytes, 9)
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
