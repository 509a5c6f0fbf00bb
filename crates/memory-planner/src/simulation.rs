//! Walks along a trace and counts bytes.

use std::collections::HashMap;

use crate::layout::Layout;
use crate::trace::{Action, Operand, Operation, Tensor, TensorId, Trace, View};

/// The most memory at any time of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Peak {
    /// Bytes of tensors and workspace, those held among them.
    pub bytes: u64,
    /// The operation during which they were there, as an index into the trace.
    pub operation: usize,
}

/// What a trace takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// Bytes that are there all the time.
    pub held: u64,
    /// Of the forward pass.
    pub forward: Peak,
    /// Of the backward pass; zero where there is none.
    pub backward: Peak,
    /// Bytes of what the forward pass leaves for the backward pass, by part of the model.
    pub between: HashMap<usize, u64>,
    /// Bytes of what outlives the last operation, beside what is held.
    pub left: u64,
}

/// Walks along a trace.
///
/// # Panics
///
/// When an operation reads a tensor that no operation before it made.
pub fn simulate(trace: &Trace) -> Profile {
    let mut memory = Memory::new(trace);
    let mut profile = Profile {
        held: memory.bytes,
        forward: Peak {
            bytes: memory.bytes,
            operation: 0,
        },
        ..Profile::default()
    };
    for (index, operation) in trace.operations.iter().enumerate() {
        if index == trace.forward {
            profile.between = memory.by_part();
        }
        let bytes = memory.run(index, operation);
        let peak = if index < trace.forward {
            &mut profile.forward
        } else {
            &mut profile.backward
        };
        if bytes > peak.bytes {
            *peak = Peak {
                bytes,
                operation: index,
            };
        }
    }
    profile.left = memory.bytes - profile.held;
    profile
}

/// Elements in memory, and who looks at them.
#[derive(Debug)]
struct Storage {
    bytes: u64,
    tensors: usize,
    /// None: held.
    part: Option<usize>,
}

/// A tensor that something still needs.
#[derive(Debug, Clone)]
struct Live {
    storage: usize,
    layout: Layout,
    element: usize,
}

struct Memory {
    /// The operation that each tensor is last used by; none: it outlives them all.
    last_use: HashMap<TensorId, Option<usize>>,
    live: HashMap<TensorId, Live>,
    storages: HashMap<usize, Storage>,
    made: usize,
    bytes: u64,
    /// The most bytes since the current operation began.
    most: u64,
}

impl Memory {
    fn new(trace: &Trace) -> Self {
        let mut last_use: HashMap<_, _> = HashMap::new();
        for (index, operation) in trace.operations.iter().enumerate() {
            let made = operation.outputs.iter().map(|made| made.id);
            let read = operation.inputs.iter().map(|read| read.tensor);
            for id in made.chain(read) {
                last_use.insert(id, Some(index));
            }
        }
        let held = trace.held.iter().map(|tensor| tensor.id);
        for id in held.chain(trace.kept.iter().copied()) {
            last_use.insert(id, None);
        }
        let mut memory = Self {
            last_use,
            live: HashMap::new(),
            storages: HashMap::new(),
            made: 0,
            bytes: 0,
            most: 0,
        };
        for tensor in &trace.held {
            memory.allocate(tensor, Layout::contiguous(&tensor.shape), None);
        }
        memory
    }

    /// Carries out an operation and tells the most bytes at any time of it.
    fn run(&mut self, index: usize, operation: &Operation) -> u64 {
        self.most = self.bytes;
        let copies: u64 = operation
            .inputs
            .iter()
            .filter(|input| input.contiguous)
            .map(|input| self.copy_of(input.tensor))
            .sum();
        self.occupy(copies);
        let workspace = match operation.action {
            Action::Kernel { workspace } | Action::Cut { workspace, .. } => workspace,
            _ => 0,
        };
        self.occupy(workspace);
        for made in &operation.outputs {
            self.make(operation, made);
        }
        self.bytes -= copies + workspace;
        let read = operation.inputs.iter().map(|input| input.tensor);
        let made = operation.outputs.iter().map(|made| made.id);
        for id in read.chain(made) {
            if self.last_use[&id] == Some(index) {
                self.release(id);
            }
        }
        self.most
    }

    /// Bytes of a copy row by row, if the tensor is not so already.
    fn copy_of(&self, id: TensorId) -> u64 {
        let live = &self.live[&id];
        if live.layout.is_contiguous() {
            0
        } else {
            (live.layout.elements() * live.element) as u64
        }
    }

    fn make(&mut self, operation: &Operation, made: &Tensor) {
        let part = Some(operation.part);
        let row_by_row = Layout::contiguous(&made.shape);
        let found = match &operation.action {
            Action::View(view) => self.view(operation.inputs[0], view, &made.shape),
            Action::Unary | Action::Scalar | Action::Update => self.writable(operation, 0, made),
            Action::Binary => [(0, 1), (1, 0)].into_iter().find_map(|(over, other)| {
                let other = &self.live[&operation.inputs[other].tensor].layout;
                let found = self.writable(operation, over, made)?;
                (!other.is_backwards()).then_some(found)
            }),
            Action::Kernel { .. } | Action::Cut { .. } => None,
        };
        if let Some((storage, layout)) = found {
            self.look(made, storage, layout);
            return;
        }
        match &operation.action {
            Action::Unary => {
                let layout = self.same_order(operation.inputs[0].tensor, row_by_row);
                self.allocate(made, layout, part);
            }
            Action::Cut { of, .. } => {
                let all = Tensor {
                    shape: of.clone(),
                    ..made.clone()
                };
                let layout = Layout::contiguous(of).slice(&[], &made.shape);
                self.allocate(&all, layout, part);
            }
            _ => self.allocate(made, row_by_row, part),
        }
    }

    /// Storage and layout of a view, where it needs no copy.
    fn view(&self, of: Operand, view: &View, shape: &[usize]) -> Option<(usize, Layout)> {
        let Live {
            storage, layout, ..
        } = &self.live[&of.tensor];
        let layout = match view {
            View::Reshape => layout.reshape(shape)?,
            View::Expand => layout.expand(shape),
            View::Permute(axes) => layout.permute(axes),
            View::Flip(axes) => layout.flip(axes),
            View::Slice(ranges) => layout.slice(ranges, shape),
        };
        Some((*storage, layout))
    }

    /// Storage and layout of an operand that a result may be written over.
    fn writable(
        &self,
        operation: &Operation,
        index: usize,
        made: &Tensor,
    ) -> Option<(usize, Layout)> {
        let operand = operation.inputs[index];
        let live = &self.live[&operand.tensor];
        let mut others = operation.inputs.iter().enumerate();
        let read_twice = others.any(|(other, input)| {
            other != index && self.live[&input.tensor].storage == live.storage
        });
        let may = operand.consumed
            && !read_twice
            && self.storages[&live.storage].tensors == 1
            && live.element == made.element
            && live.layout.shape == made.shape
            && live.layout.is_prefix();
        may.then(|| (live.storage, live.layout.clone()))
    }

    /// The order of a tensor that fills its storage.
    fn same_order(&self, id: TensorId, otherwise: Layout) -> Layout {
        let live = &self.live[&id];
        let elements = self.storages[&live.storage].bytes as usize / live.element;
        if live.layout.fills(elements) {
            live.layout.clone()
        } else {
            otherwise
        }
    }

    fn allocate(&mut self, tensor: &Tensor, layout: Layout, part: Option<usize>) {
        let bytes = tensor.bytes();
        self.occupy(bytes);
        self.made += 1;
        self.storages.insert(
            self.made,
            Storage {
                bytes,
                tensors: 0,
                part,
            },
        );
        self.look(tensor, self.made, layout);
    }

    fn look(&mut self, tensor: &Tensor, storage: usize, layout: Layout) {
        if let Some(storage) = self.storages.get_mut(&storage) {
            storage.tensors += 1;
        }
        let live = Live {
            storage,
            layout,
            element: tensor.element,
        };
        self.live.insert(tensor.id, live);
    }

    fn occupy(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.most = self.most.max(self.bytes);
    }

    /// Forgets a tensor, and its storage if it was the last that looked at it.
    fn release(&mut self, id: TensorId) {
        let Some(live) = self.live.remove(&id) else {
            return;
        };
        let Some(storage) = self.storages.get_mut(&live.storage) else {
            return;
        };
        storage.tensors -= 1;
        if storage.tensors == 0 {
            self.bytes -= storage.bytes;
            self.storages.remove(&live.storage);
        }
    }

    fn by_part(&self) -> HashMap<usize, u64> {
        let mut parts = HashMap::new();
        for storage in self.storages.values() {
            if let Some(part) = storage.part {
                *parts.entry(part).or_insert(0) += storage.bytes;
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests;
