//! Feeds spoilt files to every reader of the project, and keeps what makes one panic, run away or take too much memory.
//!
//! ```sh
//! cargo build --release && cargo run --release --example fuzz -- --seconds 60
//! cargo run --release --example fuzz -- --replay tests/fixtures/fuzz/FILE
//! ```
//!
//! Every core has a worker process, which feeds one input at a time, so that its memory is that input's; a worker that is killed
//! by an input is a finding, too. Input number n of a worker follows from the seed alone.

mod input;
mod judge;
mod mutate;
mod programs;
mod routers;
mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use clap::Parser;
use routelab_data::write_atomically;
use serde::{Deserialize, Serialize};

use input::{Input, Place};
use judge::{judge, limit_memory, listen_to_panics};
use targets::{Target, all, prepare};

/// An input that takes longer is a finding.
const SLOWEST: f64 = 30.0;
/// A worker that feeds one input for longer is stopped.
const STUCK: Duration = Duration::from_secs(120);
/// Memory of a worker.
const MEMORY: usize = 3 << 30;
/// Findings of one kind that are kept.
const KEPT: usize = 2;

/// Feeds spoilt files to every reader; exit code 1 when there is a finding.
#[derive(Parser)]
struct Args {
    /// How long.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Another seed gives other inputs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the targets whose names begin with this.
    #[arg(long, default_value = "")]
    only: String,
    /// Feed this finding once more.
    #[arg(long)]
    replay: Option<PathBuf>,
    /// Where findings are written.
    #[arg(long, default_value = "fuzz-findings")]
    findings: PathBuf,
    /// Worker processes; one per core by default.
    #[arg(long)]
    workers: Option<usize>,
    /// Internal: the lane of a worker.
    #[arg(long, hide = true)]
    lane: Option<u64>,
    /// Internal: what was prepared for the workers.
    #[arg(long, hide = true)]
    prepared: Option<PathBuf>,
}

fn say(line: impl AsRef<str>) {
    let _ = writeln!(io::stdout(), "{}", line.as_ref());
}

/// The counts of one target.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Count {
    inputs: u64,
    accepted: u64,
    findings: u64,
    seconds: f64,
    slowest: f64,
    /// Most memory, in bytes.
    peak: usize,
    /// Most memory as a share of its bound.
    of_bound: f64,
}

impl Count {
    fn add(&mut self, other: &Count) {
        self.inputs += other.inputs;
        self.accepted += other.accepted;
        self.findings += other.findings;
        self.seconds += other.seconds;
        self.slowest = self.slowest.max(other.slowest);
        self.peak = self.peak.max(other.peak);
        self.of_bound = self.of_bound.max(other.of_bound);
    }
}

type Counts = BTreeMap<String, Count>;

/// The program beside this example.
fn program() -> Option<PathBuf> {
    let here = std::env::current_exe().ok()?;
    let program = here
        .parent()?
        .parent()?
        .join(format!("routelab{}", std::env::consts::EXE_SUFFIX));
    program.exists().then_some(program)
}

fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    if let (Some(lane), Some(prepared)) = (args.lane, &args.prepared) {
        work(&args, lane, prepared)?;
        return Ok(ExitCode::SUCCESS);
    }
    // In memory where the system has such a folder: millions of small files are written.
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() {
        tempfile::tempdir_in(memory)?
    } else {
        tempfile::tempdir()?
    };
    if program().is_none() {
        say(
            "the program is not built: experiment files, predictions and run folders are left out (cargo build --release)",
        );
    }
    prepare(place.path(), program().as_deref());
    match &args.replay {
        Some(file) => replay(file, place.path()),
        None => fuzz(&args, place.path()),
    }
}

fn replay(file: &Path, prepared: &Path) -> io::Result<ExitCode> {
    let Some((name, input)) = Input::from_bytes(&fs::read(file)?) else {
        say(format!("{} is not a finding", file.display()));
        return Ok(ExitCode::FAILURE);
    };
    let targets = all(prepared, program().as_deref(), &name);
    let Some(target) = targets.iter().find(|target| target.name == name) else {
        say(format!("there is no target {name}"));
        return Ok(ExitCode::FAILURE);
    };
    limit_memory(MEMORY);
    let folder = prepared.join("replay");
    let verdict = judge(target, &input, &mut Place::new(&folder)?);
    let found = match (&verdict.finding, verdict.accepted) {
        (Some((_, detail)), _) => detail,
        (None, true) => "accepted",
        (None, false) => "refused",
    };
    say(format!(
        "{name}: {found} ({:.3} s, {} bytes of memory)",
        verdict.seconds, verdict.peak
    ));
    Ok(if verdict.finding.is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Feeds inputs in turn until the time is over.
fn work(args: &Args, lane: u64, prepared: &Path) -> io::Result<()> {
    listen_to_panics();
    let targets = all(prepared, program().as_deref(), &args.only);
    let mut progress = fs::File::create(prepared.join(format!("progress-{lane}")))?;
    let folders: Vec<PathBuf> = (0..targets.len())
        .map(|at| prepared.join(format!("lane-{lane}/{at}")))
        .collect();
    let mut places: Vec<Place> = folders
        .iter()
        .map(|folder| Place::new(folder))
        .collect::<io::Result<_>>()?;
    let mut counts: Vec<Count> = vec![Count::default(); targets.len()];
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    limit_memory(MEMORY);
    let end = Instant::now() + Duration::from_secs(args.seconds);
    while Instant::now() < end {
        for (at, target) in targets.iter().enumerate() {
            let slice = Instant::now() + Duration::from_millis(10 * u64::from(target.share));
            loop {
                let count = &mut counts[at];
                let number = count.inputs;
                progress.seek(SeekFrom::Start(0))?;
                progress.write_all(&[(at as u64).to_le_bytes(), number.to_le_bytes()].concat())?;
                let input = judge::input(target, args.seed, lane, number);
                let mut verdict = judge(target, &input, &mut places[at]);
                if verdict.finding.is_none() && verdict.seconds > SLOWEST {
                    verdict.finding = Some(("slow".to_owned(), format!("{} s", verdict.seconds)));
                }
                let (times, plus) = target.bound;
                let bound = times.saturating_mul(input.len()).saturating_add(plus);
                count.add(&Count {
                    inputs: 1,
                    accepted: verdict.accepted.into(),
                    findings: verdict.finding.is_some().into(),
                    seconds: verdict.seconds,
                    slowest: verdict.seconds,
                    peak: if target.process { 0 } else { verdict.peak },
                    of_bound: verdict.peak as f64 / bound as f64,
                });
                if let Some((kind, detail)) = verdict.finding {
                    let seen = kinds.entry(format!("{}: {kind}", target.name)).or_default();
                    *seen += 1;
                    if *seen <= KEPT {
                        keep(&args.findings, target, &input, (lane, number), &detail)?;
                    }
                }
                if Instant::now() >= slice {
                    break;
                }
            }
            let counts: Counts = targets
                .iter()
                .map(|target| target.name.clone())
                .zip(counts.iter().cloned())
                .collect();
            let path = prepared.join(format!("counts-{lane}"));
            write_atomically(&path, &serde_json::to_vec(&counts)?)?;
        }
    }
    Ok(())
}

fn keep(
    findings: &Path,
    target: &Target,
    input: &Input,
    (lane, number): (u64, u64),
    detail: &str,
) -> io::Result<()> {
    fs::create_dir_all(findings)?;
    let path = findings.join(format!("{}-{lane}-{number}.fuzz", target.name));
    fs::write(&path, input.to_bytes(&target.name))?;
    say(format!(
        "FOUND {}: {}\n  cargo run --release --example fuzz -- --replay {}",
        target.name,
        detail.trim(),
        path.display()
    ));
    Ok(())
}

/// A worker and what it was last seen at.
struct Worker {
    child: Child,
    lane: u64,
    seen: (Vec<u8>, Instant),
}

fn fuzz(args: &Args, prepared: &Path) -> io::Result<ExitCode> {
    let targets = all(prepared, program().as_deref(), &args.only);
    if targets.is_empty() {
        say(format!("no target begins with {:?}", args.only));
        return Ok(ExitCode::FAILURE);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = args.workers.unwrap_or(cores).max(1) as u64;
    let start = Instant::now();
    let spawn = |lane: u64| -> io::Result<Worker> {
        let left = args.seconds.saturating_sub(start.elapsed().as_secs());
        let child = Command::new(std::env::current_exe()?)
            .args([
                "--lane",
                &lane.to_string(),
                "--seconds",
                &left.to_string(),
                "--seed",
                &args.seed.to_string(),
            ])
            .args(["--only", &args.only])
            .arg("--findings")
            .arg(&args.findings)
            .arg("--prepared")
            .arg(prepared)
            .env("RAYON_NUM_THREADS", "1")
            .env("RUST_BACKTRACE", "0")
            .spawn()?;
        Ok(Worker {
            child,
            lane,
            seen: (Vec::new(), Instant::now()),
        })
    };
    let mut running: Vec<Worker> = (0..workers).map(spawn).collect::<io::Result<_>>()?;
    let mut ended = 0;
    let mut kinds = BTreeSet::new();
    while !running.is_empty() {
        std::thread::sleep(Duration::from_millis(100));
        let mut still = Vec::new();
        for mut worker in running {
            let at =
                fs::read(prepared.join(format!("progress-{}", worker.lane))).unwrap_or_default();
            if at != worker.seen.0 {
                worker.seen = (at, Instant::now());
            }
            let what = match worker.child.try_wait()? {
                Some(status) if status.success() => continue,
                Some(status) => format!("the process ended: {status}"),
                None if worker.seen.1.elapsed() < STUCK => {
                    still.push(worker);
                    continue;
                }
                None => {
                    worker.child.kill()?;
                    worker.child.wait()?;
                    format!("no end within {} s", STUCK.as_secs())
                }
            };
            ended += 1;
            if let Some((at, number)) = parse_progress(&worker.seen.0)
                && let Some(target) = targets.get(at)
            {
                let input = judge::input(target, args.seed, worker.lane, number);
                if kinds.insert((at, what.clone())) {
                    keep(&args.findings, target, &input, (worker.lane, number), &what)?;
                }
            }
            if start.elapsed().as_secs() < args.seconds {
                still.push(spawn(worker.lane + workers)?);
            }
        }
        running = still;
    }
    let mut counts = Counts::new();
    for entry in fs::read_dir(prepared)? {
        let path = entry?.path();
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("counts-"))
        {
            let of_lane: Counts = serde_json::from_slice(&fs::read(path)?)?;
            for (name, count) in of_lane {
                counts.entry(name).or_default().add(&count);
            }
        }
    }
    table(&targets, &counts, ended, start.elapsed());
    let found = ended > 0 || counts.values().any(|count| count.findings > 0);
    Ok(if found {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The target and the number that a worker was at.
fn parse_progress(bytes: &[u8]) -> Option<(usize, u64)> {
    let (at, number) = bytes.split_at_checked(8)?;
    let word = |bytes: &[u8]| Some(u64::from_le_bytes(bytes.try_into().ok()?));
    Some((usize::try_from(word(at)?).ok()?, word(number)?))
}

fn table(targets: &[Target], counts: &Counts, ended: u64, wall: Duration) {
    say(format!(
        "\n{:<24} {:>10} {:>9} {:>10} {:>10} {:>9} {:>10} {:>8} {:>8}",
        "target",
        "inputs",
        "a second",
        "accepted",
        "refused",
        "slowest",
        "memory",
        "of bound",
        "findings"
    ));
    let mut rows: Vec<(&str, Count)> = Vec::new();
    let mut sum = Count::default();
    for target in targets {
        if let Some(count) = counts.get(&target.name) {
            rows.push((&target.name, count.clone()));
            sum.add(count);
        }
    }
    rows.push(("all", sum));
    for (name, count) in rows {
        say(format!(
            "{name:<24} {:>10} {:>9.0} {:>10} {:>10} {:>7.3} s {:>6.1} MiB {:>7.1}% {:>8}",
            count.inputs,
            count.inputs as f64 / count.seconds.max(1e-9),
            count.accepted,
            count.inputs - count.accepted - count.findings,
            count.slowest,
            count.peak as f64 / f64::from(1 << 20),
            100.0 * count.of_bound,
            count.findings,
        ));
    }
    say(format!(
        "{ended} worker processes ended before their time; {:.0} s",
        wall.as_secs_f64()
    ));
}
