//! Converts errors of the core to the exceptions of `udpping.errors`.

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use crate::logic::Invalid;
use crate::net::Error;

mod exceptions {
    pyo3::import_exception!(udpping.errors, AddressError);
    pyo3::import_exception!(udpping.errors, ConfigError);
    pyo3::import_exception!(udpping.errors, NetworkError);
    pyo3::import_exception!(udpping.errors, PortBusyError);
}

impl From<Invalid> for PyErr {
    fn from(error: Invalid) -> Self {
        exceptions::ConfigError::new_err(error.to_string())
    }
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        // pyo3's own conversion of an io::Error loses the number.
        let errno = error.errno();
        match error {
            Error::Invalid(invalid) => invalid.into(),
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
