//! Floating-point numbers of any width as `f32`.

use half::{bf16, f16};

use crate::Dtype;

/// Little-endian numbers as `f32`; `None` for types that are no floating-point numbers.
pub(crate) fn decode(bytes: &[u8], dtype: Dtype) -> Option<Vec<f32>> {
    Some(match dtype {
        Dtype::F32 => numbers(bytes, f32::from_le_bytes),
        Dtype::F64 => numbers(bytes, |bytes| f64::from_le_bytes(bytes) as f32),
        Dtype::F16 => numbers(bytes, |bytes| f16::from_le_bytes(bytes).to_f32()),
        Dtype::BF16 => numbers(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        _ => return None,
    })
}

/// Appends the number of the type that is nearest, little-endian. False for a finite number that would become infinite, and for a type
/// that is no floating-point type of at most 32 bits.
pub(crate) fn encode(number: f32, dtype: Dtype, bytes: &mut Vec<u8>) -> bool {
    let nearest = match dtype {
        Dtype::F32 => {
            bytes.extend(number.to_le_bytes());
            number
        }
        Dtype::F16 => {
            let nearest = f16::from_f32(number);
            bytes.extend(nearest.to_le_bytes());
            nearest.to_f32()
        }
        Dtype::BF16 => {
            let nearest = bf16::from_f32(number);
            bytes.extend(nearest.to_le_bytes());
            nearest.to_f32()
        }
        _ => return false,
    };
    nearest.is_finite() || !number.is_finite()
}

/// Whether [`decode`] knows the type.
pub(crate) fn is_float(dtype: Dtype) -> bool {
    decode(&[], dtype).is_some()
}

/// Whether tensors of the type are read: numbers that a model learns, and integers as in counters.
pub(crate) fn is_read(dtype: Dtype) -> bool {
    use Dtype::{BOOL, I8, I16, I32, I64, U8, U16, U32, U64};
    is_float(dtype) || matches!(dtype, BOOL | I8 | I16 | I32 | I64 | U8 | U16 | U32 | U64)
}

fn numbers<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|bytes| read(*bytes))
        .collect()
}
