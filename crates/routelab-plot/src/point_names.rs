//! Names beside points, where there is room.

use crate::PlotError;
use crate::canvas::{Anchor, Area, Canvas};
use crate::label::{self, Request};
use crate::style::{FAINT, INK, pt, size};
use crate::text::{self, Weight};

/// A point's name, with its place if there is room.
struct Named {
    name: String,
    point: (i32, i32),
    place: Option<Area>,
}

/// The names of points, with their places.
pub(crate) struct PointNames {
    names: Vec<Named>,
    /// Whether every name has a place, none lies on a line, and each is easily found from its point.
    pub clear: bool,
}

impl PointNames {
    /// Finds places for names inside a plot area, off other points, and off `lines` where that can be.
    pub fn place(names: &[(String, (i32, i32))], lines: &[Vec<(i32, i32)>], plot: Area) -> Self {
        let longest = plot.width() * 2 / 5;
        let fitted = names.iter().map(|(name, point)| {
            let name = text::fit(name, size::POINT_LABEL, Weight::Regular, longest);
            (name, *point)
        });
        let fitted: Vec<(String, (i32, i32))> = fitted.collect();
        let requests: Vec<Request> = fitted
            .iter()
            .map(|(name, point)| Request {
                point: *point,
                width: text::width(name, size::POINT_LABEL, Weight::Regular),
                height: size::POINT_LABEL,
            })
            .collect();
        let inside = Area {
            left: plot.left + pt(2.0),
            bottom: plot.bottom - pt(2.0),
            ..plot
        };
        let places = label::place(&requests, lines, inside);
        let clear = places
            .iter()
            .zip(&requests)
            .all(|(place, r)| place.is_some_and(|area| label::is_clear(r.point, area, lines)));
        let named = fitted.into_iter().zip(places);
        PointNames {
            names: named
                .map(|((name, point), place)| Named { name, point, place })
                .collect(),
            clear,
        }
    }

    /// The names that have no place.
    pub fn missing(&self) -> Vec<&str> {
        let without = self.names.iter().filter(|named| named.place.is_none());
        without.map(|named| named.name.as_str()).collect()
    }

    /// Writes the names, with lines to points that are not near.
    pub fn draw(&self, canvas: &Canvas) -> Result<(), PlotError> {
        for Named { name, point, place } in &self.names {
            let Some(area) = *place else { continue };
            if let Some(leader) = label::leader(*point, area) {
                canvas.stroke(&leader, FAINT, pt(0.4))?;
            }
            let at = (area.left, (area.top + area.bottom) / 2);
            canvas.text(
                name,
                at,
                Anchor::Left,
                size::POINT_LABEL,
                Weight::Regular,
                INK,
            )?;
        }
        Ok(())
    }
}
