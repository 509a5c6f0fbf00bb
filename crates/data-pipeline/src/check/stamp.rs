/// What tells the bytes of a file from those of others although not all of them are read. Files of unequal stamps differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Bytes of the file.
    pub length: u64,
    /// Checksum of its first and its last bytes.
    pub ends: u32,
}
