/// What can be wrong with the bytes of an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The first bytes are those of neither format.
    #[error("neither PNG nor JPEG (starts with {start:02x?})")]
    UnknownFormat {
        /// The first bytes, at most eight.
        start: Vec<u8>,
    },
    /// The decoder gave up: truncated, corrupted, or a variant it does not know.
    #[error("not a readable {format} ({bytes} bytes): {problem}")]
    Corrupt {
        /// `PNG` or `JPEG`.
        format: &'static str,
        /// Length of the encoded image.
        bytes: usize,
        /// What the decoder says.
        problem: String,
    },
    /// The header promises more pixels than any sensible image has.
    #[error("{width} x {height} pixels are more than the limit of {limit}")]
    TooLarge {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Most pixels allowed.
        limit: usize,
    },
    /// An image cannot be made this size.
    #[error("cannot resize {from_width} x {from_height} pixels to {width} x {height}: {problem}")]
    Resize {
        /// Width in pixels.
        from_width: usize,
        /// Height in pixels.
        from_height: usize,
        /// Width asked for.
        width: usize,
        /// Height asked for.
        height: usize,
        /// What is wrong with it.
        problem: String,
    },
}
