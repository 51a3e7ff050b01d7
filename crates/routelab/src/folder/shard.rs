//! A share of the fits of an experiment, and the folder that holds it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::experiment::Tuning;
use crate::failure::{Outcome, bad_request};

/// What a shard's folder holds; by it the folder is known as a shard's.
pub const SHARD_MARK: &str = "shard.json";

/// One of several shares of the fits of an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// From 1 to `of`.
    #[serde(rename = "shard")]
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/');
        let numbers = parts.and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            _ => Err("expected I/N with I from 1 to N, for example 2/4".into()),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl Shard {
    /// The folder of this shard of the runs called `name`.
    pub fn folder(self, out: &Path, name: &str) -> PathBuf {
        let Self { number, of } = self;
        out.join(format!("{name}.shard-{number}-of-{of}"))
    }
}

/// What was asked for beside the experiment file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Where networks run.
    pub backend: String,
    /// The number of seeds, if it is not the file's.
    pub seeds: Option<usize>,
    /// The search, if it is not the file's.
    pub tune: Option<Tuning>,
}

/// The shard that a folder holds, and what was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardMark {
    /// Which shard.
    #[serde(flatten)]
    pub shard: Shard,
    /// The same for all shards of a division.
    #[serde(flatten)]
    pub asked: Asked,
}

impl ShardMark {
    /// The mark in a folder.
    pub fn read(folder: &Path) -> Outcome<Self> {
        let read = fs::read(folder.join(SHARD_MARK)).map_err(anyhow::Error::from);
        read.and_then(|bytes| Ok(serde_json::from_slice(&bytes)?))
            .map_err(|error| {
                bad_request!(
                    "{} is not the folder of a shard: {SHARD_MARK}: {error}\nhelp: `routelab run --shard` makes such folders",
                    folder.display()
                )
            })
    }
}

impl Asked {
    /// The command that fits a shard with these settings.
    pub fn command(&self, shard: Shard, experiment: &Path, out: &Path) -> String {
        let file = experiment.display();
        let mut command = match &self.tune {
            None => format!("routelab run {file}"),
            Some(tuning) => format!(
                "routelab tune {file} --trials {} --validation {} --metric {}",
                tuning.trials, tuning.validation, tuning.metric
            ),
        };
        if let Some(seeds) = self.seeds {
            command += &format!(" --seeds {seeds}");
        }
        if self.backend != routelab_heads::backend::DEFAULT {
            command += &format!(" --backend {}", self.backend);
        }
        format!("{command} --out {} --shard {shard}", out.display())
    }
}
