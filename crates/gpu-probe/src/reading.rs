use std::fmt::Display;

use serde::Serialize;

/// One value asked of the driver or the operating system, or why there is none.
///
/// In JSON `{"value": ..}` or `{"unavailable": {"reason": ".."}}`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading<T> {
    /// What was read.
    Value(T),
    /// It could not be read.
    Unavailable {
        /// One sentence for a person.
        reason: String,
    },
}

impl<T> Reading<T> {
    /// A reading that failed for `reason`.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable {
            reason: reason.into(),
        }
    }

    /// The value as a [`Result`], so that `?` and the usual combinators apply.
    ///
    /// # Errors
    ///
    /// The reason, where there is no value.
    pub fn as_result(&self) -> Result<&T, &str> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Unavailable { reason } => Err(reason),
        }
    }
}

impl<T, E: Display> From<Result<T, E>> for Reading<T> {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::Value(value),
            Err(reason) => Self::unavailable(reason.to_string()),
        }
    }
}
