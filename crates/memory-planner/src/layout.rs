//! How the elements of a tensor lie in its storage.

use crate::trace::Range;

/// Shape, distance between neighbours along each axis, and place of the first element, all counted in elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<isize>,
    pub(crate) start: usize,
}

impl Layout {
    /// Row by row from the beginning of the storage.
    pub(crate) fn contiguous(shape: &[usize]) -> Self {
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis] as isize;
        }
        Self {
            shape: shape.to_vec(),
            strides,
            start: 0,
        }
    }

    pub(crate) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the elements lie row by row, wherever they begin.
    pub(crate) fn is_contiguous(&self) -> bool {
        let row_by_row = Self::contiguous(&self.shape).strides;
        let mut axes = self.shape.iter().zip(self.strides.iter().zip(&row_by_row));
        self.elements() == 0 || axes.all(|(&length, (own, dense))| length == 1 || own == dense)
    }

    /// Row by row from the beginning of the storage.
    pub(crate) fn is_prefix(&self) -> bool {
        self.start == 0 && self.is_contiguous()
    }

    /// Whether the elements fill a storage of so many, in whatever order.
    pub(crate) fn fills(&self, storage: usize) -> bool {
        self.start == 0 && self.elements() == storage && !self.is_backwards()
    }

    pub(crate) fn reshape(&self, shape: &[usize]) -> Option<Self> {
        self.is_contiguous().then(|| Self {
            start: self.start,
            ..Self::contiguous(shape)
        })
    }

    pub(crate) fn permute(&self, axes: &[usize]) -> Self {
        Self {
            shape: axes.iter().map(|&axis| self.shape[axis]).collect(),
            strides: axes.iter().map(|&axis| self.strides[axis]).collect(),
            start: self.start,
        }
    }

    pub(crate) fn expand(&self, shape: &[usize]) -> Self {
        let new = shape.len() - self.shape.len();
        let stride = |axis: usize| match axis.checked_sub(new) {
            Some(own) if self.shape[own] == shape[axis] => self.strides[own],
            _ => 0,
        };
        Self {
            shape: shape.to_vec(),
            strides: (0..shape.len()).map(stride).collect(),
            start: self.start,
        }
    }

    pub(crate) fn flip(&self, axes: &[usize]) -> Self {
        let mut flipped = self.clone();
        for &axis in axes {
            let last = (self.shape[axis].max(1) - 1) as isize;
            flipped.start = flipped
                .start
                .saturating_add_signed(last * self.strides[axis]);
            flipped.strides[axis] = -self.strides[axis];
        }
        flipped
    }

    pub(crate) fn slice(&self, ranges: &[Range], shape: &[usize]) -> Self {
        let mut slice = Self {
            shape: shape.to_vec(),
            ..self.clone()
        };
        for (axis, range) in ranges.iter().enumerate() {
            let skipped = range.start as isize * self.strides[axis];
            slice.start = slice.start.saturating_add_signed(skipped);
            slice.strides[axis] = range.step * self.strides[axis];
        }
        slice
    }

    /// Whether some axis is walked along backwards.
    pub(crate) fn is_backwards(&self) -> bool {
        self.strides.iter().any(|&stride| stride < 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transposed_matrix_is_not_contiguous_and_still_fills_its_storage() {
        let matrix = Layout::contiguous(&[3, 5]).permute(&[1, 0]);
        assert_eq!(matrix.shape, [5, 3]);
        assert!(!matrix.is_contiguous());
        assert!(matrix.fills(15));
        assert_eq!(matrix.reshape(&[15]), None);
        assert!(matrix.permute(&[1, 0]).is_prefix());
    }

    #[test]
    fn the_length_of_an_axis_of_one_does_not_matter() {
        let row = Layout::contiguous(&[4, 1, 6]).permute(&[1, 0, 2]);
        assert!(row.is_contiguous());
    }

    #[test]
    fn rows_are_contiguous_and_columns_are_not() {
        let matrix = Layout::contiguous(&[4, 6]);
        let from = |start| Range { start, step: 1 };
        let rows = matrix.slice(&[from(2)], &[2, 6]);
        assert!(rows.is_contiguous() && !rows.is_prefix());
        assert_eq!(rows.start, 12);
        let columns = matrix.slice(&[from(0), from(2)], &[4, 2]);
        assert!(!columns.is_contiguous());
    }

    #[test]
    fn broadcasting_repeats_and_flipping_goes_backwards() {
        let row = Layout::contiguous(&[3]).expand(&[2, 3]);
        assert_eq!(row.strides, [0, 1]);
        assert!(!row.is_contiguous());
        let backwards = Layout::contiguous(&[2, 3]).flip(&[1]);
        assert_eq!((backwards.start, &backwards.strides[..]), (2, &[3, -1][..]));
        assert!(backwards.is_backwards() && !backwards.fills(6));
    }
}
