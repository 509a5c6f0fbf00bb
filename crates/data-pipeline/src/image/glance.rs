use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use super::decode::{MAX_PIXELS, MAX_SIDE};

/// Bytes of a PNG up to the end of its header.
const PNG_HEADER: usize = 33;

/// The chunk that ends a PNG.
const PNG_END: [u8; 12] = *b"\0\0\0\0IEND\xae\x42\x60\x82";

/// Most segments in front of the first scan of a JPEG that are looked at.
const MOST_SEGMENTS: usize = 1000;

/// Whether an image of `length` bytes has a header that a decoder takes, and the marker that ends its format. `false`
/// means that only decoding tells.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn looks_whole(image: &mut (impl Read + Seek), length: u64) -> io::Result<bool> {
    let mut look = || -> io::Result<bool> {
        let mut start = [0; 2];
        image.rewind()?;
        image.read_exact(&mut start)?;
        match start {
            [0x89, b'P'] => png(image, length),
            [0xff, 0xd8] => jpeg(image),
            _ => Ok(false),
        }
    };
    match look() {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        looked => looked,
    }
}

fn may_be_decoded(width: usize, height: usize) -> bool {
    let side = 1..=MAX_SIDE;
    side.contains(&width) && side.contains(&height) && width * height <= MAX_PIXELS
}

fn png(image: &mut (impl Read + Seek), length: u64) -> io::Result<bool> {
    if length < (PNG_HEADER + PNG_END.len()) as u64 {
        return Ok(false);
    }
    let mut header = [0; PNG_HEADER];
    image.rewind()?;
    image.read_exact(&mut header)?;
    let (chunk, checksum) = header[12..].split_at(17);
    let number = |at: usize| {
        chunk[at..][..4]
            .iter()
            .fold(0, |n, byte| n << 8 | usize::from(*byte))
    };
    let begins = header.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")
        && crc32fast::hash(chunk).to_be_bytes() == *checksum
        && may_be_decoded(number(4), number(8));
    let mut end = [0; PNG_END.len()];
    image.seek(SeekFrom::End(-(PNG_END.len() as i64)))?;
    image.read_exact(&mut end)?;
    Ok(begins && end == PNG_END)
}

fn jpeg(image: &mut (impl Read + Seek)) -> io::Result<bool> {
    let mut framed = false;
    for _ in 0..MOST_SEGMENTS {
        let mut head = [0; 4];
        image.read_exact(&mut head)?;
        let [0xff, marker, high, low] = head else {
            return Ok(false);
        };
        let length = i64::from(high) << 8 | i64::from(low);
        match marker {
            // The first scan. Whatever follows the frame ends with the end of the image.
            0xda => {
                let mut end = [0; 2];
                image.seek(SeekFrom::End(-2))?;
                image.read_exact(&mut end)?;
                return Ok(framed && end == [0xff, 0xd9]);
            }
            // A frame, of whatever coding; the others of these numbers are tables.
            0xc0..=0xcf if ![0xc4, 0xc8, 0xcc].contains(&marker) => {
                let mut frame = [0; 5];
                image.read_exact(&mut frame)?;
                let [_, heights @ .., w1, w0] = frame;
                let side = |[high, low]: [u8; 2]| usize::from(high) << 8 | usize::from(low);
                if framed || length < 8 || !may_be_decoded(side([w1, w0]), side(heights)) {
                    return Ok(false);
                }
                framed = true;
                image.seek(SeekFrom::Current(length - 7))?;
            }
            _ if length >= 2 => {
                image.seek(SeekFrom::Current(length - 2))?;
            }
            _ => return Ok(false),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::image::{RgbImage, encode_png};

    fn whole(bytes: &[u8]) -> bool {
        looks_whole(&mut Cursor::new(bytes), bytes.len() as u64).expect("bytes are readable")
    }

    fn png() -> Vec<u8> {
        let image = RgbImage {
            width: 5,
            height: 3,
            pixels: vec![7; 45],
        };
        encode_png(&image).expect("an image")
    }

    /// A JPEG but for its pixels: an application segment, a frame, a scan.
    fn jpeg(height: u8) -> Vec<u8> {
        let mut bytes = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x0b\x08\0".to_vec();
        bytes.push(height);
        bytes.extend(b"\0\x05\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0data\xff\xd9");
        bytes
    }

    #[test]
    fn header_and_end_make_an_image_whole() {
        assert!(whole(&png()));
        assert!(whole(&jpeg(4)));
        assert!(!whole(&jpeg(0)), "a height that follows later");
    }

    #[test]
    fn what_is_cut_or_changed_at_its_ends_has_to_be_decoded() {
        for bytes in [png(), jpeg(4)] {
            for length in 0..bytes.len() {
                assert!(!whole(&bytes[..length]), "{length} bytes");
            }
            let longer = [&bytes[..], b"x"].concat();
            assert!(!whole(&longer));
        }
        for at in (0..PNG_HEADER).chain(png().len() - PNG_END.len()..png().len()) {
            let mut bytes = png();
            bytes[at] ^= 1;
            assert!(!whole(&bytes), "byte {at}");
        }
        for other in [
            &b""[..],
            b"RIFF....WEBP",
            b"\0\0",
            b"version https://git-lfs",
        ] {
            assert!(!whole(other));
        }
    }

    #[test]
    fn segments_without_end_are_left_to_the_decoder() {
        let mut bytes = vec![0xff, 0xd8];
        for _ in 0..=MOST_SEGMENTS {
            bytes.extend([0xff, 0xfe, 0, 2]);
        }
        bytes.extend(&jpeg(4)[2..]);
        assert!(!whole(&bytes));
        assert!(
            !whole(b"\xff\xd8\xff\xe0\0\x01\xff\xd9"),
            "a segment shorter than its length"
        );
    }
}
