//! What the program prints: progress bars on a terminal, plain lines elsewhere, JSON for scripts.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How much to print.
#[derive(Clone, Copy)]
pub struct Output {
    quiet: bool,
    json: bool,
}

impl Output {
    /// `quiet` leaves out progress and summaries; `json` prints results as JSON only.
    pub fn new(quiet: bool, json: bool) -> Self {
        Self { quiet, json }
    }

    /// A line of progress, on standard error.
    pub fn note(&self, line: impl AsRef<str>) {
        if !self.quiet {
            eprintln!("{}", line.as_ref());
        }
    }

    /// The result of the command for a reader, on standard output.
    pub fn say(&self, text: impl AsRef<str>) {
        if !self.quiet && !self.json {
            println!("{}", text.as_ref());
        }
    }

    /// The result of the command for a program, on standard output.
    pub fn result(&self, value: &serde_json::Value) {
        if self.json {
            println!("{value:#}");
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
