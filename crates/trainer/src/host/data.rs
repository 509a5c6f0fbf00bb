//! A data set and its encoder, with what they take.

use config_schema::Config;
use data_pipeline::{DataError, Encoder};
use model_api::Model;

use crate::dataset::{Dataset, OpenDataset, training_encoder};

/// A data set that was opened, and how a run makes numbers of it.
#[derive(Clone)]
pub struct Data {
    /// The splits.
    pub dataset: Dataset,
    /// Words, answers and inputs of the training split.
    pub encoder: Encoder,
    /// Bytes of memory that both take: questions, answers, names, vocabulary.
    pub bytes: u64,
}

impl Data {
    /// Opens a data set and reads its training split for the encoder.
    ///
    /// # Errors
    ///
    /// As `open` and [`training_encoder`].
    pub fn open<M: Model>(settings: &Config, open: OpenDataset) -> Result<Self, DataError> {
        let counted = Counted::begin();
        Self::of::<M>(settings, open(settings)?, counted)
    }

    /// Of a data set that was opened since the count began.
    ///
    /// # Errors
    ///
    /// As [`training_encoder`].
    pub fn of<M: Model>(
        settings: &Config,
        dataset: Dataset,
        counted: Counted,
    ) -> Result<Self, DataError> {
        let encoder = training_encoder::<M>(settings, dataset.train.as_ref())?;
        Ok(Self {
            dataset,
            encoder,
            bytes: counted.bytes(),
        })
    }
}

/// Counts what is allocated and stays. Whatever other threads allocate counts as well, so nothing else should go on.
#[derive(Clone, Copy)]
pub struct Counted(usize);

impl Counted {
    /// Counts from now on.
    #[must_use]
    pub fn begin() -> Self {
        Self(allocator::live_bytes())
    }

    pub(crate) fn bytes(self) -> u64 {
        allocator::live_bytes().saturating_sub(self.0) as u64
    }
}
