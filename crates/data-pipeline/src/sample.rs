use crate::error::DataError;

/// The part a set of samples plays in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// Learned from.
    Train,
    /// Held out of training; decides which checkpoint is best.
    Validation,
    /// Looked at once, at the end.
    Test,
}

/// One question about one image with its answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Index of the image in its [`Source`].
    pub image: usize,
    /// The question as asked.
    pub question: String,
    /// Right answers, each with its score in `0.0..=1.0`.
    pub answers: Vec<(String, f32)>,
}

/// One split of a data set: samples, and the encoded images they are about.
///
/// Images are handed out as PNG or JPEG bytes, so that every data set passes through the same decoder.
pub trait Source: Send + Sync {
    /// Every sample, in storage order.
    fn samples(&self) -> &[Sample];

    /// How many images there are; [`Sample::image`] lies below it.
    fn image_count(&self) -> usize;

    /// The PNG or JPEG bytes of an image. Equal bytes at each call.
    ///
    /// # Errors
    /// When the image cannot be read, naming it.
    fn encoded_image(&self, image: usize) -> Result<Vec<u8>, DataError>;

    /// What to call an image in a message: its path, where it has one.
    fn image_name(&self, image: usize) -> String;
}
