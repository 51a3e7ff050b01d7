//! What is fed: every reader of the project, each with sound inputs to begin with.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use routelab_data::{CostAssumption, DataSpec, Embeddings, Images, OutOfRange, Precision, load};
use routelab_encode::{Encoder as _, ImageStatistics, Query};
use routelab_heads::Backend;
use routelab_routers::{Archive, Registry};

use crate::input::Input;
use crate::{programs, routers};

const MIB: usize = 1 << 20;

/// What a target did with an input. Anything else is a finding.
pub enum Outcome {
    /// It was read.
    Accepted,
    /// An error said why not.
    Refused,
    /// What should not be, in words.
    Wrong(String),
}

impl<T, E: std::fmt::Display> From<Result<T, E>> for Outcome {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Accepted,
            Err(error) if error.to_string().trim().is_empty() => {
                Self::Wrong("an error without words".to_owned())
            }
            Err(_) => Self::Refused,
        }
    }
}

type Feed = Box<dyn Fn(&Path) -> Outcome>;

/// Something that reads files.
pub struct Target {
    pub name: String,
    /// Sound inputs.
    pub seeds: Vec<Input>,
    /// How often it is fed, in hundredths of a second a round; 0 is one input a round.
    pub share: u32,
    /// Memory that it may take: so many times the input, and so much besides.
    pub bound: (usize, usize),
    /// Whether the target is another process, whose memory is not seen.
    pub process: bool,
    pub feed: Feed,
}

impl Target {
    fn new(
        name: impl Into<String>,
        seeds: Vec<Input>,
        feed: impl Fn(&Path) -> Outcome + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            seeds,
            share: 10,
            bound: (READER_TIMES, READER_PLUS),
            process: false,
            feed: Box::new(feed),
        }
    }
}

/// Tables, specs, prices and embeddings: 250 times the file and 64 MiB is what a compressed file may unpack to; a table takes a
/// few times its text.
const READER_TIMES: usize = 1000;
const READER_PLUS: usize = 256 * MIB;
/// A router takes a few times its files, and what it needs to predict.
const ROUTER_TIMES: usize = 100;
const ROUTER_PLUS: usize = 64 * MIB;
/// An image is decoded to 256 MiB at most, and held as decoded, as RGB and by a second decoder that checks it.
const IMAGE_TIMES: usize = 4;
const IMAGE_PLUS: usize = 1024 * MIB;

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn fixtures(name: &str) -> PathBuf {
    repository()
        .join("crates/routelab-data/tests/fixtures")
        .join(name)
}

fn folder(name: &str) -> Vec<Input> {
    vec![Input::folder(&fixtures(name)).expect("the fixtures are there")]
}

/// Fixtures as inputs of one file called `name`.
fn files(name: &str, fixtures_: &[&str]) -> Vec<Input> {
    let read = |fixture: &&str| fs::read(fixtures(fixture)).expect("the fixtures are there");
    fixtures_
        .iter()
        .map(|fixture| Input::one(name, read(fixture)))
        .collect()
}

fn spec(format: &str, path: PathBuf) -> DataSpec {
    DataSpec {
        cost: Some(CostAssumption::Uniform),
        ..DataSpec::new(format, path)
    }
}

/// Loads and looks at the table as the program does.
fn read(spec: &DataSpec) -> Outcome {
    load(spec)
        .map(|loaded| {
            (
                routelab_data::summary(&loaded.table),
                loaded.table.content_hash(),
            )
        })
        .into()
}

/// A target of one format whose path is the folder, or a file in it.
fn format(
    name: &str,
    format: &'static str,
    path: &'static str,
    seeds: Vec<Input>,
    change: fn(&mut DataSpec),
) -> Target {
    Target::new(name, seeds, move |folder| {
        let mut spec = spec(format, folder.join(path));
        change(&mut spec);
        read(&spec)
    })
}

/// A target of the format `tabular`; of several declarations, those that the seeds need.
fn tabular(name: &str, file: &'static str, seeds: Vec<Input>, declarations: &[&str]) -> Target {
    let specs: Vec<DataSpec> = (declarations.iter())
        .map(|text| {
            toml::from_str(&format!("format = \"tabular\"\npath = \"x\"\n{text}"))
                .expect("a sound declaration")
        })
        .collect();
    Target::new(name, seeds, move |folder| {
        let mut outcome = Outcome::Refused;
        for spec in &specs {
            let path = folder.join(file);
            match read(&DataSpec {
                path,
                ..spec.clone()
            }) {
                Outcome::Refused => {}
                other => outcome = other,
            }
        }
        outcome
    })
}

const WIDE: &str = "missing = \"drop-query\"\nout_of_range = \"clamp\"\n[schema]\nid = [\"sample\"]\nprompt = [\"question\"]\n\
    task = \"subject\"\nlayout.wide = { quality = \"{model}|score\", cost = \"{model}|cost\" }";
const MASKED: &str = "missing = \"mask\"\nout_of_range = \"clamp\"\ngroup = \"prompt\"\ncost = { kind = \"uniform\" }\n[schema]\n\
    id = [\"sample\"]\nprompt = [\"question\"]\nlayout.wide = { quality = \"{model}|score\" }";
const LONG: &str = "[schema]\nid = [\"id\"]\nprompt = [\"question\"]\n\
    layout.long = { model = \"model\", quality = \"score\", cost = \"cost\" }";
const FRAME: &str = "missing = \"drop-query\"\n[schema]\nid = [\"id\"]\nprompt = [\"question\"]\n\
    layout.wide = { quality = \"{model}|correct\", cost = \"{model}|cost\" }";

const TABLE: &str = "sample,question,subject,m|score,m|cost,n|score,n|cost\na,What is 2 + 2?,maths,1,0.000118,0,3e-4\n\
    b,\"Say, é\nor not\",words,0.5,2.5,1,0\nc,why,words,0,0.1,True,1\n";
const LONG_TABLE: &str = "id,question,model,score,cost\na,p,small,1,0.1\na,p,large,0,0.2\nb,q,small,0.5,1e-3\nb,q,large,1,2\n";
const ROUTERBENCH: &str = "sample_id,prompt,eval_name,small,large,small|total_cost,large|total_cost\n\
    a,\"['Say, one', 'two']\",t,1.0,0.5,0.1,0.2\nb,q,t,0,True,0,3e-4\nc,\"['x']\",u,0.25,0,1,2\n";

fn gzip(text: &str) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(text.as_bytes()).expect("memory");
    writer.finish().expect("memory")
}

fn packed(text: &str) -> Vec<Input> {
    let many = text.repeat(300);
    vec![
        Input::one("t.csv", gzip(text)),
        Input::one(
            "t.csv",
            zstd::encode_all(text.as_bytes(), 3).expect("memory"),
        ),
        Input::one("t.csv", gzip(&many)),
        Input::one(
            "t.csv",
            zstd::encode_all(many.as_bytes(), 19).expect("memory"),
        ),
    ]
}

fn readers() -> Vec<Target> {
    let same = |_: &mut DataSpec| {};
    let parquet = [
        "real/codec-brotli.parquet",
        "real/codec-gzip.parquet",
        "real/codec-lz4.parquet",
        "real/codec-zstd.parquet",
        "real/decimal-fixed.parquet",
        "real/decimal-int.parquet",
        "real/decimal-int32.parquet",
        "real/decimal-int64.parquet",
        "real/decimal-wide.parquet",
        "real/decimal.parquet",
        "real/half.parquet",
        "real/list.parquet",
        "real/null.parquet",
        "real/types.parquet",
        "real/view.parquet",
        "gzip.parquet",
    ];
    let frames = [
        "frame-pandas-1.1.pkl",
        "frame-pandas-1.5.pkl",
        "frame-pandas-2.2.pkl",
        "frame-pandas-3.1.pkl",
        "real/frame-arrow.pkl",
        "real/frame-chunks.pkl",
        "real/frame-gaps.pkl",
        "real/frame-masked.pkl",
        "real/frame-mixed.pkl",
        "real/frame-slice.pkl",
        "real/frame-strings.pkl",
        "real/category-pandas-3.pkl",
        "real/strings-pandas-3.pkl",
        "real/plain.pkl",
    ];
    let pickles = [
        "routerbench_0shot.pkl",
        "routerbench_raw.pkl",
        "real/routerbench-0shot-pandas-3.pkl",
        "real/routerbench-raw-pandas-3.pkl",
        "real/strings-pandas-3.pkl",
        "real/category-pandas-3.pkl",
        "real/plain.pkl",
    ];
    let csv = [
        "real/partial.csv",
        "real/nocost.csv",
        "real/percent.csv",
        "real/same.csv",
        "real/semicolons.csv",
    ];
    let mut tables = files("t.csv", &csv);
    tables.push(Input::one("t.csv", TABLE));
    tables.push(Input::one(
        "t.csv",
        format!("\u{feff}{}", TABLE.replace(',', ";")),
    ));
    let json = |name| {
        let mut seeds = files(name, &["real/nan.json", "real/nan.jsonl"]);
        seeds.push(Input::one(
            name,
            "[{\"sample\": \"a\", \"question\": \"p\", \"subject\": {\"x\": [1]}, \"m|score\": 1, \"m|cost\": 0.1}]",
        ));
        seeds
    };
    let shipped = |name: &str| {
        fs::read(repository().join("datasets").join(name)).expect("the data sets are shipped")
    };
    vec![
        format(
            "routerbench-csv",
            "routerbench",
            "t.csv",
            vec![Input::one("t.csv", ROUTERBENCH)],
            |spec| {
                spec.cost = None;
            },
        ),
        format(
            "routerbench-pickle",
            "routerbench",
            "t.pkl",
            files("t.pkl", &pickles),
            |spec| spec.cost = None,
        ),
        format("mmr-bench", "mmr-bench", "", folder("mmr-bench"), |spec| {
            spec.cost = None;
            spec.images = Images::Ignore;
        }),
        format(
            "llmrouterbench",
            "llmrouterbench",
            "",
            folder("llmrouterbench"),
            |spec| {
                spec.cost = None;
                spec.missing = routelab_data::Missing::DropQuery;
            },
        ),
        format(
            "routerarena",
            "routerarena",
            "",
            folder("routerarena"),
            |spec| {
                spec.cost = None;
                spec.out_of_range = OutOfRange::Clamp;
            },
        ),
        format(
            "routereval",
            "routereval",
            "t.pkl",
            files("t.pkl", &["gsm8k_router_dataset.pkl"]),
            |spec| {
                spec.subset = Some("easy/3/all_strong".to_owned());
            },
        ),
        format("embedllm", "embedllm", "", folder("embedllm"), same),
        format(
            "mixinstruct",
            "mixinstruct",
            "t.json",
            files("t.json", &["mixinstruct.json"]),
            |spec| {
                spec.cost = None;
            },
        ),
        format("routellm", "routellm", "", folder("routellm"), same),
        format("llmrouter", "llmrouter", "", folder("llmrouter"), same),
        format(
            "zeroeval",
            "zeroeval",
            "t.csv",
            vec![Input::one(
                "t.csv",
                "task,question,m|correct,m|outchars\ngsm,q,1,7\ncrux,r,0,12\n",
            )],
            |spec| spec.cost = None,
        ),
        format(
            "mmlu-pro",
            "mmlu-pro",
            "t.csv",
            vec![Input::one(
                "t.csv",
                "question_id,question,options,category,m|correct,m|outchars\n\
                 70,Which?,\"[\"\"one\"\", \"\"two\"\"]\",law,1.0,12\n71,Who?,\"[\"\"b\"\"]\",law,0,3\n",
            )],
            |spec| spec.cost = None,
        ),
        format(
            "dynamath",
            "dynamath",
            "dynamath.csv",
            folder("multimodal"),
            |spec| {
                let file = spec.path.with_file_name("prices.toml");
                spec.cost = Some(CostAssumption::Prices { file, table: None });
            },
        ),
        format(
            "logicvista",
            "logicvista",
            "logicvista.csv",
            folder("multimodal"),
            |spec| {
                let file = spec.path.with_file_name("prices.toml");
                spec.cost = Some(CostAssumption::Prices { file, table: None });
            },
        ),
        format("routelab", "routelab", "t.parquet", own(), |spec| {
            spec.cost = None
        }),
        tabular("tabular-csv", "t.csv", tables, &[WIDE, MASKED]),
        tabular(
            "tabular-long",
            "t.tsv",
            vec![Input::one("t.tsv", LONG_TABLE.replace(',', "\t"))],
            &[LONG],
        ),
        tabular("tabular-json", "t.json", json("t.json"), &[WIDE]),
        tabular("tabular-json-lines", "t.jsonl", json("t.jsonl"), &[WIDE]),
        tabular(
            "tabular-parquet",
            "t.parquet",
            files("t.parquet", &parquet),
            &[WIDE, MASKED],
        ),
        tabular(
            "tabular-pickle",
            "t.pkl",
            files("t.pkl", &frames),
            &[FRAME, WIDE],
        ),
        tabular("tabular-packed", "t.csv", packed(TABLE), &[WIDE]),
        Target::new(
            "prices",
            vec![Input::one("prices.toml", shipped("prices.toml"))],
            |folder| {
                let file = folder.join("prices.toml");
                let cost = CostAssumption::Prices {
                    file,
                    table: Some("llmrouter".to_owned()),
                };
                read(&DataSpec {
                    cost: Some(cost),
                    ..DataSpec::new("llmrouter", fixtures("llmrouter"))
                })
            },
        ),
        Target::new("dataset-toml", specs(), |folder| {
            match DataSpec::read(folder) {
                // A spec may name any file of the machine; only those that lie here are opened.
                Ok(spec) if spec.path.parent() == Some(folder) => read(&spec),
                other => other.into(),
            }
        }),
        Target::new("embeddings", embeddings(), |folder| {
            let ids = ["b", "a", "c"].map(str::to_owned);
            Embeddings::read(&folder.join("t.safetensors"), &ids)
                .map(|found| found.content_hash())
                .into()
        }),
    ]
}

/// A table in RouteLab's own Parquet.
fn own() -> Vec<Input> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (csv, parquet) = (folder.path().join("t.csv"), folder.path().join("t.parquet"));
    fs::write(&csv, ROUTERBENCH).expect("a temporary file");
    let table = load(&DataSpec::new("routerbench", csv))
        .expect("a sound table")
        .table;
    routelab_data::write_parquet(&table, &parquet).expect("a temporary file");
    vec![Input::one(
        "t.parquet",
        fs::read(parquet).expect("just written"),
    )]
}

fn specs() -> Vec<Input> {
    let with = |text: String| {
        let files = [
            ("dataset.toml", text.as_str()),
            ("t.csv", TABLE),
            ("r.csv", ROUTERBENCH),
        ];
        Input(
            files
                .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
                .to_vec(),
        )
    };
    vec![
        with(format!("format = \"tabular\"\npath = \"t.csv\"\n{WIDE}\n")),
        with(format!("format = \"tabular\"\npath = 't.csv'\nlimit = 2\nmodels = [\"m\"]\n{MASKED}\n")),
        with(
            "format = \"routerbench\"\npath = \"r.csv\"\nname = \"x\"\nmissing = \"drop-query\"\nquality_scale = 1\n\
             exclude_models = [\"large\"]\nsample = 1\ntasks = [\"t\", \"u\"]\nscale_cost = { small = 2.5 }\n"
                .to_owned(),
        ),
        with(
            "format = \"routerbench\"\npath = \"r.csv\"\ngroup = \"prompt\"\nquality_scale = { small = 100, large = 1.0 }\n\
             cost = { kind = \"per-call\", unit = \"cents\", models = { small = 1, large = 5 } }\n"
                .to_owned(),
        ),
    ]
}

fn embeddings() -> Vec<Input> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("t.safetensors");
    let ids = ["a", "b", "c"].map(str::to_owned);
    let values = Array2::from_shape_fn((3, 4), |(row, column)| row as f32 - 0.5 * column as f32);
    let embeddings = Embeddings::new(values, "fuzz").expect("finite numbers");
    let written = [Precision::F16, Precision::F32].map(|precision| {
        embeddings
            .write(&path, &ids, precision)
            .expect("a temporary file");
        Input::one("t.safetensors", fs::read(&path).expect("just written"))
    });
    written.to_vec()
}

/// One target per registered router: its archive is read, loaded and asked.
fn archives(fitted: &Path) -> Vec<Target> {
    let (_, queries) = routers::data(3, 2);
    let mut targets = Vec::new();
    for info in Registry::default().routers() {
        let seed = Input::folder(&fitted.join(info.kind)).expect("every router was stored");
        let queries = queries.clone();
        let backend = Backend::from_name("flex").expect("it is always there");
        targets.push(Target {
            bound: (ROUTER_TIMES, ROUTER_PLUS),
            share: 5,
            ..Target::new(format!("router-{}", info.kind), vec![seed], move |folder| {
                let router = match Archive::read(folder)
                    .and_then(|archive| Registry::default().load(&archive, &backend))
                {
                    Ok(router) => router,
                    Err(error) => return Outcome::from(Err::<(), _>(error)),
                };
                match router.predict(&queries) {
                    // Another number of models is another router; a number that is none would be one too many.
                    Ok(scores) => match routelab_eval::choose(
                        &scores,
                        f64::INFINITY,
                        &routelab_eval::Rule {
                            decision: router.decision(),
                            ..Default::default()
                        },
                    )
                    .len()
                    {
                        2 => Outcome::Accepted,
                        other => Outcome::Wrong(format!("{other} choices for 2 queries")),
                    },
                    Err(error) => Outcome::from(Err::<(), _>(error)),
                }
            })
        });
    }
    targets
}

fn images() -> Vec<Target> {
    use image::{DynamicImage, ImageFormat, Rgb, Rgb32FImage};
    let paint = |width: u32, height: u32| {
        DynamicImage::from(Rgb32FImage::from_fn(width, height, |x, y| {
            Rgb([
                x as f32 / width as f32,
                y as f32 / height as f32,
                ((x * y) % 7) as f32 / 7.0,
            ])
        }))
    };
    let small = paint(24, 17);
    let kinds: [(&str, ImageFormat, Vec<DynamicImage>); 5] = [
        (
            "png",
            ImageFormat::Png,
            vec![
                small.to_rgb8().into(),
                small.to_luma8().into(),
                small.to_rgba8().into(),
                small.to_rgb16().into(),
                paint(1, 1).to_luma_alpha8().into(),
            ],
        ),
        (
            "jpeg",
            ImageFormat::Jpeg,
            vec![
                small.to_rgb8().into(),
                small.to_luma8().into(),
                paint(70, 9).to_rgb8().into(),
            ],
        ),
        (
            "gif",
            ImageFormat::Gif,
            vec![small.to_rgba8().into(), paint(5, 30).to_rgba8().into()],
        ),
        (
            "webp",
            ImageFormat::WebP,
            vec![small.to_rgb8().into(), small.to_rgba8().into()],
        ),
        (
            "bmp",
            ImageFormat::Bmp,
            vec![
                small.to_rgb8().into(),
                small.to_rgba8().into(),
                small.to_luma8().into(),
            ],
        ),
    ];
    let mut targets = Vec::new();
    for (name, format, pictures) in kinds {
        let mut seeds: Vec<Input> = pictures
            .iter()
            .map(|picture| {
                let mut bytes = std::io::Cursor::new(Vec::new());
                picture
                    .write_to(&mut bytes, format)
                    .expect("the format has this kind of pixel");
                Input::one("image", bytes.into_inner())
            })
            .collect();
        if name == "jpeg" {
            let shipped = repository().join("datasets/logicvista/images/v1_246.jpg");
            seeds.push(Input::one(
                "image",
                fs::read(shipped).expect("the images are shipped"),
            ));
        }
        targets.push(Target {
            bound: (IMAGE_TIMES, IMAGE_PLUS),
            ..Target::new(format!("image-{name}"), seeds, |folder| {
                let path = folder.join("image");
                let query = Query {
                    text: "",
                    image: Some(&path),
                };
                match ImageStatistics::default().encode(&[query]) {
                    Ok(rows) if rows.iter().all(|value| value.is_finite()) => Outcome::Accepted,
                    Ok(_) => Outcome::Wrong("an embedding that is not finite".to_owned()),
                    Err(error) => Outcome::from(Err::<(), _>(error)),
                }
            })
        });
    }
    targets
}

/// Every target whose name begins with `only`. `prepared` holds what [`prepare`] wrote; `program` is the built program.
pub fn all(prepared: &Path, program: Option<&Path>, only: &str) -> Vec<Target> {
    let mut targets = readers();
    targets.extend(archives(&prepared.join("routers")));
    targets.extend(images());
    if let Some(program) = program {
        targets.extend(programs::targets(program, prepared));
    }
    targets.retain(|target| target.name.starts_with(only));
    targets
}

/// Fits the routers and runs an experiment, whose files are the seeds of some targets.
pub fn prepare(prepared: &Path, program: Option<&Path>) {
    routers::fit_all(&prepared.join("routers"));
    if let Some(program) = program {
        programs::prepare(program, prepared);
    }
}
