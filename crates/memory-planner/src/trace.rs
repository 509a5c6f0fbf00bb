//! What a computation is, to the planner.

use std::collections::HashSet;

/// Names a tensor of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TensorId(pub u64);

/// A tensor when it comes into being, row by row in memory unless an operation says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Its name.
    pub id: TensorId,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Bytes of an element.
    pub element: usize,
}

impl Tensor {
    /// Bytes of all elements.
    pub fn bytes(&self) -> u64 {
        (self.shape.iter().product::<usize>() * self.element) as u64
    }
}

/// A tensor as an operation reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operand {
    /// The tensor.
    pub tensor: TensorId,
    /// Whether the operation is given the last handle of the tensor, so that it may write over it.
    pub consumed: bool,
    /// Whether the operation wants the elements row by row and copies a tensor that has them otherwise.
    pub contiguous: bool,
}

/// What an operation does with memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Looks at the elements of its operand in another order; no memory but where a reshape needs a copy.
    View(View),
    /// Element by element, over its operand where it may; a result of its own has the operand's order.
    Unary,
    /// As [`Action::Unary`], but a result of its own is row by row.
    Scalar,
    /// Element by element over two operands that are broadcast, over either of them where it may.
    Binary,
    /// Changes some elements of its first operand, or of a copy of it where something else needs it.
    Update,
    /// Reads its operands and writes results of its own.
    Kernel {
        /// Bytes it takes beside the results while it runs.
        workspace: u64,
    },
    /// As [`Action::Kernel`], but makes more than its result, which is the beginning of each axis and keeps all of it in
    /// memory.
    Cut {
        /// The shape of what it makes.
        of: Vec<usize>,
        /// Bytes it takes beside that while it runs.
        workspace: u64,
    },
}

/// Another look at the elements of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// As the shape of the result says, in the same order.
    Reshape,
    /// To the shape of the result, along axes of length 1.
    Expand,
    /// The axes in another order.
    Permute(Vec<usize>),
    /// Some axes backwards.
    Flip(Vec<usize>),
    /// Some indices of each axis; axes beyond the list as they are.
    Slice(Vec<Range>),
}

/// Some indices of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first one.
    pub start: usize,
    /// From one to the next; negative counts down.
    pub step: isize,
}

/// A step of a computation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What to call it.
    pub name: &'static str,
    /// What it does with memory.
    pub action: Action,
    /// What it reads.
    pub inputs: Vec<Operand>,
    /// What it makes.
    pub outputs: Vec<Tensor>,
    /// The part of the model that it belongs to.
    pub part: usize,
}

/// A computation, from the first operation to the last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// Tensors that are there all the time: parameters and constants.
    pub held: Vec<Tensor>,
    /// The operations in order.
    pub operations: Vec<Operation>,
    /// How many of them are the forward pass; the others are the backward pass.
    pub forward: usize,
    /// Tensors that outlive the last operation.
    pub kept: HashSet<TensorId>,
}

impl Trace {
    /// Bytes of everything that is computed and not only looked at: of two ways to the same result, the one with fewer is
    /// the less work.
    pub fn computed(&self) -> u64 {
        let computed = |one: &&Operation| !matches!(one.action, Action::View(_));
        let operations = self.operations.iter().filter(computed);
        operations
            .flat_map(|one| &one.outputs)
            .map(Tensor::bytes)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_no_work() {
        let tensor = |id, length| Tensor {
            id: TensorId(id),
            shape: vec![length],
            element: 4,
        };
        let step = |action, made: Tensor| Operation {
            name: "step",
            action,
            inputs: Vec::new(),
            outputs: vec![made],
            part: 0,
        };
        let trace = Trace {
            operations: vec![
                step(Action::Kernel { workspace: 100 }, tensor(1, 8)),
                step(Action::View(View::Reshape), tensor(2, 8)),
                step(Action::Unary, tensor(3, 2)),
            ],
            ..Trace::default()
        };
        assert_eq!(trace.computed(), 40);
    }
}
