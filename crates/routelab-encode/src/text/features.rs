//! The features of a text that [`HashedNgrams`](crate::HashedNgrams) counts, each as a stable 64-bit hash.

/// Families of features; each is scaled to length 1 before they are added.
pub(super) const FAMILIES: usize = 3;

/// For every family (words, pairs of adjacent words, character n-grams), its features and how often each occurs, in
/// ascending order of their hashes.
pub(super) fn features(
    text: &str,
    chars: [usize; 2],
    max_chars: usize,
) -> [Vec<(u64, u32)>; FAMILIES] {
    let text: String = text
        .chars()
        .take(max_chars)
        .collect::<String>()
        .to_lowercase();
    let words = words(&text);
    let single = words.iter().map(|word| hash(b'w', word.as_bytes()));
    let pairs = words
        .windows(2)
        .map(|pair| hash(b'p', [pair[0], " ", pair[1]].concat().as_bytes()));
    let mut grams = Vec::new();
    for word in words
        .iter()
        .filter(|word| word.starts_with(char::is_alphanumeric))
    {
        character_grams(word, chars, &mut grams);
    }
    [
        count(single.collect()),
        count(pairs.collect()),
        count(grams),
    ]
}

/// Maximal runs of letters and digits, and every other visible character on its own: `f(x1)` → `f`, `(`, `x1`, `)`.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = if first.is_alphanumeric() {
            rest.find(|c: char| !c.is_alphanumeric())
                .unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (word, tail) = rest.split_at(end);
        words.push(word);
        rest = tail.trim_start();
    }
    words
}

/// Character n-grams of one word with a blank on both sides, so that beginnings and endings count as such.
fn character_grams(word: &str, [least, most]: [usize; 2], grams: &mut Vec<u64>) {
    let padded = [" ", word, " "].concat();
    let mut starts: Vec<usize> = padded.char_indices().map(|(at, _)| at).collect();
    starts.push(padded.len());
    for n in least..=most {
        let bounds = starts.iter().zip(starts.iter().skip(n));
        grams.extend(bounds.map(|(&from, &to)| hash(b'c', &padded.as_bytes()[from..to])));
    }
}

fn count(mut hashes: Vec<u64>) -> Vec<(u64, u32)> {
    hashes.sort_unstable();
    hashes
        .chunk_by(|a, b| a == b)
        .map(|same| (same[0], same.len() as u32))
        .collect()
}

/// FNV-1a over the family's letter and the feature, then [`mix`], because FNV's high bits alone are weak on short input.
fn hash(family: u8, bytes: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let fnv = std::iter::once(&family)
        .chain(bytes)
        .fold(OFFSET, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(PRIME)
        });
    mix(fnv)
}

/// The finaliser of MurmurHash3 (64 bits): every bit of the input changes half of the output's.
pub(super) fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits_and_single_signs() {
        assert_eq!(
            words("  f(x1) == été\n"),
            ["f", "(", "x1", ")", "=", "=", "été"]
        );
        assert!(words(" \t\n").is_empty());
    }

    #[test]
    fn counts_are_exact_and_families_are_distinct() {
        let [single, pairs, grams] = features("Tea tea TEA", [3, 5], 100);
        assert_eq!(single, [(hash(b'w', b"tea"), 3)]);
        assert_eq!(pairs, [(hash(b'p', b"tea tea"), 2)]);
        // " te", "tea", "ea ", " tea", "tea ", " tea "
        assert_eq!(grams.len(), 6);
        assert!(grams.iter().all(|&(_, n)| n == 3));
    }

    /// The hash is part of the file format of a fitted encoder: known answers keep it from changing unnoticed.
    #[test]
    fn the_hash_is_stable() {
        // Murmur3's finaliser of FNV-1a("wtea"), computed independently.
        assert_eq!(hash(b'w', b"tea"), 0x88bd_ab6d_67c3_cc21);
    }
}
