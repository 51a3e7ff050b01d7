//! What a target is fed: a few files, and how they are kept.

use std::fs;
use std::io;
use std::path::Path;

/// First line of a finding.
const HEAD: &str = "routelab fuzz 1";

/// Files by name, relative to a folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Input(pub Vec<(String, Vec<u8>)>);

impl Input {
    /// One file.
    pub fn one(name: &str, bytes: impl AsRef<[u8]>) -> Self {
        Self(vec![(name.to_owned(), bytes.as_ref().to_vec())])
    }

    /// Every file below a folder.
    pub fn folder(folder: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        let mut open = vec![folder.to_owned()];
        while let Some(next) = open.pop() {
            for entry in fs::read_dir(next)? {
                let path = entry?.path();
                if path.is_dir() {
                    open.push(path);
                    continue;
                }
                let name = path.strip_prefix(folder).map_err(io::Error::other)?;
                let name = name.to_string_lossy().replace('\\', "/");
                files.push((name, fs::read(&path)?));
            }
        }
        files.sort();
        Ok(Self(files))
    }

    /// Bytes of all files together.
    pub fn len(&self) -> usize {
        self.0.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// A finding's file: a head, then per file its name, its length and its bytes.
    pub fn to_bytes(&self, target: &str) -> Vec<u8> {
        let mut out = format!("{HEAD}\n{target}\n").into_bytes();
        for (name, bytes) in &self.0 {
            out.extend(format!("{} {name}\n", bytes.len()).bytes());
            out.extend(bytes);
        }
        out
    }

    /// Reads what [`Input::to_bytes`] wrote: the target's name and the input.
    pub fn from_bytes(bytes: &[u8]) -> Option<(String, Self)> {
        let line = |bytes: &mut &[u8]| {
            let end = bytes.iter().position(|&byte| byte == b'\n')?;
            let line = String::from_utf8(bytes[..end].to_vec()).ok()?;
            *bytes = &bytes[end + 1..];
            Some(line)
        };
        let mut rest = bytes;
        if line(&mut rest)? != HEAD {
            return None;
        }
        let target = line(&mut rest)?;
        let mut files = Vec::new();
        while !rest.is_empty() {
            let described = line(&mut rest)?;
            let (length, name) = described.split_once(' ')?;
            let (file, after) = rest.split_at_checked(length.parse().ok()?)?;
            files.push((name.to_owned(), file.to_vec()));
            rest = after;
        }
        Some((target, Self(files)))
    }
}

/// A folder in which one input after another is laid out; what did not change is not written again.
pub struct Place<'a> {
    folder: &'a Path,
    laid: Input,
}

impl<'a> Place<'a> {
    /// An empty folder, made if need be.
    pub fn new(folder: &'a Path) -> io::Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder,
            laid: Input::default(),
        })
    }

    /// The folder with the files of `input`.
    pub fn lay(&mut self, input: &Input) -> io::Result<&Path> {
        let names = |input: &Input| -> Vec<String> {
            input.0.iter().map(|(name, _)| name.clone()).collect()
        };
        if names(&self.laid) != names(input) {
            *self = Self::new(self.folder)?;
        }
        for (at, (name, bytes)) in input.0.iter().enumerate() {
            if self.laid.0.get(at).is_some_and(|(_, laid)| laid == bytes) {
                continue;
            }
            let path = self.folder.join(name);
            if self.laid.0.is_empty()
                && let Some(parent) = path.parent()
            {
                fs::create_dir_all(parent)?;
            }
            fs::write(path, bytes)?;
        }
        self.laid = input.clone();
        Ok(self.folder)
    }

    /// Forgets what lies in the folder, which something else may have changed.
    pub fn clear(&mut self) -> io::Result<()> {
        *self = Self::new(self.folder)?;
        Ok(())
    }
}
