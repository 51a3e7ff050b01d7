//! A collection: a folder with the answers of every model of a pool to every prompt, what they cost, and their grades.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use routelab_data::{hex, read_text, write_atomically};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::calls::{Caller, Order, Progress};
use crate::error::ServiceError;
use crate::grade::{Grade, Grading, Rule, judged, question};
use crate::journal::{Answer, Calls, Journal, State, read_journal};
use crate::money::Money;
use crate::pool::{Model, Pool};
use crate::prompts::{Prompt, read_prompts};
use crate::summary::Summary;
use crate::table::{self, Cell};

/// What the folder is about.
const MARK: &str = "collection.json";
/// The prompts as they were read.
const PROMPTS: &str = "prompts.jsonl";
/// The pool's file as it was read.
const POOL: &str = "pool.toml";
/// The rules that graded.
const GRADING: &str = "grading.toml";
/// Every call of a candidate model.
const JOURNAL: &str = "journal.jsonl";
/// Every call of a judge.
const JUDGE: &str = "judge.jsonl";
/// Every score.
const GRADES: &str = "grades.jsonl";
/// The version of the folder.
const VERSION: u32 = 1;

/// What is collected.
#[derive(Clone, Debug)]
pub struct Request {
    /// The file of prompts.
    pub prompts: PathBuf,
    /// The pool's file.
    pub pool: PathBuf,
    /// The file of grading rules; by default answers are compared with the reference, exactly.
    pub grading: Option<PathBuf>,
    /// The folder.
    pub out: PathBuf,
    /// Answers of every model to every prompt, 1 or more.
    pub repetitions: u32,
    /// What is done about money and doubt.
    pub terms: Terms,
}

/// What is done about money and doubt.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// US dollars that everything in the folder may cost together, in all runs, candidates and judges.
    pub cap: Option<Money>,
    /// Whether calls are made again that nobody answered and that may have been charged.
    pub retry_unknown: bool,
}

/// The mark of a folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    version: u32,
    /// Begins the keys of all calls, so that no other collection's answers are taken for this one's.
    id: String,
    repetitions: u32,
}

/// A collection that is ready to be made or graded.
pub struct Collection {
    folder: PathBuf,
    id: String,
    repetitions: u32,
    prompts: Vec<Prompt>,
    pool: Pool,
    grading: Grading,
    calls: Calls,
    /// Open for writing unless answers are only graded.
    journal: Option<Journal>,
    terms: Terms,
    /// Bytes of cut-off lines that were taken away.
    pub cut: usize,
}

/// What a collection will take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Calls that will be made.
    pub calls: usize,
    /// Calls that are answered already.
    pub answered: usize,
    /// Calls that may have been charged, without an answer, and are not made again.
    pub unknown: usize,
    /// What the calls cost at most: every byte of a prompt a token, every answer of the largest length.
    pub at_most: Money,
    /// What their prompts cost alone, at four bytes a token.
    pub prompts: Money,
    /// What judging costs at most.
    pub judges: Money,
    /// What was paid before, candidates and judges.
    pub spent: Money,
    /// What calls without an answer may have cost beside it.
    pub possible: Money,
}

/// A line of `grades.jsonl`.
#[derive(Serialize)]
struct GradeLine<'a> {
    prompt: &'a str,
    model: &'a str,
    repetition: u32,
    /// Null where a judge said none.
    score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

impl Collection {
    /// Reads everything and opens the folder, new or with what is there. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// Files that cannot be read or do not fit each other, a folder that is something else.
    pub fn open(request: &Request) -> Result<Self, ServiceError> {
        let prompts = read_prompts(&request.prompts)?;
        let pool = Pool::read(&request.pool)?;
        let grading = request.grading.as_deref().map(Grading::read).transpose()?;
        let grading = grading.unwrap_or_default();
        grading.check(&prompts, &pool)?;
        let image = prompts.iter().find(|prompt| prompt.image.is_some());
        if let Some((prompt, model)) = image.zip(pool.model.iter().find(|model| !model.images)) {
            return Err(ServiceError::file(
                &request.pool,
                format!(
                    "the prompt {:?} has an image, and the model {:?} takes none; set `images = true` if it does, or leave it out",
                    prompt.id, model.name
                ),
            ));
        }
        // Before a folder is made: keys that are missing show at once.
        for model in pool.model.iter().chain(&pool.judge) {
            crate::client::authorisation(pool.endpoint_of(model))?;
        }
        let folder = request.out.clone();
        let mark = folder.join(MARK);
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            write_atomically(&path, bytes).map_err(|error| ServiceError::io(&path, &error))
        };
        let id = if mark.exists() {
            Mark::read(&folder)?.id
        } else {
            let mut entries = std::fs::read_dir(&folder).into_iter().flatten();
            if entries.next().is_some() {
                return Err(ServiceError::file(
                    &folder,
                    "the folder has other files in it; name a new one",
                ));
            }
            std::fs::create_dir_all(&folder).map_err(|error| ServiceError::io(&folder, &error))?;
            new_id()
        };
        let written = Mark {
            version: VERSION,
            id: id.clone(),
            repetitions: request.repetitions,
        };
        write(MARK, format!("{:#}\n", json!(written)).as_bytes())?;
        let (journal, calls, cut) = Journal::open(&folder.join(JOURNAL))?;
        let lines: String = prompts
            .iter()
            .map(|prompt| json!(prompt).to_string() + "\n")
            .collect();
        write(PROMPTS, lines.as_bytes())?;
        write(POOL, read_text(&request.pool)?.as_bytes())?;
        Ok(Self {
            folder,
            id,
            repetitions: request.repetitions.max(1),
            prompts,
            pool,
            grading,
            calls,
            journal: Some(journal),
            terms: request.terms,
            cut,
        })
    }

    /// Opens a folder to grade its answers again: by other rules, or by those that graded before.
    ///
    /// # Errors
    ///
    /// A folder that is no collection, rules that do not fit it.
    pub fn reopen(
        folder: &Path,
        grading: Option<&Path>,
        terms: Terms,
    ) -> Result<Self, ServiceError> {
        let mark = Mark::read(folder)?;
        let path = folder.join(PROMPTS);
        let lines = read_text(&path)?;
        let prompts = lines
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<Vec<Prompt>, _>>();
        let prompts = prompts.map_err(|error| ServiceError::file(&path, error))?;
        let pool = Pool::read(&folder.join(POOL))?;
        let before = folder.join(GRADING);
        let grading = match grading {
            Some(path) => Grading::read(path)?,
            None if before.exists() => Grading::read(&before)?,
            None => Grading::default(),
        };
        grading.check(&prompts, &pool)?;
        Ok(Self {
            calls: read_journal(&folder.join(JOURNAL))?,
            folder: folder.to_owned(),
            id: mark.id,
            repetitions: mark.repetitions.max(1),
            prompts,
            pool,
            grading,
            journal: None,
            terms,
            cut: 0,
        })
    }

    /// Every question: repetition by repetition and prompt by prompt, so that what is there when the money is spent is complete as
    /// far as it goes.
    fn questions(&self) -> impl Iterator<Item = (u32, &Prompt, &Model, String)> {
        (1..=self.repetitions).flat_map(move |repetition| {
            self.prompts.iter().flat_map(move |prompt| {
                self.pool.model.iter().map(move |model| {
                    let key = self.key(repetition, prompt, model);
                    (repetition, prompt, model, key)
                })
            })
        })
    }

    /// The key of a question: what is asked, where, and which time.
    fn key(&self, repetition: u32, prompt: &Prompt, model: &Model) -> String {
        let body = model.body(json!([model.system, prompt.text, prompt.image_hash]));
        let url = &self.pool.endpoint_of(model).url;
        key(&json!([
            self.id, url, body, prompt.id, model.name, repetition
        ]))
    }

    fn bound(&self, model: &Model, prompt: &Prompt) -> Money {
        let system = model.system.as_deref().unwrap_or_default();
        model.bound(&[system, &prompt.text], u64::from(prompt.image.is_some()))
    }

    /// What is left to do, and what it can cost.
    ///
    /// # Errors
    ///
    /// A journal of judges that cannot be read.
    pub fn estimate(&self) -> Result<Estimate, ServiceError> {
        let judges = self.judge_calls()?;
        let mut estimate = Estimate {
            calls: 0,
            answered: 0,
            unknown: 0,
            at_most: Money::ZERO,
            prompts: Money::ZERO,
            judges: Money::ZERO,
            spent: self.calls.spent() + judges.spent(),
            possible: self.calls.possible() + judges.possible(),
        };
        for (_, prompt, model, key) in self.questions() {
            let answer = match self.calls.state(&key) {
                State::Answered(answer) => {
                    estimate.answered += 1;
                    Some(answer)
                }
                State::Refused(_) => continue,
                _ if self.journal.is_none() => continue,
                State::Unknown if !self.again(model) => {
                    estimate.unknown += 1;
                    continue;
                }
                State::Unknown | State::Open => {
                    estimate.calls += 1;
                    estimate.at_most += self.bound(model, prompt);
                    estimate.prompts += model.prices.cost(prompt.text.len() as u64 / 4, 0);
                    None
                }
            };
            let Rule::Judge {
                judge,
                rubric,
                low,
                high,
            } = self.grading.rule(&prompt.task)
            else {
                continue;
            };
            let Some(judge) = self.pool.judge.iter().find(|model| model.name == *judge) else {
                continue;
            };
            let text = question(
                rubric,
                *low,
                *high,
                prompt,
                answer.map_or("", |answer| &answer.answer),
            );
            if answer.is_some_and(|_| {
                matches!(
                    judges.state(&self.judge_key(judge, &text)),
                    State::Answered(_)
                )
            }) {
                continue;
            }
            // An answer that is not there yet is as long as it may be.
            let unwritten = if answer.is_none() {
                model.max_tokens
            } else {
                0
            };
            let system = judge.system.as_deref().unwrap_or_default();
            estimate.judges += judge.bound(&[system, &text], 0)
                + judge
                    .prices
                    .cost(unwritten, 0)
                    .less(judge.prices.cost(0, 0));
        }
        Ok(estimate)
    }

    fn again(&self, model: &Model) -> bool {
        self.terms.retry_unknown || self.pool.endpoint_of(model).idempotent
    }

    fn judge_calls(&self) -> Result<Calls, ServiceError> {
        let path = self.folder.join(JUDGE);
        if path.exists() {
            read_journal(&path)
        } else {
            Ok(Calls::default())
        }
    }

    fn judge_key(&self, judge: &Model, text: &str) -> String {
        let url = &self.pool.endpoint_of(judge).url;
        key(&json!([
            self.id,
            url,
            judge.body(json!([judge.system, text])),
            judge.name
        ]))
    }

    /// Limits what everything in the folder may cost together.
    pub fn limit(&mut self, cap: Money) {
        self.terms.cap = Some(cap);
    }

    /// Asks what is not answered yet, grades, and writes the table, its card and a starter experiment.
    ///
    /// # Errors
    ///
    /// As [`crate::ServiceError`] says. What was answered is kept; where only the cap was in the way, it is graded and written, too.
    pub fn make(mut self, progress: Progress<'_>) -> Result<Summary, ServiceError> {
        let Some(journal) = self.journal.take() else {
            return self.grade(progress);
        };
        let calls = std::mem::take(&mut self.calls);
        let judges = self.judge_calls()?;
        let cap = self
            .terms
            .cap
            .map(|cap| cap.less(judges.spent() + judges.possible()));
        let (made, calls) = {
            let this = &self;
            let orders: Vec<Order> = self
                .questions()
                .map(|(repetition, prompt, model, key)| Order {
                    key,
                    model,
                    prompt: &prompt.id,
                    repetition,
                    reserve: this.bound(model, prompt),
                    messages: Box::new(move || prompt.messages(model.system.as_deref())),
                })
                .collect();
            let caller = Caller::new(
                &self.pool,
                self.pool.model.iter(),
                journal,
                calls,
                cap,
                self.terms.retry_unknown,
            )?;
            let made = runtime()?.block_on(caller.make(&orders, progress));
            (made, caller.into_calls())
        };
        self.calls = calls;
        match made {
            Ok(()) => self.grade(progress),
            Err(error @ ServiceError::Cap { .. }) => {
                self.grade_without_judges()?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The answers that are there, with their places.
    fn answers(&self) -> Vec<(usize, usize, &Prompt, &Answer)> {
        let models = self.pool.model.len();
        let rows = self.prompts.len();
        let found = self
            .questions()
            .enumerate()
            .filter_map(|(at, (_, prompt, _, key))| match self.calls.state(&key) {
                State::Answered(answer) => {
                    Some(((at / models) % rows, at % models, prompt, answer))
                }
                _ => None,
            });
        found.collect()
    }

    /// Grades all answers and writes everything down.
    fn grade(&self, progress: Progress<'_>) -> Result<Summary, ServiceError> {
        let answers = self.answers();
        let texts = self.judge_texts(&answers);
        let mut judges = self.judge_calls()?;
        if texts.iter().any(Option::is_some) {
            let (journal, calls, _) = Journal::open(&self.folder.join(JUDGE))?;
            let cap = self
                .terms
                .cap
                .map(|cap| cap.less(self.calls.spent() + self.calls.possible()));
            let orders: Vec<Order> = answers
                .iter()
                .zip(&texts)
                .filter_map(|((_, _, prompt, answer), asked)| {
                    let (judge, text) = asked.as_ref()?;
                    let system = judge.system.as_deref();
                    Some(Order {
                        key: self.judge_key(judge, text),
                        model: judge,
                        prompt: &prompt.id,
                        repetition: answer.repetition,
                        reserve: judge.bound(&[system.unwrap_or_default(), text], 0),
                        messages: Box::new(move || {
                            let user = json!({ "role": "user", "content": text });
                            Ok(match system {
                                None => json!([user]),
                                Some(system) => {
                                    json!([{ "role": "system", "content": system }, user])
                                }
                            })
                        }),
                    })
                })
                .collect();
            // Equal answers are judged once.
            let mut seen = std::collections::HashSet::new();
            let orders: Vec<Order> = orders
                .into_iter()
                .filter(|order| seen.insert(order.key.clone()))
                .collect();
            let caller = Caller::new(
                &self.pool,
                self.pool.judge.iter(),
                journal,
                calls,
                cap,
                self.terms.retry_unknown,
            )?;
            let made = runtime()?.block_on(caller.make(&orders, progress));
            judges = caller.into_calls();
            made?;
        }
        self.write(&answers, &texts, &judges)
    }

    /// The same with what judges said before: there is no money for more.
    fn grade_without_judges(&self) -> Result<Summary, ServiceError> {
        let answers = self.answers();
        let texts = self.judge_texts(&answers);
        self.write(&answers, &texts, &self.judge_calls()?)
    }

    /// What the judge of each answer is asked, where its rule has one.
    fn judge_texts(&self, answers: &[Placed<'_>]) -> Vec<Option<(&Model, String)>> {
        let text = |(_, _, prompt, answer): &Placed| {
            let Rule::Judge {
                judge,
                rubric,
                low,
                high,
            } = self.grading.rule(&prompt.task)
            else {
                return None;
            };
            let judge = self.pool.judge.iter().find(|model| model.name == *judge)?;
            Some((judge, question(rubric, *low, *high, prompt, &answer.answer)))
        };
        answers.iter().map(text).collect()
    }

    /// Writes grades, table, card and starter experiment.
    fn write(
        &self,
        answers: &[Placed<'_>],
        texts: &[Option<(&Model, String)>],
        judges: &Calls,
    ) -> Result<Summary, ServiceError> {
        let grades = parallel(answers.len(), |at| {
            let (_, _, prompt, answer) = &answers[at];
            let rule = self.grading.rule(&prompt.task);
            let (Rule::Judge { low, high, .. }, Some((judge, text))) = (rule, &texts[at]) else {
                return rule.grade(prompt, &answer.model, &answer.answer).map(Some);
            };
            Ok(match judges.state(&self.judge_key(judge, text)) {
                State::Answered(said) => {
                    judged(&said.answer, *low, *high).map(|score| Grade { score, note: None })
                }
                _ => None,
            })
        })?;
        let write = |name: &str, bytes: &[u8]| {
            let path = self.folder.join(name);
            write_atomically(&path, bytes).map_err(|error| ServiceError::io(&path, &error))
        };
        let mut lines = String::new();
        let mut cells: Vec<Vec<Vec<Cell>>> =
            vec![vec![Vec::new(); self.pool.model.len()]; self.prompts.len()];
        for ((row, column, prompt, answer), grade) in answers.iter().zip(&grades) {
            let line = GradeLine {
                prompt: &prompt.id,
                model: &answer.model,
                repetition: answer.repetition,
                score: grade.as_ref().map(|grade| grade.score),
                note: grade.as_ref().and_then(|grade| grade.note.as_deref()),
            };
            lines += &format!("{}\n", json!(line));
            if let Some(grade) = grade {
                cells[*row][*column].push(Cell {
                    repetition: answer.repetition,
                    quality: grade.score,
                    cost: answer.cost,
                    seconds: answer.seconds,
                    counted: answer.counted,
                });
            }
        }
        write(GRADES, lines.as_bytes())?;
        let rules = toml::to_string(&self.grading).map_err(|error| {
            ServiceError::Failed(format!("cannot write the grading rules: {error}"))
        })?;
        write(GRADING, rules.as_bytes())?;
        let mut summary = Summary {
            answered: answers.len(),
            refused: 0,
            unknown: 0,
            left: 0,
            spent: self.calls.spent(),
            possible: self.calls.possible() + judges.possible(),
            judges: judges.spent(),
            ungraded: grades.iter().filter(|grade| grade.is_none()).count(),
            failed_commands: grades
                .iter()
                .flatten()
                .filter(|grade| grade.note.is_some())
                .count(),
            table: None,
        };
        for (_, _, _, key) in self.questions() {
            match self.calls.state(&key) {
                State::Answered(_) => {}
                State::Refused(_) => summary.refused += 1,
                State::Unknown => summary.unknown += 1,
                State::Open => summary.left += 1,
            }
        }
        let card = table::Card {
            folder: &self.folder,
            prompts: &self.prompts,
            pool: &self.pool,
            grading: &self.grading,
            repetitions: self.repetitions,
        };
        summary.table = card.write(&cells, &summary)?;
        Ok(summary)
    }
}

/// An answer with its row and column, and its prompt.
type Placed<'a> = (usize, usize, &'a Prompt, &'a Answer);

impl Mark {
    fn read(folder: &Path) -> Result<Self, ServiceError> {
        let path = folder.join(MARK);
        if !path.exists() {
            return Err(ServiceError::file(
                folder,
                format!("there is no {MARK} in it, so it is no collection; name the folder of one"),
            ));
        }
        let mark: Self = serde_json::from_str(&read_text(&path)?)
            .map_err(|error| ServiceError::file(&path, error))?;
        if mark.version == VERSION {
            Ok(mark)
        } else {
            let found = mark.version;
            Err(ServiceError::file(
                &path,
                format!(
                    "the folder has version {found}, this program makes {VERSION}; collect into a new one"
                ),
            ))
        }
    }
}

/// The key of a call: 128 bits of the SHA-256 of what is asked.
fn key(asked: &serde_json::Value) -> String {
    hex(&Sha256::digest(asked.to_string())[..16])
}

/// 128 bits by chance, from the seeds of the standard library's hash tables.
fn new_id() -> String {
    let word = || RandomState::new().build_hasher().finish().to_be_bytes();
    hex(&[word(), word()].concat())
}

fn runtime() -> Result<tokio::runtime::Runtime, ServiceError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| ServiceError::Failed(format!("cannot start threads: {error}")))
}

/// Results in their order, computed on all cores. The first error ends it.
fn parallel<T: Send>(
    count: usize,
    work: impl Fn(usize) -> Result<T, ServiceError> + Sync,
) -> Result<Vec<T>, ServiceError> {
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(count.max(1));
    let next = AtomicUsize::new(0);
    let part = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return Ok(done);
            }
            match work(at) {
                Ok(result) => done.push((at, result)),
                Err(error) => {
                    next.store(count, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    };
    let parts = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(part)).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads
            .into_iter()
            .map(join)
            .collect::<Result<Vec<_>, ServiceError>>()
    })?;
    let mut all: Vec<(usize, T)> = parts.into_iter().flatten().collect();
    all.sort_by_key(|(at, _)| *at);
    Ok(all.into_iter().map(|(_, result)| result).collect())
}
