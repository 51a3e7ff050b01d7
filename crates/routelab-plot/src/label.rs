//! Places for the labels of points: beside their points, on no other label, no point, and no curve if that can be.

use crate::canvas::Area;
use crate::style::pt;

/// A label to be placed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    /// The point that it belongs to.
    pub point: (i32, i32),
    pub width: i32,
    pub height: i32,
}

/// Half the side of the square around a point that no label may enter.
const POINT_ROOM: i32 = pt(3.4);
/// Space between labels.
const GAP: i32 = pt(1.2);
/// Space between a label and a curve, which may have a marker there.
const CURVE_GAP: i32 = pt(2.2);

/// Orders of placing that are tried.
const ORDERS: usize = 200;

/// Finds a box for each label inside `bounds`. `None` where there is no room that is free of labels and points.
///
/// Tries places around each point from good to bad. In the first order the labels with the fewest good places choose
/// first; then that order is shuffled many times, and the best outcome is kept. Deterministic.
pub(crate) fn place(
    requests: &[Request],
    curves: &[Vec<(i32, i32)>],
    bounds: Area,
) -> Vec<Option<Area>> {
    let candidates: Vec<Vec<Candidate>> = requests
        .iter()
        .map(|r| candidates(r, requests, curves, bounds))
        .collect();
    let good = |i: usize| candidates[i].iter().filter(|c| c.cost < CROSSING).count();
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_by_key(|&i| (good(i), i));

    let mut best: Option<(i64, Vec<Option<&Candidate>>)> = None;
    let mut random = 1u64;
    for _ in 0..ORDERS {
        let outcome = in_order(&order, &candidates);
        if best.as_ref().is_none_or(|(cost, _)| outcome.0 < *cost) {
            best = Some(outcome);
        }
        // Fisher and Yates with a linear congruential generator: the same shuffles on every machine.
        for i in (1..order.len()).rev() {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            order.swap(i, (random >> 33) as usize % (i + 1));
        }
    }
    best.map(|(_, placed)| placed.into_iter().map(|c| c.map(|c| c.area)).collect())
        .unwrap_or_default()
}

/// Gives each label its best place that is still free, and the cost of all.
fn in_order<'a>(
    order: &[usize],
    candidates: &'a [Vec<Candidate>],
) -> (i64, Vec<Option<&'a Candidate>>) {
    let mut placed: Vec<Option<&Candidate>> = vec![None; candidates.len()];
    let mut total = 0;
    for &i in order {
        let free = |c: &&Candidate| placed.iter().flatten().all(|other| c.agrees_with(other));
        placed[i] = candidates[i].iter().find(free);
        total += placed[i].map_or(MISSING, |c| c.cost);
    }
    (total, placed)
}

/// A place that a label could take.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    area: Area,
    leader: Option<[(i32, i32); 2]>,
    cost: i64,
}

impl Candidate {
    /// Neither label lies on the other or on its leader, and the leaders do not cross.
    fn agrees_with(&self, other: &Candidate) -> bool {
        let passes = |leader: Option<[(i32, i32); 2]>, area: &Area| {
            leader.is_none_or(|[a, b]| !crosses(a, b, area))
        };
        !overlap(&grown(self.area, GAP), &other.area)
            && passes(self.leader, &other.area)
            && passes(other.leader, &self.area)
            && !self
                .leader
                .zip(other.leader)
                .is_some_and(|(a, b)| meet(a, b))
    }
}

/// Cost of one curve segment under a label; more than any distance.
const CROSSING: i64 = 100_000;
/// Cost of one curve segment under a leader.
const LEADER_CROSSING: i64 = 2_000;
/// Cost of a label without a place.
const MISSING: i64 = 1_000_000_000;

/// Directions that are tried around a point.
const TURNS: u32 = 32;

/// Places of one label that meet no point and lie inside, best first.
fn candidates(
    request: &Request,
    all: &[Request],
    curves: &[Vec<(i32, i32)>],
    bounds: Area,
) -> Vec<Candidate> {
    let (x, y) = request.point;
    let mut out = Vec::new();
    let mut distance = pt(4.0);
    while distance < pt(90.0) {
        for turn in 0..TURNS {
            let (dy, dx) = (f64::from(turn) / f64::from(TURNS) * std::f64::consts::TAU).sin_cos();
            // Readers expect a label at the right of its point, then at the left, above, below, then anywhere.
            let rank = match turn * 4 / TURNS {
                side if turn * 4 % TURNS == 0 => [0, 3, 1, 2][side as usize],
                _ => 4,
            };
            let reach = f64::from(distance);
            let (ax, ay) = (x + (dx * reach) as i32, y + (dy * reach) as i32);
            // The side of the box that faces the point stands at that distance; the box slides along it with direction.
            let left =
                ax - (f64::from(request.width) * (1.0 - dx.clamp(-0.8, 0.8) / 0.8) / 2.0) as i32;
            let top =
                ay - (f64::from(request.height) * (1.0 - dy.clamp(-0.6, 0.6) / 0.6) / 2.0) as i32;
            let area = Area {
                left,
                top,
                right: left + request.width,
                bottom: top + request.height,
            };
            let inside = area.left >= bounds.left
                && area.top >= bounds.top
                && area.right <= bounds.right
                && area.bottom <= bounds.bottom;
            if !inside || all.iter().any(|other| overlap(&area, &around(other.point))) {
                continue;
            }
            let leader = leader(request.point, area);
            let others = || all.iter().filter(|other| other.point != request.point);
            if leader.is_some_and(|[a, b]| others().any(|o| crosses(a, b, &around(o.point)))) {
                continue;
            }
            let segments = || curves.iter().flat_map(|c| c.windows(2));
            let room = grown(area, CURVE_GAP);
            let under_label = segments().filter(|s| crosses(s[0], s[1], &room)).count() as i64;
            let under_leader = leader.map_or(0, |l| {
                segments().filter(|s| meet(l, [s[0], s[1]])).count() as i64
            });
            let cost = i64::from(distance) * 4
                + rank * 10
                + under_label * CROSSING
                + under_leader * LEADER_CROSSING;
            out.push(Candidate { area, leader, cost });
        }
        distance += pt(2.0);
    }
    out.sort_by_key(|c| c.cost);
    out
}

/// Most curves that the line from a point to its label may cross, for the eye to follow it.
const LEADER_CROSSES: usize = 4;

/// Whether a label stands on no curve, and the way to its point is easy to follow.
pub(crate) fn is_clear(point: (i32, i32), label: Area, curves: &[Vec<(i32, i32)>]) -> bool {
    let segments = || curves.iter().flat_map(|curve| curve.windows(2));
    let crossed = leader(point, label).map_or(0, |line| {
        segments().filter(|s| meet(line, [s[0], s[1]])).count()
    });
    crossed <= LEADER_CROSSES && !segments().any(|s| crosses(s[0], s[1], &label))
}

/// A line from a point to its label, if they are so far apart that the eye needs it.
pub(crate) fn leader(point: (i32, i32), label: Area) -> Option<[(i32, i32); 2]> {
    let room = grown(label, GAP);
    let near = (
        point.0.clamp(room.left, room.right),
        point.1.clamp(room.top, room.bottom),
    );
    let apart = f64::from(near.0 - point.0).hypot(f64::from(near.1 - point.1));
    (apart > f64::from(pt(6.0))).then_some([point, near])
}

fn around((x, y): (i32, i32)) -> Area {
    Area {
        left: x - POINT_ROOM,
        top: y - POINT_ROOM,
        right: x + POINT_ROOM,
        bottom: y + POINT_ROOM,
    }
}

fn grown(area: Area, by: i32) -> Area {
    Area {
        left: area.left - by,
        top: area.top - by,
        right: area.right + by,
        bottom: area.bottom + by,
    }
}

/// Whether two boxes share more than an edge.
pub(crate) fn overlap(a: &Area, b: &Area) -> bool {
    a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
}

/// Whether two segments cross.
fn meet(a: [(i32, i32); 2], b: [(i32, i32); 2]) -> bool {
    let side = |p: (i32, i32), q: (i32, i32), r: (i32, i32)| {
        let (px, py) = (i64::from(p.0), i64::from(p.1));
        ((i64::from(q.0) - px) * (i64::from(r.1) - py)
            - (i64::from(q.1) - py) * (i64::from(r.0) - px))
            .signum()
    };
    side(a[0], a[1], b[0]) * side(a[0], a[1], b[1]) < 0
        && side(b[0], b[1], a[0]) * side(b[0], b[1], a[1]) < 0
}

/// Whether a segment meets a box (Liang and Barsky's clipping).
fn crosses(a: (i32, i32), b: (i32, i32), area: &Area) -> bool {
    let (dx, dy) = (f64::from(b.0 - a.0), f64::from(b.1 - a.1));
    let (mut from, mut to) = (0.0f64, 1.0f64);
    for (step, room) in [
        (-dx, a.0 - area.left),
        (dx, area.right - a.0),
        (-dy, a.1 - area.top),
        (dy, area.bottom - a.1),
    ] {
        let room = f64::from(room);
        if step == 0.0 {
            if room < 0.0 {
                return false;
            }
        } else if step < 0.0 {
            from = from.max(room / step);
        } else {
            to = to.min(room / step);
        }
    }
    from <= to
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Area = Area {
        left: 0,
        top: 0,
        right: pt(380.0),
        bottom: pt(220.0),
    };

    /// A fixed stream of numbers; quality does not matter here.
    fn numbers() -> impl FnMut(i32) -> i32 {
        let mut state = 12345u64;
        move |below| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            ((state >> 33) % below as u64) as i32
        }
    }

    fn assert_sound(requests: &[Request], placed: &[Option<Area>]) {
        let boxes: Vec<_> = placed.iter().flatten().collect();
        for (i, a) in boxes.iter().enumerate() {
            assert!(
                a.left >= 0 && a.top >= 0 && a.right <= BOUNDS.right && a.bottom <= BOUNDS.bottom,
                "{a:?}"
            );
            assert!(
                boxes[..i].iter().all(|b| !overlap(a, b)),
                "two labels overlap"
            );
            assert!(
                requests.iter().all(|r| !overlap(a, &around(r.point))),
                "a label lies on a point"
            );
        }
    }

    #[test]
    fn labels_overlap_neither_each_other_nor_points() {
        let mut next = numbers();
        for count in [1, 5, 11, 14, 30] {
            let requests: Vec<_> = (0..count)
                .map(|_| Request {
                    point: (next(BOUNDS.right), next(BOUNDS.bottom)),
                    width: pt(30.0) + next(pt(50.0)),
                    height: pt(7.0),
                })
                .collect();
            let curve: Vec<_> = (0..60)
                .map(|i| (i * pt(6.0), BOUNDS.bottom / 2 + next(pt(20.0))))
                .collect();
            let placed = place(&requests, &[curve], BOUNDS);
            assert_sound(&requests, &placed);
            if count <= 14 {
                assert!(
                    placed.iter().all(Option::is_some),
                    "{count} labels have room"
                );
            }
        }
    }

    #[test]
    fn coincident_points_get_different_places() {
        let request = Request {
            point: (pt(100.0), pt(100.0)),
            width: pt(40.0),
            height: pt(7.0),
        };
        let placed = place(&[request; 4], &[], BOUNDS);
        assert!(placed.iter().all(Option::is_some));
        assert_sound(&[request; 4], &placed);
        // So many find no room around one point, but those that do stay apart.
        assert_sound(&[request; 12], &place(&[request; 12], &[], BOUNDS));
    }

    #[test]
    fn a_free_place_is_preferred_to_a_curve() {
        let request = Request {
            point: (pt(100.0), pt(100.0)),
            width: pt(40.0),
            height: pt(7.0),
        };
        let curve = vec![(pt(100.0), pt(100.0)), (pt(300.0), pt(100.0))];
        let placed = place(&[request], std::slice::from_ref(&curve), BOUNDS)[0].unwrap();
        assert!(!crosses(curve[0], curve[1], &placed));
    }

    #[test]
    fn no_room_is_said_so() {
        let request = Request {
            point: (pt(100.0), pt(100.0)),
            width: pt(500.0),
            height: pt(7.0),
        };
        assert_eq!(place(&[request], &[], BOUNDS), [None]);
        assert!(place(&[], &[], BOUNDS).is_empty());
    }
}
