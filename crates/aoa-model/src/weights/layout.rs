//! Layouts: how `PyTorch` stores what a module here has.

/// Where a walk through a module is.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Field and the type that holds it, from the root on.
    fields: Vec<(String, String)>,
}

/// How `PyTorch` stores a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// As it is here.
    Same,
    /// With its two axes swapped: `[out, in]` where it is `[in, out]` here.
    Turned,
    /// Without its one axis, which has length 1 here.
    Scalar,
}

impl Place {
    pub(super) fn enter(&mut self, field: &str, holder: &str) {
        self.fields.push((field.to_owned(), holder.to_owned()));
    }

    pub(super) fn exit(&mut self) {
        self.fields.pop();
    }

    pub(super) fn path(&self) -> String {
        let fields: Vec<&str> = self
            .fields
            .iter()
            .map(|(field, _)| field.as_str())
            .collect();
        fields.join(".")
    }

    /// The layout of the parameter here, which has `axes` axes: embedding tables are the same in both, all other
    /// matrices are turned, and the gain of weight normalisation is a scalar there.
    pub(super) fn layout(&self, axes: usize) -> Layout {
        match (self.fields.last(), axes) {
            (Some((_, holder)), 2) if holder == "Struct:Embedding" => Layout::Same,
            (_, 2) => Layout::Turned,
            (Some((field, _)), 1) if field.ends_with("_g") => Layout::Scalar,
            _ => Layout::Same,
        }
    }
}

impl Layout {
    /// The shape that `PyTorch` has for a parameter of shape `dims`.
    pub(super) fn shape(self, dims: &[usize]) -> Vec<usize> {
        match self {
            Self::Same => dims.to_vec(),
            Self::Turned => dims.iter().rev().copied().collect(),
            Self::Scalar => Vec::new(),
        }
    }

    /// From one layout to the other; `shape` is the one that `values` have.
    pub(super) fn convert(self, values: Vec<f32>, shape: &[usize]) -> Vec<f32> {
        match (self, shape) {
            (Self::Turned, &[rows, columns]) => {
                let column = |column: usize| (0..rows).map(move |row| row * columns + column);
                let order = (0..columns).flat_map(column);
                order.map(|index| values[index]).collect()
            }
            _ => values,
        }
    }
}
