//! Records as bytes that equal runs have in common.

use burn::optim::OptimizerRecord;
use burn::store::RecordError;
use burn::tensor::Bytes;
use burn_pack::{Reader, Writer};

/// The state of an optimizer, its tensors ordered by name. Burn keeps it in a hash map, whose order is another one in every
/// process.
pub(super) fn ordered(record: OptimizerRecord) -> Result<Bytes, RecordError> {
    let reader = Reader::from_bytes(record.into_bytes()?)?;
    let (scalars, metadata) = (reader.scalars().clone(), reader.metadata().clone());
    let mut tensors = reader.into_tensors()?;
    tensors.sort_by(|one, other| one.name.cmp(&other.name));
    let mut writer = Writer::new(tensors);
    for (name, value) in scalars {
        writer = writer.with_scalar(&name, value);
    }
    for (name, value) in metadata {
        writer = writer.with_metadata(&name, &value);
    }
    Ok(writer.into_bytes()?)
}
