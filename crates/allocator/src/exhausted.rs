//! The end of a program that the system has no memory for.

/// Exit code of a program that the system refuses memory.
///
/// Rust would abort the process, which looks like a crash and has no code of its own. Every allocation counts, also one
/// whose failure could be handled: libraries handle few of them.
pub const EXIT_CODE: u8 = 7;

/// Ends the program: an allocation of this many bytes failed. Nothing may be allocated here.
#[cfg(unix)]
#[expect(
    unsafe_code,
    reason = "standard error has a lock and a buffer, and exit runs handlers, which may allocate"
)]
#[cold]
pub(crate) fn exhausted(bytes: usize, live: usize) {
    let mut text = Text::default();
    text.push("error: out of memory: the system refused ");
    text.mebibytes(bytes);
    text.push(", and the program holds ");
    text.mebibytes(live);
    text.push(
        "\n  help: raise the limit of address space (`ulimit -v`), of data (`ulimit -d`) or of the control group; or need less with \
         `data_loading.preload_data=false`, fewer `memory_optimization.num_workers` and a smaller `prefetch_factor`, or a \
         `--memory-budget` below the limit\n",
    );
    // SAFETY: the buffer is valid for its length, and neither call touches memory of the program otherwise.
    unsafe {
        libc::write(2, text.bytes.as_ptr().cast(), text.length);
        libc::_exit(EXIT_CODE.into())
    }
}

#[cfg(not(unix))]
pub(crate) fn exhausted(_bytes: usize, _live: usize) {}

/// A text on the stack.
struct Text {
    bytes: [u8; 512],
    length: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            bytes: [0; 512],
            length: 0,
        }
    }
}

impl Text {
    /// Adds a text, or as much of it as there is room for.
    fn push(&mut self, text: &str) {
        let room = &mut self.bytes[self.length..];
        let length = text.len().min(room.len());
        room[..length].copy_from_slice(&text.as_bytes()[..length]);
        self.length += length;
    }

    fn number(&mut self, number: usize) {
        let mut digits = [0; 20];
        let mut first = digits.len();
        let mut rest = number;
        loop {
            first -= 1;
            digits[first] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.push(str::from_utf8(&digits[first..]).unwrap_or_default());
    }

    /// Bytes with a tenth of a MiB.
    fn mebibytes(&mut self, bytes: usize) {
        let tenths = bytes / (1 << 20) * 10 + bytes % (1 << 20) * 10 / (1 << 20);
        self.number(tenths / 10);
        self.push(".");
        self.number(tenths % 10);
        self.push(" MiB");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: usize, expected: &str) {
        let mut text = Text::default();
        text.mebibytes(bytes);
        assert_eq!(str::from_utf8(&text.bytes[..text.length]), Ok(expected));
    }

    #[test]
    fn bytes_in_words() {
        check(0, "0.0 MiB");
        check(1 << 20, "1.0 MiB");
        check(3 << 19, "1.5 MiB");
        check(12_345 << 20, "12345.0 MiB");
        check(usize::MAX, "17592186044415.9 MiB");
    }

    #[test]
    fn a_long_text_is_cut() {
        let mut text = Text::default();
        for _ in 0..100 {
            text.push("twelve bytes");
        }
        assert_eq!(text.length, 512);
    }
}
