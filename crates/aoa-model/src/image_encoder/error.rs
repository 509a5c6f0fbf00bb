//! What can be wrong with a configuration.

/// Why a configuration describes no image encoder.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ImageEncoderError {
    /// A size is zero.
    #[error("{key} must be at least 1")]
    Zero {
        /// The field.
        key: &'static str,
    },
    /// The image is not made of whole patches.
    #[error("an image of {image_size} pixels does not divide into patches of {patch_size}")]
    Patches {
        /// Height and width of the image, in pixels.
        image_size: usize,
        /// Height and width of a patch, in pixels.
        patch_size: usize,
    },
    /// There is no stage, or depths and heads speak of different numbers of them.
    #[error("there are {depths} depths and {heads} head counts; each stage needs one of either")]
    Stages {
        /// Entries of `depths`.
        depths: usize,
        /// Entries of `heads`.
        heads: usize,
    },
    /// The heads of a stage do not share its channels evenly.
    #[error("stage {stage} has {channels} channels, which {heads} heads do not divide")]
    Heads {
        /// Index of the stage, from 0.
        stage: usize,
        /// Its channels.
        channels: usize,
        /// Its heads.
        heads: usize,
    },
    /// The grid of a stage is not made of whole windows.
    #[error(
        "stage {stage} has {resolution} x {resolution} cells, which windows of {window} do not divide"
    )]
    Windows {
        /// Index of the stage, from 0.
        stage: usize,
        /// Rows and columns of its grid.
        resolution: usize,
        /// Rows and columns of a window.
        window: usize,
    },
    /// The grid of a stage cannot be halved for the next one.
    #[error("stage {stage} has {resolution} x {resolution} cells, which cannot be merged in pairs")]
    Merging {
        /// Index of the stage, from 0.
        stage: usize,
        /// Rows and columns of its grid.
        resolution: usize,
    },
    /// The drop path rate is no probability below one.
    #[error("drop_path_rate is {rate}, but must lie in 0 <= rate < 1")]
    DropPath {
        /// The rate.
        rate: f64,
    },
}
