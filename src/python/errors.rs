//! Converts errors of the core to the exceptions of `udpping.errors`, and a panic of it to one that asks to be reported.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::{PyMemoryError, PyOSError};
use pyo3::prelude::*;

use crate::logic::Invalid;
use crate::logic::memory::NoMemory;
use crate::logic::text::visible;
use crate::net::Error;

mod exceptions {
    pyo3::import_exception!(udpping.errors, AddressError);
    pyo3::import_exception!(udpping.errors, ConfigError);
    pyo3::import_exception!(udpping.errors, NetworkError);
    pyo3::import_exception!(udpping.errors, PortBusyError);
    pyo3::import_exception!(udpping.errors, UdppingError);
}

impl From<Invalid> for PyErr {
    fn from(error: Invalid) -> Self {
        exceptions::ConfigError::new_err(error.to_string())
    }
}

impl From<NoMemory> for PyErr {
    fn from(error: NoMemory) -> Self {
        PyMemoryError::new_err(error.to_string())
    }
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        // pyo3's own conversion of an io::Error loses the number.
        let errno = error.errno();
        match error {
            Error::Invalid(invalid) => invalid.into(),
            Error::NoMemory(none) => none.into(),
            Error::UnknownHost { .. } => exceptions::AddressError::new_err(text),
            Error::PortBusy { .. } => exceptions::PortBusyError::new_err((errno, text)),
            Error::File { .. } => match errno {
                Some(errno) => PyOSError::new_err((errno, text)),
                None => PyOSError::new_err(text),
            },
            Error::Io { .. } | Error::TooLong { .. } | Error::System { .. } => {
                exceptions::NetworkError::new_err((errno, text))
            }
        }
    }
}

/// Does what depends on data of others. A panic, which pyo3 would turn into an exception that `except Exception` does not
/// catch, becomes an error of udpping.
pub(super) fn guarded<T>(work: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    // What the work has changed is its own, or is dropped with the object that it was to become.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(fault(&*panic)))
}

/// The same without the interpreter.
pub(super) fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> PyResult<T> + Send) -> PyResult<T> {
    guarded(|| py.detach(work))
}

fn fault(panic: &(dyn Any + Send)) -> PyErr {
    let told = panic.downcast_ref::<String>().map(String::as_str);
    let told = told.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text");
    exceptions::UdppingError::new_err(format!(
        "udpping itself is at fault ({}): please report it, with this line and what it was given",
        visible(told.to_owned())
    ))
}
