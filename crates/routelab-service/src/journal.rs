//! The journal of calls: JSON Lines to which lines are only ever added.
//!
//! What a line says is on the disk (`fsync`) before the program acts on it: the intent before a call is sent, the answer before it
//! counts as there. Lines that wait at the same time share one `fsync`. A line that a kill cut off is taken away when the journal is
//! opened again; it stands for nothing that was acted on.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::error::ServiceError;
use crate::money::Money;

/// What happened to a call. A call is known by its key, which is the same in every run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// It is about to be sent, and may cost so much.
    Sent {
        /// The call.
        key: String,
        /// The model, by its name in the pool.
        model: String,
        /// The prompt's id.
        prompt: String,
        /// Which of several answers to the same prompt, from 1.
        repetition: u32,
        /// The most that it can cost.
        reserved: Money,
        /// Whether the endpoint charges all attempts of this call together once.
        idempotent: bool,
    },
    /// It was answered.
    Answered {
        /// The call.
        key: String,
        /// What came back.
        #[serde(flatten)]
        answer: Answer,
    },
    /// It was not carried out and not charged: the connection could not be made, or the endpoint refused it. It may be sent again.
    NotCharged {
        /// The call.
        key: String,
        /// The status of the answer, where there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// Why.
        message: String,
    },
    /// Nobody knows whether it was carried out and charged: the time was over, the connection broke, or the answer was garbage.
    Unknown {
        /// The call.
        key: String,
        /// What happened.
        message: String,
    },
    /// It was refused for good, and not charged.
    Refused {
        /// The call.
        key: String,
        /// The status of the answer.
        status: u16,
        /// Why.
        message: String,
    },
}

/// What came back from a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The model, by its name in the pool.
    pub model: String,
    /// The prompt's id.
    pub prompt: String,
    /// Which of several answers to the same prompt, from 1.
    pub repetition: u32,
    /// The text of the answer.
    pub answer: String,
    /// Why it ended, such as `stop` or `length`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<String>,
    /// Tokens of the prompt, as the endpoint counted them.
    pub prompt_tokens: u64,
    /// Tokens of the answer, as the endpoint counted them.
    pub answer_tokens: u64,
    /// Whether the endpoint counted tokens. If not, the cost is the most that the call can have cost.
    pub counted: bool,
    /// What it cost.
    pub cost: Money,
    /// Seconds from the request to the whole answer, without waiting and without earlier attempts.
    pub seconds: f64,
}

impl Event {
    fn key(&self) -> &str {
        match self {
            Self::Sent { key, .. }
            | Self::Answered { key, .. }
            | Self::NotCharged { key, .. }
            | Self::Unknown { key, .. }
            | Self::Refused { key, .. } => key,
        }
    }
}

/// What is known of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// It was sent, and may have been charged with so much; nothing came back.
    Unknown,
    /// It may be sent.
    Open,
    /// It is done.
    Answered(Answer),
    /// It will not be answered.
    Refused(String),
}

/// A call.
#[derive(Debug, Default)]
struct Call {
    state: Option<State>,
    /// What earlier attempts may have cost, each for itself.
    possible: Money,
    /// What the attempt without an outcome may have cost.
    open: Option<Money>,
    /// The same of the attempt before it, where both are charged once.
    before: Option<Money>,
}

impl Call {
    fn possible(&self) -> Money {
        self.possible + self.open.unwrap_or_default()
    }

    fn not_charged(&mut self) {
        self.open = self.before.take();
    }
}

/// What is known of all calls, and of the money.
#[derive(Debug, Default)]
pub struct Calls {
    calls: HashMap<String, Call>,
    spent: Money,
    possible: Money,
}

impl Calls {
    /// What is known of a call; a call that is not known may be sent.
    pub fn state(&self, key: &str) -> &State {
        let call = self.calls.get(key);
        call.and_then(|call| call.state.as_ref())
            .unwrap_or(&State::Open)
    }

    /// What the answered calls cost.
    pub fn spent(&self) -> Money {
        self.spent
    }

    /// What calls without an outcome may have cost, those that are under way among them.
    pub fn possible(&self) -> Money {
        self.possible
    }

    /// What the account would hold if a call was sent now.
    pub fn with(&self, key: &str, reserved: Money, idempotent: bool) -> Money {
        let open = self.calls.get(key).and_then(|call| call.open);
        let again = open.filter(|_| idempotent).unwrap_or_default();
        (self.spent + self.possible + reserved).less(again)
    }

    /// Takes an event in.
    pub fn add(&mut self, event: &Event) {
        let call = self.calls.entry(event.key().to_owned()).or_default();
        let before = call.possible();
        match event {
            Event::Sent {
                reserved,
                idempotent,
                ..
            } => {
                let open = call.open.take();
                if *idempotent {
                    call.before = open;
                } else {
                    call.possible += open.unwrap_or_default();
                }
                call.open = Some(*reserved);
                call.state = Some(State::Unknown);
            }
            Event::Answered { answer, .. } => {
                call.open = None;
                self.spent += answer.cost;
                call.state = Some(State::Answered(answer.clone()));
            }
            Event::NotCharged { .. } => {
                call.not_charged();
                call.state = Some(if call.possible() == Money::ZERO && call.open.is_none() {
                    State::Open
                } else {
                    State::Unknown
                });
            }
            Event::Unknown { .. } => call.state = Some(State::Unknown),
            Event::Refused { message, .. } => {
                call.not_charged();
                call.state = Some(State::Refused(message.clone()));
            }
        }
        self.possible = self.possible.less(before) + call.possible();
    }
}

/// Lines that are to be written, and who waits for them.
type Line = (String, oneshot::Sender<Result<(), String>>);

/// A journal that is open for writing. One process at a time has it.
#[derive(Debug)]
pub struct Journal {
    lines: mpsc::Sender<Line>,
    path: PathBuf,
}

impl Journal {
    /// Opens a journal, or begins one, and says what is in it, and how many bytes of a cut-off line were taken away.
    ///
    /// # Errors
    ///
    /// A file that cannot be opened or is another process's; a line in the middle that is none of a journal.
    pub fn open(path: &Path) -> Result<(Self, Calls, usize), ServiceError> {
        let failed = |error: &std::io::Error| ServiceError::io(path, error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|error| failed(&error))?;
        file.try_lock().map_err(|_| {
            ServiceError::file(
                path,
                "another process works on this folder; wait for its end",
            )
        })?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|error| failed(&error))?;
        let whole = bytes
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |end| end + 1);
        let calls = replay(path, &bytes[..whole])?;
        let cut = bytes.len() - whole;
        file.set_len(whole as u64).map_err(|error| failed(&error))?;
        file.seek(SeekFrom::End(0))
            .map_err(|error| failed(&error))?;
        file.sync_all().map_err(|error| failed(&error))?;
        let (lines, waiting) = mpsc::channel();
        std::thread::spawn(move || write(file, &waiting));
        let path = path.to_owned();
        Ok((Self { lines, path }, calls, cut))
    }

    /// Adds a line, and waits until it is on the disk.
    ///
    /// # Errors
    ///
    /// A disk that is full, or gone.
    pub async fn add(&self, event: &Event) -> Result<(), ServiceError> {
        let mut line = serde_json::to_string(event).expect("events are JSON");
        line.push('\n');
        let (done, wait) = oneshot::channel();
        let gone = || "its writer has ended".to_owned();
        let sent = self.lines.send((line, done)).map_err(|_| gone());
        let written = match sent {
            Ok(()) => wait.await.unwrap_or_else(|_| Err(gone())),
            Err(error) => Err(error),
        };
        written.map_err(|error| {
            ServiceError::Failed(format!(
                "cannot write {}: {error}; nothing more is sent; make room, and give the same command again",
                self.path.display()
            ))
        })
    }
}

/// Writes lines as they come; those that wait together with one `fsync`. After an error nothing is written any more, so that no line
/// follows a broken one.
fn write(mut file: File, waiting: &mpsc::Receiver<Line>) {
    let mut broken = None;
    while let Ok(first) = waiting.recv() {
        let mut lines = vec![first];
        lines.extend(waiting.try_iter());
        let bytes: String = lines.iter().map(|(line, _)| line.as_str()).collect();
        if broken.is_none() {
            let written = file
                .write_all(bytes.as_bytes())
                .and_then(|()| file.sync_data());
            broken = written.err().map(|error| error.to_string());
        }
        for (_, done) in lines {
            // Whoever waited may have gone.
            let _ = done.send(broken.clone().map_or(Ok(()), Err));
        }
    }
}

/// What the lines say.
fn replay(path: &Path, bytes: &[u8]) -> Result<Calls, ServiceError> {
    let mut calls = Calls::default();
    for (number, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
        if line.is_empty() {
            continue;
        }
        let event: Event = serde_json::from_slice(line).map_err(|error| {
            ServiceError::file(
                path,
                format!("line {number} is none of a journal: {error}; put back the file as it was, or take the line away"),
            )
        })?;
        calls.add(&event);
    }
    Ok(calls)
}

/// Reads a journal without opening it for writing.
///
/// # Errors
///
/// As [`Journal::open`].
pub fn read_journal(path: &Path) -> Result<Calls, ServiceError> {
    let bytes = std::fs::read(path).map_err(|error| ServiceError::file(path, error))?;
    let whole = bytes
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |end| end + 1);
    replay(path, &bytes[..whole])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dollars(amount: f64) -> Money {
        Money::from_dollars(amount).unwrap()
    }

    fn sent(key: &str, reserved: f64, idempotent: bool) -> Event {
        Event::Sent {
            key: key.to_owned(),
            model: "m".to_owned(),
            prompt: "1".to_owned(),
            repetition: 1,
            reserved: dollars(reserved),
            idempotent,
        }
    }

    fn answered(key: &str, cost: f64) -> Event {
        let answer = Answer {
            model: "m".to_owned(),
            prompt: "1".to_owned(),
            repetition: 1,
            answer: "yes\nno".to_owned(),
            finish: None,
            prompt_tokens: 1,
            answer_tokens: 2,
            counted: true,
            cost: dollars(cost),
            seconds: 0.5,
        };
        let key = key.to_owned();
        Event::Answered { key, answer }
    }

    fn unknown(key: &str) -> Event {
        Event::Unknown {
            key: key.to_owned(),
            message: "timed out".to_owned(),
        }
    }

    fn not_charged(key: &str) -> Event {
        Event::NotCharged {
            key: key.to_owned(),
            status: Some(429),
            message: "slow down".to_owned(),
        }
    }

    #[test]
    fn money_of_attempts_without_an_outcome_stays_in_the_account() {
        let mut calls = Calls::default();
        let account = |calls: &Calls| (calls.spent().dollars(), calls.possible().dollars());
        calls.add(&sent("a", 3.0, false));
        assert_eq!(account(&calls), (0.0, 3.0));
        assert_eq!(calls.with("b", dollars(1.0), false), dollars(4.0));
        calls.add(&not_charged("a"));
        assert_eq!(account(&calls), (0.0, 0.0));
        assert_eq!(calls.state("a"), &State::Open);
        calls.add(&sent("a", 3.0, false));
        calls.add(&unknown("a"));
        assert_eq!(calls.state("a"), &State::Unknown);
        // Another attempt may be charged beside the first one.
        assert_eq!(calls.with("a", dollars(3.0), false), dollars(6.0));
        calls.add(&sent("a", 3.0, false));
        calls.add(&answered("a", 1.0));
        assert_eq!(account(&calls), (1.0, 3.0));
        // An endpoint that keeps to idempotency keys charges both once.
        calls.add(&sent("b", 2.0, true));
        calls.add(&unknown("b"));
        assert_eq!(calls.with("b", dollars(2.0), true), dollars(6.0));
        calls.add(&sent("b", 2.0, true));
        calls.add(&not_charged("b"));
        assert_eq!(calls.state("b"), &State::Unknown);
        assert_eq!(account(&calls), (1.0, 5.0));
        calls.add(&sent("b", 2.0, true));
        calls.add(&answered("b", 0.5));
        assert_eq!(account(&calls), (1.5, 3.0));
    }

    #[test]
    fn a_journal_that_was_cut_anywhere_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let events = [
            sent("a", 1.0, false),
            answered("a", 0.25),
            sent("b", 1.0, true),
            unknown("b"),
        ];
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let (journal, calls, cut) = Journal::open(&path).unwrap();
        assert_eq!((calls.spent(), cut), (Money::ZERO, 0));
        assert!(Journal::open(&path).is_err(), "two processes have it");
        for event in &events {
            runtime.block_on(journal.add(event)).unwrap();
        }
        drop(journal);
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.iter().filter(|&&byte| byte == b'\n').count(), 4);
        for length in 0..=bytes.len() {
            let path = folder.path().join(format!("{length}.jsonl"));
            std::fs::write(&path, &bytes[..length]).unwrap();
            let (journal, calls, cut) = Journal::open(&path).unwrap();
            let whole = bytes[..length]
                .iter()
                .filter(|&&byte| byte == b'\n')
                .count();
            assert_eq!(calls.spent(), dollars(if whole >= 2 { 0.25 } else { 0.0 }));
            assert_eq!(cut == 0, length == 0 || bytes[length - 1] == b'\n');
            runtime.block_on(journal.add(&events[0])).unwrap();
            let lines = std::fs::read_to_string(&path).unwrap();
            assert_eq!(lines.lines().count(), whole + 1, "{lines}");
            assert!(read_journal(&path).is_ok());
        }
        std::fs::write(&path, [&b"nonsense\n"[..], &bytes].concat()).unwrap();
        let error = Journal::open(&path).unwrap_err().to_string();
        assert!(error.contains("line 1 is none of a journal"), "{error}");
    }
}
