//! JSON as Python and others write it, with numbers that JSON does not have.

use std::io::{self, BufRead, Read};

/// Turns a bare `NaN` into `null` and a bare `Infinity` or `-Infinity` into a text of this name, which a number column
/// refuses by name. Everything else, texts in particular, stays as it is.
pub(super) struct PythonNumbers<R> {
    inner: R,
    in_text: bool,
    escaped: bool,
    /// What is still to be given out, from `given` on.
    pending: Vec<u8>,
    given: usize,
}

impl<R: BufRead> PythonNumbers<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            in_text: false,
            escaped: false,
            pending: Vec::new(),
            given: 0,
        }
    }

    /// Reads one word outside of texts that begins with a letter or a minus.
    fn word(&mut self) -> io::Result<()> {
        /// The longest word with another meaning.
        const LONGEST: usize = "-Infinity".len();
        self.pending.clear();
        self.given = 0;
        while let Some(&next) = self.inner.fill_buf()?.first() {
            let first = self.pending.is_empty();
            if !(next.is_ascii_alphabetic() || first) || self.pending.len() > LONGEST {
                break;
            }
            self.pending.push(next);
            self.inner.consume(1);
        }
        let replaced: Option<&[u8]> = match self.pending.as_slice() {
            b"NaN" | b"-NaN" => Some(b"null"),
            b"Infinity" => Some(b"\"Infinity\""),
            b"-Infinity" => Some(b"\"-Infinity\""),
            _ => None,
        };
        if let Some(replaced) = replaced {
            self.pending = replaced.to_vec();
        }
        Ok(())
    }
}

impl<R: BufRead> Read for PythonNumbers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.given < self.pending.len() {
                let left = &self.pending[self.given..];
                let length = left.len().min(buffer.len());
                buffer[..length].copy_from_slice(&left[..length]);
                self.given += length;
                return Ok(length);
            }
            let available = self.inner.fill_buf()?;
            let mut length = 0;
            for &byte in available.iter().take(buffer.len()) {
                if self.in_text {
                    if self.escaped {
                        self.escaped = false;
                    } else if byte == b'\\' {
                        self.escaped = true;
                    } else if byte == b'"' {
                        self.in_text = false;
                    }
                } else if matches!(byte, b'N' | b'I' | b'-') {
                    break;
                } else if byte == b'"' {
                    self.in_text = true;
                }
                length += 1;
            }
            buffer[..length].copy_from_slice(&available[..length]);
            let ended = available.is_empty();
            self.inner.consume(length);
            if length > 0 || ended {
                return Ok(length);
            }
            self.word()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        // The smallest buffer there is, so that every word lies across its border.
        let inner = io::BufReader::with_capacity(1, text.as_bytes());
        let mut read = String::new();
        PythonNumbers::new(inner).read_to_string(&mut read).unwrap();
        read
    }

    #[test]
    fn only_bare_words_change() {
        assert_eq!(
            read("[NaN, -Infinity,Infinity]"),
            "[null, \"-Infinity\",\"Infinity\"]"
        );
        let texts = r#"{"NaN": "NaN", "a\"NaN": "\\", "x": -1.5e-3, "y": null, "z": Name}"#;
        assert_eq!(read(texts), texts);
        assert_eq!(read("NaN"), "null");
        assert_eq!(read("InfinityAndMore"), "InfinityAndMore");
    }
}
