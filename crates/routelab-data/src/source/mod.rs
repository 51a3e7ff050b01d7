//! The published formats: one file each, and this list.

mod dynamath;
mod embedllm;
mod files;
mod llmrouter;
mod llmrouterbench;
mod logicvista;
mod mixinstruct;
mod mmlu_pro;
mod mmr_bench;
mod pickle;
mod python_list;
pub mod routelab;
mod routellm;
mod routerarena;
mod routerbench;
mod routereval;
pub(crate) mod rows;
pub mod tabular;
mod zeroeval;

use serde::Serialize;

use crate::error::DataError;
use crate::report::Loaded;
use crate::spec::DataSpec;

/// What the queries of a format consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Modality {
    /// Prompts only.
    Text,
    /// Prompts with images.
    TextAndImage,
}

/// A format that [`load`] reads.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FormatInfo {
    /// Name in an experiment file.
    pub name: &'static str,
    /// One line for a list.
    pub description: &'static str,
    /// What its queries consist of.
    pub modality: Modality,
    /// What `path` is: file extensions such as `csv`, or `folder`.
    pub extension: &'static str,
    /// How large the published data set is; `any` for formats that are not of one data set.
    pub size: &'static str,
    /// Folders in `datasets/` that are shipped in this format.
    pub shipped: &'static [&'static str],
    #[serde(skip)]
    read: fn(&DataSpec) -> Result<Loaded, DataError>,
}

/// Every format, in the order in which a user meets them.
const FORMATS: &[FormatInfo] = &[
    FormatInfo {
        name: "routerbench",
        description: "RouterBench (Hu et al. 2024): routerbench_0shot.pkl, routerbench_5shot.pkl, routerbench_raw.pkl, or the same columns as CSV or Parquet",
        modality: Modality::Text,
        extension: "pkl, csv, parquet",
        size: "36,497 queries x 11 models",
        shipped: &["routerbench-slice"],
        read: routerbench::read,
    },
    FormatInfo {
        name: "mmr-bench",
        description: "MMR-Bench (Ma, Lai & Ye 2026): MMR_Bench.csv and its folders of images",
        modality: Modality::TextAndImage,
        extension: "folder or csv",
        size: "7 sources x 10 models",
        shipped: &[],
        read: mmr_bench::read,
    },
    FormatInfo {
        name: "llmrouterbench",
        description: "LLMRouterBench (Li et al. 2026): results/bench, one JSON file per data set, split and model",
        modality: Modality::Text,
        extension: "folder",
        size: "about 400,000 records, 33 models",
        shipped: &[],
        read: llmrouterbench::read,
    },
    FormatInfo {
        name: "routerarena",
        description: "RouterArena (Lu et al. 2025): cached_results, one JSON Lines file per model",
        modality: Modality::Text,
        extension: "folder or jsonl",
        size: "8,400 queries (809 scored in public)",
        shipped: &[],
        read: routerarena::read,
    },
    FormatInfo {
        name: "routereval",
        description: "RouterEval (Huang et al. 2025): DATASET_router_dataset.pkl, one pool of models of it",
        modality: Modality::Text,
        extension: "pkl",
        size: "12 data sets, pools of 3 to 1,000 models",
        shipped: &[],
        read: routereval::read,
    },
    FormatInfo {
        name: "embedllm",
        description: "EmbedLLM (Zhuang et al. 2025): train.csv, val.csv, test.csv",
        modality: Modality::Text,
        extension: "folder or csv",
        size: "about 36,000 queries x 112 models",
        shipped: &[],
        read: embedllm::read,
    },
    FormatInfo {
        name: "mixinstruct",
        description: "MixInstruct (Jiang et al. 2023): BERTScore as quality, model size as cost",
        modality: Modality::Text,
        extension: "json, jsonl",
        size: "110,000 queries x 12 models",
        shipped: &[],
        read: mixinstruct::read,
    },
    FormatInfo {
        name: "routellm",
        description: "RouteLLM (Ong et al. 2025): MMLU and GSM8K answers of two models",
        modality: Modality::Text,
        extension: "folder, csv or parquet",
        size: "14,042 and 1,319 queries x 2 models",
        shipped: &["routellm"],
        read: routellm::read,
    },
    FormatInfo {
        name: "llmrouter",
        description: "LLMRouter (ulab-uiuc): train.json, test.json with question and scores",
        modality: Modality::Text,
        extension: "folder or json",
        size: "6,108 queries x 9 models",
        shipped: &["llmrouter"],
        read: llmrouter::read,
    },
    FormatInfo {
        name: "zeroeval",
        description: "ZeroEval (WildEval), re-scored: MODEL|correct and MODEL|outchars",
        modality: Modality::Text,
        extension: "parquet",
        size: "721 to 2,840 queries x 30 to 51 models",
        shipped: &["zeroeval"],
        read: zeroeval::read,
    },
    FormatInfo {
        name: "mmlu-pro",
        description: "MMLU-Pro (Wang et al. 2024), scored: MODEL|correct and MODEL|outchars",
        modality: Modality::Text,
        extension: "parquet",
        size: "12,002 queries x 28 models",
        shipped: &["mmlu-pro"],
        read: mmlu_pro::read,
    },
    FormatInfo {
        name: "dynamath",
        description: "DynaMath (Zou et al. 2025), scored: MODEL_correct and images",
        modality: Modality::TextAndImage,
        extension: "csv",
        size: "2,004 queries x 14 models",
        shipped: &["dynamath"],
        read: dynamath::read,
    },
    FormatInfo {
        name: "logicvista",
        description: "LogicVista (Xiao et al. 2024), scored: MODEL_correct and images",
        modality: Modality::TextAndImage,
        extension: "csv",
        size: "448 queries x 13 models",
        shipped: &["logicvista"],
        read: logicvista::read,
    },
    FormatInfo {
        name: "routelab",
        description: "RouteLab's own Parquet file, as `routelab data convert` writes it",
        modality: Modality::TextAndImage,
        extension: "parquet",
        size: "any",
        shipped: &[],
        read: routelab::read,
    },
    FormatInfo {
        name: "tabular",
        description: "any CSV, JSON Lines, JSON, Parquet or pandas pickle file whose columns the experiment declares",
        modality: Modality::TextAndImage,
        extension: "csv, tsv, jsonl, json, parquet, pkl",
        size: "any",
        shipped: &["reasoning-gym", "swe-bench", "bfcl", "routerbench-1pct"],
        read: tabular::read,
    },
];

/// Every format that [`load`] reads.
pub fn formats() -> &'static [FormatInfo] {
    FORMATS
}

/// Reads a data set.
///
/// # Errors
/// [`DataError`] names the file, the row, the column and the value that is wrong, what was expected and what to do.
pub fn load(spec: &DataSpec) -> Result<Loaded, DataError> {
    let Some(format) = FORMATS.iter().find(|format| format.name == spec.format) else {
        let known = FORMATS.iter().map(|format| format.name).collect();
        return Err(DataError::UnknownFormat {
            name: spec.format.clone(),
            known,
        });
    };
    (format.read)(spec)
}
