//! TAR archives have no magic number in front: a header tells by its checksum.

/// Bytes of a header.
const HEADER: usize = 512;

/// Where the header has the sum of its own bytes, in octal.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// The first member's name, if the bytes begin with a header. Covers forms without `ustar` in the header, too.
pub(crate) fn first_name(start: &[u8]) -> Option<&[u8]> {
    let header = start.get(..HEADER)?;
    let stated = octal(&header[CHECKSUM])?;
    // The checksum is made with blanks in its own place.
    let sum: u32 = header
        .iter()
        .enumerate()
        .map(|(at, &byte)| u32::from(if CHECKSUM.contains(&at) { b' ' } else { byte }))
        .sum();
    let name = header[..100].split(|&byte| byte == 0).next()?;
    (sum == stated && !name.is_empty()).then_some(name)
}

/// A number in octal digits, with blanks and zero bytes around.
fn octal(field: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches([' ', '\0']);
    u32::from_str_radix(digits, 8).ok()
}

/// Names that the TAR form of PyTorch begins with.
pub(crate) const TORCH_MEMBERS: [&[u8]; 4] = [b"sys_info", b"pickle", b"storages", b"tensors"];
