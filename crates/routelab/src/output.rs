//! What the program prints: progress bars on a terminal, plain lines elsewhere, JSON for scripts.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::Mutex;
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
}

impl Output {
    /// `quiet` leaves out progress and summaries; `json` prints results as JSON only.
    pub fn new(quiet: bool, json: bool) -> Self {
        Self {
            quiet,
            json,
            closed: Mutex::new(None),
        }
    }

    /// A line of progress, on standard error.
    pub fn note(&self, line: impl AsRef<str>) {
        if !self.quiet {
            to_stderr(line.as_ref());
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

    /// A bar over `steps` thousandths of work with the time left; hidden unless standard error is a terminal.
    pub fn bar(&self, length: u64) -> ProgressBar {
        if self.quiet || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let style =
            ProgressStyle::with_template("{bar:30} {percent:>3} %  {elapsed} + {eta} left  {msg}")
                .expect("the template is a constant");
        let bar = ProgressBar::new(length).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(250));
        bar
    }
}

/// An error for the user, on standard error.
pub fn error(failure: &Failure) {
    to_stderr(&format!("error: {}", failure.told()));
}

/// Where standard error is closed there is nobody to tell.
fn to_stderr(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
