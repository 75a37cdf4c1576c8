//! Windows of files for `lance segment`: read and checked here, judged in TypeScript.

mod batches;
mod file;
mod journal;
mod recover;

use lance_engine::recovery;
use napi_derive::napi;

/// What went wrong when the system refused something.
#[napi(object, object_from_js = false)]
pub struct FileError {
    /// The system's number; 0 where it was none of its errors.
    pub errno: i32,
    pub message: String,
}

impl From<std::io::Error> for FileError {
    fn from(error: std::io::Error) -> Self {
        Self {
            errno: error.raw_os_error().unwrap_or(0),
            message: error.to_string(),
        }
    }
}

/// What went wrong in a data directory, in the engine's words.
#[napi(object, object_from_js = false)]
pub struct DirectoryError {
    /// `io`, `newer-format`, `data-dir-invalid`.
    pub code: String,
    pub message: String,
    pub hint: String,
    pub errno: i32,
}

impl From<recovery::RecoveryError> for DirectoryError {
    fn from(error: recovery::RecoveryError) -> Self {
        Self {
            code: error.code().to_owned(),
            message: error.to_string(),
            hint: error.hint().to_owned(),
            errno: error.errno(),
        }
    }
}
