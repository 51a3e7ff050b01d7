//! Long work beside Python: it runs without the interpreter's lock, shows how far it is, and stops on Ctrl-C.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use routelab::{Error as Failure, Told, Watch};
use routelab_heads::Backend;

use crate::errors::{raised, refused};

/// The backend of a name, as `--backend` takes it.
pub fn backend(name: &str) -> PyResult<Backend> {
    Backend::from_name(name).map_err(refused)
}

/// How often Python looks whether it shall stop, and shows how far the work is.
const INTERVAL: Duration = Duration::from_millis(100);

/// What the work has told and Python has not shown.
#[derive(Default)]
struct State {
    finished: bool,
    step: Option<(u64, u64, String)>,
    notes: Vec<String>,
}

/// Sets `finished` when the work ends, even by a panic.
struct Finish<'a>(&'a (Mutex<State>, Condvar));

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        locked(&self.0.0).finished = true;
        self.0.1.notify_all();
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does work on so many `cells` of matrices: where it is done in a moment without a thread of its own, whose memory would all be new.
///
/// # Errors
///
/// As [`detached`].
pub fn brief<T: Send>(
    py: Python<'_>,
    cells: usize,
    work: impl FnOnce() -> Result<T, Failure> + Send,
) -> PyResult<T> {
    const MANY: usize = 5_000_000;
    if cells < MANY {
        return py.detach(work).map_err(raised);
    }
    detached(py, None, |_| work())
}

/// Does the work in a thread of its own. `progress`: what the caller gave for it (`None`, a boolean or a function).
///
/// # Errors
///
/// `KeyboardInterrupt` after Ctrl-C, when the work has stopped; what `progress` raises; the work's own error.
pub fn detached<T: Send>(
    py: Python<'_>,
    progress: Option<Bound<'_, PyAny>>,
    work: impl FnOnce(&Watch) -> Result<T, Failure> + Send,
) -> PyResult<T> {
    let shown = py
        .import("routelab._progress")?
        .call_method1("shown", (progress,))?;
    let show = (!shown.is_none()).then_some(&shown);
    let state = Arc::new((Mutex::new(State::default()), Condvar::new()));
    let told = Arc::clone(&state);
    let watch = Watch::new(move |news| {
        let mut state = locked(&told.0);
        match news {
            Told::Note(line) => state.notes.push(line.to_owned()),
            Told::Step { done, of, what } => state.step = Some((done, of, what.to_owned())),
        }
    });
    let mut interrupted = None;
    let done = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let _finish = Finish(&state);
            watch.run(|| work(&watch))
        });
        loop {
            let (finished, step, notes) = py.detach(|| {
                let waiting = locked(&state.0);
                let waited = (state.1).wait_timeout_while(waiting, INTERVAL, |s| !s.finished);
                let (mut now, _) = waited.unwrap_or_else(PoisonError::into_inner);
                (
                    now.finished,
                    now.step.take(),
                    std::mem::take(&mut now.notes),
                )
            });
            let looked = py.check_signals().and_then(|()| match show {
                Some(show) if interrupted.is_none() => {
                    show.call1((step, notes, finished)).map(drop)
                }
                _ => Ok(()),
            });
            if let Err(error) = looked {
                watch.stop();
                interrupted.get_or_insert(error);
            }
            if finished {
                break;
            }
        }
        py.detach(|| thread.join())
    });
    if let Some(error) = interrupted {
        return Err(error);
    }
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        .map_err(raised)
}
