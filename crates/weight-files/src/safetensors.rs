//! Headers of safetensors files.

use file_kind::FileKind;
use safetensors::tensor::Metadata;

use crate::content::{Content, Stored, TensorInfo};
use crate::error::Fault;
use crate::floats;
use crate::source::Source;

/// The longest header that is read, in bytes: room for thirty thousand tensors. Parsing one that is made to do harm takes
/// less than a hundred times as much memory.
pub const LONGEST_HEADER: u64 = 4 << 20;

/// Bytes of the number in front of the header.
const PREFIX: u64 = 8;

/// Whether a file that begins with these bytes is a safetensors file: a length and an opening brace. By chance a length
/// looks like the mark of another kind, and the text of another kind has a brace there.
pub(crate) fn recognise(start: &[u8], kind: FileKind) -> bool {
    let Some((length, [b'{', ..])) = start.split_first_chunk::<{ PREFIX as usize }>() else {
        return false;
    };
    let unlike_others = matches!(kind, FileKind::Unknown | FileKind::Safetensors);
    unlike_others || u64::from_le_bytes(*length) <= LONGEST_HEADER
}

/// The tensors of a file. Element types, shapes and extents agree, and the extents cover the file.
pub(crate) fn read(source: &Source) -> Result<Content, Fault> {
    let prefix = source.read(0, PREFIX, "the length of the header")?;
    let length = u64::from_le_bytes(*prefix.first_chunk().unwrap_or(&[0; PREFIX as usize]));
    if length > LONGEST_HEADER {
        return Err(Fault::TooLong {
            what: "the safetensors header",
            bytes: length,
            limit: LONGEST_HEADER,
        });
    }
    let header = source.read(PREFIX, length, "the safetensors header")?;
    // Refuses shapes that overflow, and extents that overlap, leave gaps or disagree with the shapes.
    let metadata: Metadata = serde_json::from_slice(&header)?;
    let start = PREFIX + length;
    let (described, stored) = (metadata.data_len() as u64, source.len() - start);
    if described != stored {
        return Err(Fault::Length { described, stored });
    }
    let mut content = Content::default();
    for (name, info) in metadata.tensors() {
        if !floats::is_read(info.dtype) {
            content
                .unread
                .insert(name, format!("a tensor of {}", info.dtype));
            continue;
        }
        let tensor = Stored {
            info: TensorInfo {
                dtype: info.dtype,
                shape: info.shape.clone(),
            },
            start: start + info.data_offsets.0 as u64,
            strides: None,
        };
        content.tensors.insert(name, tensor);
    }
    Ok(content)
}
