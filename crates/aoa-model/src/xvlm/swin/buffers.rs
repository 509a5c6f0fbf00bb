//! What a `PyTorch` checkpoint stores of the encoder beside its weights.

use burn::tensor::TensorData;

use super::encoder::Swin;

/// Last parts of the names of buffers that a `PyTorch` checkpoint stores among the weights. They follow from the
/// configuration, so they are computed here and need not be read.
pub const BUFFERS: [&str; 2] = ["relative_position_index", "attn_mask"];

impl Swin {
    /// The buffers of a `PyTorch` checkpoint by name.
    ///
    /// # Shapes
    ///
    /// - `layers.I.blocks.J.attn.relative_position_index`: `[cells, cells]`, the row of the bias table for each query and
    ///   key of a window, as integers
    /// - `layers.I.blocks.J.attn_mask`: `[windows, cells, cells]`, in blocks that shift the grid
    pub fn buffers(&self) -> Vec<(String, TensorData)> {
        let mut buffers = Vec::new();
        for (layer, stage) in self.layers.iter().enumerate() {
            for (index, block) in stage.blocks.iter().enumerate() {
                let path = format!("layers.{layer}.blocks.{index}");
                let [positions, mask] = BUFFERS;
                buffers.push((
                    format!("{path}.attn.{positions}"),
                    rows_of_pairs(block.window),
                ));
                if let Some(shift) = &block.shift {
                    let scores = shift.mask().into_data();
                    buffers.push((format!("{path}.{mask}"), scores));
                }
            }
        }
        buffers
    }
}

/// `[window * window, window * window]`: the row of the bias table for each query and key.
fn rows_of_pairs(window: usize) -> TensorData {
    let (cells, reach) = (window * window, 2 * window - 1);
    let offset = |query: usize, key: usize| query + window - 1 - key;
    let row = |query: usize, key: usize| {
        let down = offset(query / window, key / window);
        let across = offset(query % window, key % window);
        (down * reach + across) as i64
    };
    let rows = (0..cells).flat_map(|query| (0..cells).map(move |key| row(query, key)));
    TensorData::new(rows.collect::<Vec<_>>(), [cells, cells])
}
