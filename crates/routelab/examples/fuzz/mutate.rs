//! Ways to spoil an input.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

/// Longer inputs are cut: they cost time and find nothing more.
const LONGEST: usize = 1 << 17;

/// Numbers at the ends of what some type or some check holds.
const NUMBERS: [&str; 31] = [
    "0",
    "-0",
    "-1",
    "1",
    "2",
    "3",
    "255",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "-1e308",
    "1e309",
    "1e-320",
    "5e-324",
    "0.1",
    "1.0000000000000002",
    "NaN",
    "Infinity",
    "-Infinity",
    "nan",
    "1_000",
    "0x7f",
];

/// Words that mean something to one reader or another.
const WORDS: [&str; 46] = [
    "",
    " ",
    "\n",
    "\r\n",
    "\r",
    "\0",
    "\"",
    "\"\"",
    "'",
    ",",
    ";",
    "\t",
    "|",
    "\\",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\u{202e}",
    "模型",
    "🦀",
    "é",
    "null",
    "true",
    "false",
    "None",
    "[]",
    "{}",
    "[",
    "]",
    "{",
    "}",
    ":",
    "=",
    "#",
    "|total_cost",
    "{model}",
    "..",
    "/",
    "../../etc/passwd",
    "<html>",
    "PK\u{3}\u{4}",
    "PAR1",
    "\u{1f}",
    "id",
    "model",
    "prompt",
];

/// Whole numbers at the ends of a machine word.
const WORDS_OF_MACHINES: [u64; 16] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 40,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// A spoilt copy of `bytes`; `other` is what may be mixed in.
pub fn mutate(bytes: &[u8], other: &[u8], rng: &mut impl Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let text = std::str::from_utf8(&bytes).is_ok();
    // One change mostly, sometimes many.
    loop {
        if text && rng.random_bool(0.75) {
            change_text(&mut bytes, other, rng);
        } else {
            change_bytes(&mut bytes, other, rng);
        }
        if rng.random_bool(0.55) {
            break;
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

/// A place in `bytes` and a length from there, mostly short.
fn range(bytes: &[u8], rng: &mut impl Rng) -> std::ops::Range<usize> {
    if bytes.is_empty() {
        return 0..0;
    }
    let start = rng.random_range(0..bytes.len());
    let longest = if rng.random_bool(0.8) {
        16
    } else {
        bytes.len()
    };
    let length = rng.random_range(1..=longest.min(bytes.len() - start).max(1));
    start..(start + length).min(bytes.len())
}

fn change_bytes(bytes: &mut Vec<u8>, other: &[u8], rng: &mut impl Rng) {
    let at = range(bytes, rng);
    let start = at.start;
    match rng.random_range(0..12) {
        0 | 1 => {
            if let Some(byte) = bytes.get_mut(start) {
                *byte ^= 1 << rng.random_range(0..8);
            }
        }
        2 => {
            if let Some(byte) = bytes.get_mut(start) {
                *byte = *[0, 1, 0x7f, 0x80, 0xff, rng.random()]
                    .choose(rng)
                    .expect("not empty");
            }
        }
        3 => bytes.truncate(start),
        4 => drop(bytes.drain(at)),
        5 => {
            let piece = bytes[at].to_vec();
            let times = [1, 1, 2, 8, 200].choose(rng).expect("not empty");
            bytes.splice(start..start, piece.repeat(*times));
        }
        6 | 7 => {
            let number = *WORDS_OF_MACHINES.choose(rng).expect("not empty");
            let number = number.wrapping_add(rng.random_range(0..3)).wrapping_sub(1);
            let width = *[1, 2, 4, 8].choose(rng).expect("not empty");
            let mut written = number.to_le_bytes()[..width].to_vec();
            if rng.random_bool(0.5) {
                written.reverse();
            }
            for (byte, new) in bytes[start..].iter_mut().zip(written) {
                *byte = new;
            }
        }
        8 => {
            let to = rng.random_range(0..=other.len());
            bytes.truncate(start);
            bytes.extend_from_slice(&other[to..]);
        }
        9 => {
            let piece = other[range(other, rng)].to_vec();
            bytes.splice(at, piece);
        }
        10 => {
            let piece = bytes[at].to_vec();
            let to = rng.random_range(0..=bytes.len());
            for (byte, new) in bytes[to..].iter_mut().zip(piece) {
                *byte = new;
            }
        }
        _ => {
            let noise: Vec<u8> = (0..rng.random_range(1..9)).map(|_| rng.random()).collect();
            bytes.splice(start..start, noise);
        }
    }
}

fn change_text(bytes: &mut Vec<u8>, other: &[u8], rng: &mut impl Rng) {
    match rng.random_range(0..10) {
        0..=2 => {
            let numbers = tokens(bytes, |byte| {
                byte.is_ascii_digit() || b".-+eE".contains(&byte)
            });
            let numbers: Vec<_> = numbers
                .into_iter()
                .filter(|at| bytes[at.clone()].iter().any(u8::is_ascii_digit))
                .collect();
            if let Some(at) = numbers.choose(rng) {
                let number = NUMBERS.choose(rng).expect("not empty");
                bytes.splice(at.clone(), number.bytes());
            }
        }
        3 | 4 => {
            let words = tokens(bytes, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if let Some(at) = words.choose(rng) {
                let at = at.clone();
                let new = match rng.random_range(0..3) {
                    0 => WORDS.choose(rng).expect("not empty").as_bytes().to_vec(),
                    1 => bytes[words.choose(rng).expect("not empty").clone()].to_vec(),
                    _ => {
                        let words = tokens(other, |byte| byte.is_ascii_alphanumeric());
                        words
                            .choose(rng)
                            .map_or(Vec::new(), |at| other[at.clone()].to_vec())
                    }
                };
                bytes.splice(at, new);
            }
        }
        5 => {
            let start = range(bytes, rng).start;
            let word = WORDS.choose(rng).expect("not empty");
            let times = if rng.random_bool(0.05) { 4000 } else { 1 };
            bytes.splice(start..start, word.repeat(times).into_bytes());
        }
        6 | 7 => change_lines(bytes, rng),
        8 => {
            // One character everywhere, as another program writes it.
            let pairs = [
                (b',', b';'),
                (b',', b'\t'),
                (b'.', b','),
                (b'"', b'\''),
                (b'\n', b'\r'),
                (b':', b'='),
                (b' ', b'\0'),
            ];
            let (from, to) = *pairs.choose(rng).expect("not empty");
            bytes
                .iter_mut()
                .filter(|byte| **byte == from)
                .for_each(|byte| *byte = to);
        }
        _ => {
            // Something within brackets, quotes or cells moved elsewhere or left out.
            let cells = tokens(bytes, |byte| !b",\n{}[]:".contains(&byte));
            if let (Some(one), Some(two)) = (cells.choose(rng), cells.choose(rng)) {
                let piece = if rng.random_bool(0.3) {
                    Vec::new()
                } else {
                    bytes[two.clone()].to_vec()
                };
                bytes.splice(one.clone(), piece);
            }
        }
    }
}

/// The longest runs of bytes of a kind; at most some thousands.
fn tokens(bytes: &[u8], inside: impl Fn(u8) -> bool) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, &byte) in bytes.iter().enumerate().take(1 << 15) {
        match (inside(byte), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                found.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    found.extend(start.map(|from| from..bytes.len().min(1 << 15)));
    found
}

/// Leaves out, repeats or exchanges lines.
fn change_lines(bytes: &mut Vec<u8>, rng: &mut impl Rng) {
    let mut lines: Vec<Vec<u8>> = bytes
        .split_inclusive(|&byte| byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    if lines.is_empty() {
        return;
    }
    let (one, two) = (
        rng.random_range(0..lines.len()),
        rng.random_range(0..lines.len()),
    );
    match rng.random_range(0..4) {
        0 => drop(lines.remove(one)),
        1 => {
            let line = lines[one].clone();
            lines.insert(two, line);
        }
        2 => lines.swap(one, two),
        _ => {
            let line = lines[one].repeat(*[2, 50].choose(rng).expect("not empty"));
            lines[one] = line;
        }
    }
    *bytes = lines.concat();
}
