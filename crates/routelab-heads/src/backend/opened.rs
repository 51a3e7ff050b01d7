//! Opening a device so that one that does not work is an error now, and not a panic in the middle of a fit.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use burn::tensor::{Device, Tensor};

/// Opened devices, and what each is called or why it does not work.
type Opened = Vec<(Device, Result<String, String>)>;

/// A runtime of Burn's starts once per device, and neither the Vulkan loader nor the hook for panics must be used from two threads at
/// a time.
static OPENED: Mutex<Opened> = Mutex::new(Vec::new());

fn locked() -> MutexGuard<'static, Opened> {
    OPENED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks a driver something while no device is being opened.
///
/// # Errors
///
/// The message of a panic, as there are in Burn where a driver is broken.
#[cfg(any(feature = "cuda", feature = "rocm", feature = "tch", feature = "wgpu"))]
pub(super) fn ask<T>(question: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let _one_at_a_time = locked();
    caught(question)
}

/// Opens a device, unless that has been done, and computes something. `start` does what comes before, and gives what it is called.
///
/// # Errors
///
/// Why it does not work.
pub(super) fn open(
    device: &Device,
    start: impl FnOnce() -> Result<String, String>,
) -> Result<String, String> {
    let mut opened = locked();
    if let Some((_, outcome)) = opened.iter().find(|(known, _)| known == device) {
        return outcome.clone();
    }
    let outcome = caught(|| {
        let name = start()?;
        try_out(device)?;
        Ok(name)
    });
    opened.push((device.clone(), outcome.clone()));
    outcome
}

/// The exponential function is in every network, and the first to miss the library of such functions that CUDA and ROCm need.
fn try_out(device: &Device) -> Result<(), String> {
    let given = [0.0f32, 1.0];
    let found = Tensor::<1>::from_floats(given, device).exp();
    let found = (found.try_into_vec_as::<f32>()).map_err(|error| error.to_string())?;
    let right = |(found, given): (&f32, f32)| (found - given.exp()).abs() < 1e-3;
    if found.len() == 2 && found.iter().zip(given).all(right) {
        Ok(())
    } else {
        Err(format!("it computes exp(0) and exp(1) as {found:?}"))
    }
}

/// Does the work; a panic in this thread or a device's is an error with its message, and is not printed.
fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let first: Arc<Mutex<Option<String>>> = Arc::default();
    let here = thread::current().id();
    let usual = Arc::new(panic::take_hook());
    let hook = {
        let (first, usual) = (first.clone(), usual.clone());
        move |info: &PanicHookInfo| {
            let thread = thread::current();
            // The names of CubeCL's threads begin so.
            let device = thread.name().is_some_and(|name| name.starts_with("DS"));
            if thread.id() == here || device {
                let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert_with(|| message(info.payload()));
            } else {
                usual(info);
            }
        }
    };
    panic::set_hook(Box::new(hook));
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    drop(panic::take_hook());
    panic::set_hook(Box::new(move |info| usual(info)));
    outcome.unwrap_or_else(|payload| {
        let first = first.lock().unwrap_or_else(PoisonError::into_inner);
        Err(first.clone().unwrap_or_else(|| message(&*payload)))
    })
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it panics without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_on_the_way_is_an_error_with_the_first_message() {
        let _one_at_a_time = locked();
        let panics = |what: &'static str| {
            caught::<()>(move || {
                let device = thread::Builder::new().name("DSU-0-0".to_owned());
                let ended = device.spawn(move || panic!("{what} is broken")).unwrap();
                // As CubeCL does where the thread of a device ends early.
                ended.join().expect("an answer");
                Ok(())
            })
        };
        assert_eq!(panics("the driver"), Err("the driver is broken".to_owned()));
        assert_eq!(caught(|| Ok(3)), Ok(3));
        assert_eq!(caught::<()>(|| Err("no".to_owned())), Err("no".to_owned()));
    }

    #[test]
    fn a_device_is_opened_once_and_tried_out() {
        let device = Device::flex();
        assert_eq!(
            open(&device, || Ok("first".to_owned())),
            Ok("first".to_owned())
        );
        assert_eq!(open(&device, || panic!("twice")), Ok("first".to_owned()));
    }
}
