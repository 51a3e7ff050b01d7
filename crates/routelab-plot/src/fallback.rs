//! Fonts for what the embedded one lacks: those of this machine, or of the files and folders that `ROUTELAB_FONTS` names.
//!
//! They are looked for when a text needs them, so that a figure with Latin names is the same on every machine.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

use fontdb::{Database, FaceInfo, ID, Style};
use rustybuzz::UnicodeBuffer;
use rustybuzz::ttf_parser::{self, GlyphId, OutlineBuilder};

use crate::glyph::{Step, Weight};

/// The variable that names fonts to take instead of the machine's: files and folders, divided as in `PATH`.
const VARIABLE: &str = "ROUTELAB_FONTS";

static DATABASE: LazyLock<Database> = LazyLock::new(|| {
    let mut database = Database::new();
    match std::env::var_os(VARIABLE) {
        None => database.load_system_fonts(),
        Some(paths) => {
            for path in std::env::split_paths(&paths).filter(|path| !path.as_os_str().is_empty()) {
                load(&mut database, &path);
            }
        }
    }
    database
});

fn load(database: &mut Database, path: &Path) {
    if path.is_dir() {
        database.load_fonts_dir(path);
    } else {
        // A file that is no font has no glyphs, which the figure's note says.
        let _ = database.load_font_file(path);
    }
}

/// A font of this machine that a figure uses; kept as long as the program runs.
pub(crate) struct Face {
    face: rustybuzz::Face<'static>,
}

/// A glyph in its place: the pen's, from the start of its text, in thousandths of an em.
struct Placed {
    glyph: GlyphId,
    at: (f32, f32),
}

impl Face {
    /// Whether there is something to see of a character.
    fn shows(&self, c: char) -> bool {
        shows(&self.face, c)
    }

    fn scale(&self) -> f32 {
        1000.0 / self.face.units_per_em() as f32
    }

    /// Letters joined and ordered as their script asks for, from left to right, and the width of all.
    fn shape(&self, text: &str) -> (Vec<Placed>, f32) {
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        let shaped = rustybuzz::shape(&self.face, &[], buffer);
        let scale = self.scale();
        let mut pen = 0.0;
        let infos = shaped.glyph_infos().iter();
        let placed = infos.zip(shaped.glyph_positions()).map(|(info, position)| {
            let at = (
                pen + position.x_offset as f32 * scale,
                -(position.y_offset as f32) * scale,
            );
            pen += position.x_advance as f32 * scale;
            Placed {
                glyph: GlyphId(info.glyph_id as u16),
                at,
            }
        });
        let placed = placed.collect();
        (placed, pen)
    }

    /// Width of a text, in thousandths of an em.
    pub fn width(&self, text: &str) -> f32 {
        self.shape(text).1
    }

    /// The outlines of a text that starts at `start`, and where it ends, in thousandths of an em.
    pub fn outline(&self, text: &str, start: f32, steps: &mut Vec<Step>) -> f32 {
        let (placed, width) = self.shape(text);
        for Placed { glyph, at } in placed {
            let mut pen = Pen {
                steps,
                at: (start + at.0, at.1),
                scale: self.scale(),
            };
            self.face.outline_glyph(glyph, &mut pen);
        }
        start + width
    }
}

fn shows(face: &ttf_parser::Face, c: char) -> bool {
    struct Nothing;
    impl OutlineBuilder for Nothing {
        fn move_to(&mut self, _: f32, _: f32) {}
        fn line_to(&mut self, _: f32, _: f32) {}
        fn quad_to(&mut self, _: f32, _: f32, _: f32, _: f32) {}
        fn curve_to(&mut self, _: f32, _: f32, _: f32, _: f32, _: f32, _: f32) {}
        fn close(&mut self) {}
    }
    // Fonts of coloured pictures have glyphs without outlines.
    face.glyph_index(c).is_some_and(|glyph| {
        glyph.0 != 0 && (c.is_whitespace() || face.outline_glyph(glyph, &mut Nothing).is_some())
    })
}

/// Takes outlines from a font to the place of their text.
struct Pen<'a> {
    steps: &'a mut Vec<Step>,
    at: (f32, f32),
    scale: f32,
}

impl Pen<'_> {
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        (self.at.0 + x * self.scale, self.at.1 - y * self.scale)
    }
}

impl OutlineBuilder for Pen<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        self.steps.push(Step::Move(self.place(x, y)));
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.steps.push(Step::Line(self.place(x, y)));
    }

    fn quad_to(&mut self, a: f32, b: f32, x: f32, y: f32) {
        let step = Step::Quad(self.place(a, b), self.place(x, y));
        self.steps.push(step);
    }

    fn curve_to(&mut self, a: f32, b: f32, c: f32, d: f32, x: f32, y: f32) {
        let step = Step::Cubic(self.place(a, b), self.place(c, d), self.place(x, y));
        self.steps.push(step);
    }

    fn close(&mut self) {
        self.steps.push(Step::Close);
    }
}

/// The fonts of the characters of a text that the embedded font lacks; none for those that no font has.
pub(crate) type Fonts = HashMap<char, Option<&'static Face>>;

/// Finds fonts for characters: as few as possible, of the sort of the embedded one where there is a choice.
pub(crate) fn fonts(characters: &BTreeSet<char>, weight: Weight) -> &'static Fonts {
    type Found = HashMap<(Vec<char>, bool), &'static Fonts>;
    static FOUND: LazyLock<Mutex<Found>> = LazyLock::new(Mutex::default);
    let key = (
        characters.iter().copied().collect(),
        weight == Weight::SemiBold,
    );
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    found
        .entry(key)
        // A figure has some dozens of names; they are looked up many times while it is laid out.
        .or_insert_with(|| Box::leak(Box::new(find(characters, weight))))
}

fn find(characters: &BTreeSet<char>, weight: Weight) -> Fonts {
    let mut fonts: Fonts = characters.iter().map(|&c| (c, None)).collect();
    let mut open = characters.clone();
    let mut faces: Vec<&FaceInfo> = DATABASE.faces().collect();
    faces.sort_by_cached_key(|face| rank(face, characters, weight));
    while !open.is_empty() {
        let shown = |face: &&&FaceInfo| -> usize {
            let count = |data: &[u8], index| -> usize {
                ttf_parser::Face::parse(data, index)
                    .map_or(0, |face| open.iter().filter(|&&c| shows(&face, c)).count())
            };
            DATABASE.with_face_data(face.id, count).unwrap_or(0)
        };
        let mut best: Option<(usize, &FaceInfo)> = None;
        for face in &faces {
            let count = shown(&face);
            if count > best.map_or(0, |(most, _)| most) {
                best = Some((count, face));
            }
            if count == open.len() {
                break;
            }
        }
        let Some(face) = best.and_then(|(_, face)| opened(face.id)) else {
            return fonts;
        };
        let before = open.len();
        open.retain(|&c| {
            let shows = face.shows(c);
            if shows {
                fonts.insert(c, Some(face));
            }
            !shows
        });
        if open.len() == before {
            return fonts;
        }
    }
    fonts
}

/// Which font is tried first: upright, sans serif, of the weight, of the country that the letters suggest; then by name, so that
/// the same machine always takes the same one.
fn rank(face: &FaceInfo, characters: &BTreeSet<char>, weight: Weight) -> impl Ord + use<> {
    let family = face
        .families
        .first()
        .map_or(String::new(), |(name, _)| name.clone());
    let wanted = match weight {
        Weight::Regular => 400,
        Weight::SemiBold => 600,
    };
    let has = |range: std::ops::RangeInclusive<char>| characters.iter().any(|c| range.contains(c));
    let country = if has('\u{3040}'..='\u{30ff}') {
        " JP"
    } else if has('\u{ac00}'..='\u{d7a3}') || has('\u{1100}'..='\u{11ff}') {
        " KR"
    } else {
        " SC"
    };
    let elsewhere = [" JP", " KR", " SC", " TC", " HK"]
        .iter()
        .any(|end| *end != country && family.ends_with(end));
    let odd = ["Mono", "Serif", "Condensed", "Emoji", "Math"]
        .iter()
        .any(|word| family.contains(word));
    (
        face.style != Style::Normal,
        odd || face.stretch != fontdb::Stretch::Normal,
        elsewhere,
        face.weight.0.abs_diff(wanted),
        family,
        face.post_script_name.clone(),
    )
}

/// A font, read once.
fn opened(id: ID) -> Option<&'static Face> {
    static OPENED: LazyLock<Mutex<HashMap<ID, Option<&'static Face>>>> =
        LazyLock::new(Mutex::default);
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    *opened.entry(id).or_insert_with(|| {
        let (data, index) = DATABASE.with_face_data(id, |data, index| (data.to_vec(), index))?;
        let face = rustybuzz::Face::from_slice(Box::leak(data.into_boxed_slice()), index)?;
        Some(Box::leak(Box::new(Face { face })))
    })
}
