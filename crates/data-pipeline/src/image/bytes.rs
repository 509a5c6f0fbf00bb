/// Numbers at places of a file that may be too short for them, in its byte order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) big_endian: bool,
}

impl Numbers<'_> {
    fn at<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    pub(super) fn short(self, at: usize) -> Option<usize> {
        let bytes = self.at(at)?;
        Some(usize::from(if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }))
    }

    pub(super) fn long(self, at: usize) -> Option<usize> {
        let bytes = self.at(at)?;
        let number = if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        };
        Some(number as usize)
    }
}
