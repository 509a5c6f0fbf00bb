//! Why no preset can be derived.

use config_schema::ConfigErrors;
use thiserror::Error;

use crate::error::TrainError;
use crate::memory::Bytes;

/// Why no preset can be derived.
#[derive(Debug, Error)]
pub enum DeriveError {
    /// The card is too small for the least that there is.
    #[error(
        "no preset fits a card of {}: even {least} is planned to take {}, which needs a card of {}",
        Bytes(*memory_bytes), Bytes(*peak_bytes), Bytes(*needed_bytes)
    )]
    DoesNotFit {
        /// Memory of the card.
        memory_bytes: u64,
        /// The least that there is.
        least: String,
        /// Its planned peak.
        peak_bytes: u64,
        /// The smallest card that it would fit, rounded up to a hundredth of a gibibyte.
        needed_bytes: u64,
    },
    /// The host is too small for the data set, however little of it waits.
    #[error(
        "no preset fits a host with {}: data takes {} of it, which needs a host with {}",
        Bytes(*host_bytes), Bytes(*kept_bytes), Bytes(*needed_bytes)
    )]
    HostTooSmall {
        /// Memory of the host.
        host_bytes: u64,
        /// What data takes at least.
        kept_bytes: u64,
        /// The smallest host that it would fit.
        needed_bytes: u64,
    },
    /// A preset or what is set on top of it is not valid.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// A configuration cannot be planned.
    #[error(transparent)]
    Plan(#[from] TrainError),
}
