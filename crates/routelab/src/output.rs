//! What the program prints: progress bars on a terminal, plain lines elsewhere, JSON for scripts.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::{Failure, Outcome};

/// How much to print, and where it could not be printed.
///
/// This is the only place that prints. A reader who has seen enough, such as `head`, closes the pipe: then nothing more is
/// printed, and the work goes on to its end.
pub struct Output {
    quiet: bool,
    json: bool,
    /// Why standard output takes no more.
    closed: Mutex<Option<io::Error>>,
    /// Remarks that were made.
    remarks: Mutex<HashSet<String>>,
    watch: Watch,
}

/// How another program looks on while something runs, and stops it.
#[derive(Clone, Default)]
pub struct Watch {
    told: Option<Arc<Listener>>,
    stopped: Arc<AtomicBool>,
}

/// Who is told.
type Listener = dyn Fn(Told) + Send + Sync;

/// What a [`Watch`] is told, from any thread.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// Something to know, in a line.
    Note(&'a str),
    /// How far the work is.
    Step {
        /// Parts that are done.
        done: u64,
        /// All parts, in the same unit.
        of: u64,
        /// What is being worked on.
        what: &'a str,
    },
}

/// What work that was stopped unwinds with.
struct Stopped;

impl Watch {
    /// One that hears what happens.
    pub fn new(told: impl Fn(Told) + Send + Sync + 'static) -> Self {
        Self::default().telling(told)
    }

    /// The same with another listener: what stops one stops both.
    #[must_use]
    pub fn telling(self, told: impl Fn(Told) + Send + Sync + 'static) -> Self {
        Self {
            told: Some(Arc::new(told)),
            ..self
        }
    }

    /// Stops the work soon: it fails, and leaves what is finished where it can be taken up.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it was told to stop.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Work that can be stopped: it then fails, however deep inside it was left by [`Watch::leave_if_stopped`].
    ///
    /// # Errors
    ///
    /// Those of the work.
    pub fn run<T>(&self, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        match std::panic::catch_unwind(AssertUnwindSafe(work)) {
            Ok(done) => done,
            Err(panic) if panic.is::<Stopped>() => Err(stopped()),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Leaves [`Watch::run`] from inside, where nothing can be returned, if the work shall stop.
    pub fn leave_if_stopped(&self) {
        if self.is_stopped() {
            std::panic::resume_unwind(Box::new(Stopped));
        }
    }

    /// Tells how far the work is: so many parts `of` all are done.
    pub fn step(&self, done: u64, of: u64, what: &str) {
        self.tell(Told::Step { done, of, what });
    }

    fn tell(&self, told: Told) {
        if let Some(listener) = &self.told {
            listener(told);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Watch")
            .field("stopped", &self.is_stopped())
            .finish_non_exhaustive()
    }
}

impl Output {
    /// `quiet` leaves out progress and summaries; `json` prints results as JSON only.
    pub fn new(quiet: bool, json: bool) -> Self {
        Self {
            quiet,
            json,
            closed: Mutex::new(None),
            remarks: Mutex::default(),
            watch: Watch::default(),
        }
    }

    /// The same with someone who looks on.
    pub fn watched(self, watch: &Watch) -> Self {
        Self {
            watch: watch.clone(),
            ..self
        }
    }

    /// An error if the work shall stop.
    pub fn go_on(&self) -> Outcome {
        if self.watch.is_stopped() {
            return Err(stopped());
        }
        Ok(())
    }

    /// [`Watch::leave_if_stopped`].
    pub fn leave_if_stopped(&self) {
        self.watch.leave_if_stopped();
    }

    /// A line of progress, on standard error.
    pub fn note(&self, line: impl AsRef<str>) {
        self.watch.tell(Told::Note(line.as_ref()));
        if !self.quiet {
            to_stderr(line.as_ref());
        }
    }

    /// A line about the data that holds wherever they are used: many runs on the same table say it once.
    pub fn remark(&self, line: impl AsRef<str>) {
        let line = line.as_ref();
        let mut remarks = (self.remarks.lock()).unwrap_or_else(PoisonError::into_inner);
        if remarks.insert(line.to_owned()) {
            self.note(line);
        }
    }

    /// The result of the command for a reader, on standard output.
    pub fn say(&self, text: impl AsRef<str>) {
        if !self.quiet && !self.json {
            self.print(text.as_ref());
        }
    }

    /// The result of the command for a program, on standard output.
    pub fn result(&self, value: &serde_json::Value) {
        if self.json {
            self.print(&format!("{value:#}"));
        }
    }

    /// Lines that are the result for readers and programs alike, such as a table as CSV, on standard output.
    pub fn lines(&self, text: &str) {
        self.print(text.strip_suffix('\n').unwrap_or(text));
    }

    /// Whether the result shall be JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    fn print(&self, text: &str) {
        let mut closed = self
            .closed
            .lock()
            .unwrap_or_else(|error| error.into_inner());
        if closed.is_none() {
            let mut out = io::stdout().lock();
            *closed = writeln!(out, "{text}").and_then(|()| out.flush()).err();
        }
    }

    /// Whether everything was printed, or at least everything that was asked for.
    ///
    /// # Errors
    /// Where standard output did not take what was printed, for another reason than that its reader has gone.
    pub fn finish(self) -> Outcome {
        let closed = self
            .closed
            .into_inner()
            .unwrap_or_else(|error| error.into_inner());
        match closed {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Failure::failed(anyhow::anyhow!(
                    "cannot write to standard output: {error}\nhelp: check that the disk has room"
                )))
            }
            _ => Ok(()),
        }
    }

    /// A bar over `length` parts of work with the time left; hidden unless standard error is a terminal.
    pub fn bar(&self, length: u64) -> Bar<'_> {
        let shown = !self.quiet && io::stderr().is_terminal();
        let bar = if shown {
            let style = ProgressStyle::with_template(
                "{bar:30} {percent:>3} %  {elapsed} + {eta} left  {msg}",
            )
            .expect("the template is a constant");
            let bar = ProgressBar::new(length).with_style(style);
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        } else {
            ProgressBar::hidden()
        };
        Bar {
            bar,
            watch: &self.watch,
            length,
            place: Mutex::default(),
        }
    }
}

/// How far the work is: for the terminal, and for whoever looks on.
pub struct Bar<'a> {
    bar: ProgressBar,
    watch: &'a Watch,
    length: u64,
    place: Mutex<(u64, String)>,
}

impl Bar<'_> {
    /// So much more is done.
    pub fn inc(&self, parts: u64) {
        self.bar.inc(parts);
        self.tell(|place| place.0 += parts);
    }

    /// So much is done.
    pub fn set_position(&self, parts: u64) {
        self.bar.set_position(parts);
        self.tell(|place| place.0 = parts);
    }

    /// What is being worked on.
    pub fn set_message(&self, what: impl Into<String>) {
        let what = what.into();
        self.bar.set_message(what.clone());
        self.tell(|place| place.1 = what);
    }

    /// Whether nobody sees it.
    pub fn is_hidden(&self) -> bool {
        self.bar.is_hidden() && self.watch.told.is_none()
    }

    /// Takes it away.
    pub fn finish_and_clear(&self) {
        self.bar.finish_and_clear();
    }

    fn tell(&self, change: impl FnOnce(&mut (u64, String))) {
        let mut place: MutexGuard<(u64, String)> =
            self.place.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut place);
        self.watch.step(place.0, self.length, &place.1);
    }
}

/// What work that was stopped fails with.
fn stopped() -> Failure {
    Failure::failed(anyhow::anyhow!("stopped"))
}

/// An error for the user, on standard error.
pub fn error(failure: &Failure) {
    to_stderr(&format!("error: {}", failure.told()));
}

/// Where standard error is closed there is nobody to tell.
fn to_stderr(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_are_made_once_and_progress_is_always_told() {
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = told.clone();
        let watch = Watch::new(move |told| {
            if let Told::Note(line) = told {
                heard.lock().unwrap().push(line.to_owned());
            }
        });
        let output = Output::new(true, false).watched(&watch);
        for _ in 0..2 {
            output.remark("2 prompts are equal");
            output.note("evaluating");
            output.remark("3 prompts are equal");
        }
        assert_eq!(
            *told.lock().unwrap(),
            [
                "2 prompts are equal",
                "evaluating",
                "3 prompts are equal",
                "evaluating"
            ]
        );
    }
}
