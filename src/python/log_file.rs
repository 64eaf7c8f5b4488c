//! `LogFile` binds the log of a command to Python.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

/// A file to which a command appends lines.
#[pyclass(frozen, module = "udpping._core")]
pub(super) struct LogFile(Mutex<crate::net::LogFile>);

#[pymethods]
impl LogFile {
    /// Opens it, or makes it, with this header line, or else for lines that begin so.
    #[new]
    fn new(py: Python<'_>, path: PathBuf, title: String, begins: String) -> PyResult<Self> {
        Ok(Self(Mutex::new(py.detach(|| crate::net::LogFile::open(path, title, begins))?)))
    }

    /// Appends whole lines; what the disk does not take now is written later.
    fn append(&self, py: Python<'_>, lines: &str) -> PyResult<()> {
        Ok(py.detach(|| self.lock().append(lines))?)
    }

    /// Opens it anew: it may have been moved.
    fn reopen(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| self.lock().reopen())?)
    }

    /// Lines for which there was no room while the disk was full.
    #[getter]
    fn lost(&self) -> u64 {
        self.lock().lost()
    }
}

impl LogFile {
    fn lock(&self) -> std::sync::MutexGuard<'_, crate::net::LogFile> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
