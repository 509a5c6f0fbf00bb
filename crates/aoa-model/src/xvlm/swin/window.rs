//! Windows: how a grid is cut into them and shifted against them.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

/// Added to the score of two cells that are neighbours only because the shifted grid wraps around.
const APART: f32 = -100.0;

/// Cuts a grid into square windows: `[batch, rows, columns, channels]` to
/// `[batch * windows, window * window, channels]`.
pub(super) fn partition(x: Tensor<4>, window: usize) -> Tensor<3> {
    let [batch, rows, columns, channels] = x.dims();
    let (down, across) = (rows / window, columns / window);
    x.reshape([batch, down, window, across, window, channels])
        .permute([0, 1, 3, 2, 4, 5])
        .reshape([batch * down * across, window * window, channels])
}

/// The inverse of [`partition`] for a grid of the given dimensions.
pub(super) fn join(windows: Tensor<3>, grid: [usize; 4], window: usize) -> Tensor<4> {
    let [batch, rows, columns, channels] = grid;
    let (down, across) = (rows / window, columns / window);
    windows
        .reshape([batch, down, across, window, window, channels])
        .permute([0, 1, 3, 2, 4, 5])
        .reshape(grid)
}

/// Shift of a grid against its windows, so that cells of neighbouring windows meet in every other block.
#[derive(Module, Debug)]
pub(super) struct Shift {
    /// Cells along either axis.
    cells: usize,
    /// `[windows, cells, cells]`, where cells are those of one window: added to the attention scores. A constant
    /// that the shifted blocks of a stage share.
    mask: Tensor<3>,
}

impl Shift {
    /// For a grid of `resolution` x `resolution` cells; `None` where there is nothing to shift.
    pub(super) fn new(
        resolution: usize,
        window: usize,
        cells: usize,
        device: &Device,
    ) -> Option<Self> {
        (cells > 0).then(|| Self {
            cells,
            mask: Tensor::from_data(mask(resolution, window, cells), device),
        })
    }

    /// Scores to add, `[windows, cells, cells]`.
    pub(super) fn mask(&self) -> Tensor<3> {
        self.mask.clone()
    }

    /// Moves the grid up and to the left; what leaves at an edge returns at the opposite one.
    pub(super) fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        let by = -(self.cells as i64);
        x.roll(&[by, by], &[1, 2])
    }

    /// Moves the grid back.
    pub(super) fn revert(&self, x: Tensor<4>) -> Tensor<4> {
        let by = self.cells as i64;
        x.roll(&[by, by], &[1, 2])
    }
}

/// Zero for cells that are together in the image as well, [`APART`] for others. Only windows of the last row or column
/// hold cells from both sides of an edge.
fn mask(resolution: usize, window: usize, shift: usize) -> TensorData {
    let region = |cell: usize| {
        usize::from(cell >= resolution - window) + usize::from(cell >= resolution - shift)
    };
    let across = resolution / window;
    let area = window * window;
    let mut values = Vec::with_capacity(across * across * area * area);
    for index in 0..across * across {
        let (top, left) = (index / across * window, index % across * window);
        let regions: Vec<_> = (0..area)
            .map(|cell| (region(top + cell / window), region(left + cell % window)))
            .collect();
        for query in &regions {
            values.extend(
                regions
                    .iter()
                    .map(|key| if key == query { 0.0 } else { APART }),
            );
        }
    }
    TensorData::new(values, [across * across, area, area])
}
