use crate::image::ImageWarning;

/// What a look at where an image begins and ends tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    /// What tells its bytes from others.
    pub stamp: Stamp,
    /// What is odd about the file, although its pixels can be read.
    pub oddities: Vec<ImageWarning>,
}

/// What tells the bytes of a file from those of others although not all of them are read. Files of unequal stamps differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Bytes of the file.
    pub length: u64,
    /// Checksum of its first and its last bytes.
    pub ends: u32,
}
