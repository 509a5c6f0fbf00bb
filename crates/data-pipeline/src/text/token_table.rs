/// Rows of token ids, padded at the end to a common width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenTable {
    /// `[rows, width]`.
    pub ids: Vec<u32>,
    /// Ids of each row that are not padding, `[rows]`.
    pub lengths: Vec<usize>,
    /// Ids of a row, padding among them.
    pub width: usize,
    /// The id that fills rows up.
    pub pad: u32,
}

impl TokenTable {
    /// No rows yet.
    pub(crate) fn new(width: usize, pad: u32) -> Self {
        Self {
            ids: Vec::new(),
            lengths: Vec::new(),
            width,
            pad,
        }
    }

    /// Adds a row, cut to the width or filled up.
    pub(crate) fn push(&mut self, row: &[u32]) {
        let length = row.len().min(self.width);
        self.ids.extend_from_slice(&row[..length]);
        self.lengths.push(length);
        self.ids.resize(self.rows() * self.width, self.pad);
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.lengths.len()
    }

    /// The ids of a row without its padding.
    ///
    /// # Panics
    /// When there is no such row, as slices do.
    pub fn row(&self, row: usize) -> &[u32] {
        &self.ids[row * self.width..][..self.lengths[row]]
    }

    /// The given rows, in the order given.
    #[must_use]
    pub(crate) fn select(&self, rows: impl IntoIterator<Item = usize>) -> Self {
        let mut selected = Self::new(self.width, self.pad);
        for row in rows {
            let padded = &self.ids[row * self.width..][..self.width];
            selected.ids.extend_from_slice(padded);
            selected.lengths.push(self.lengths[row]);
        }
        selected
    }
}
