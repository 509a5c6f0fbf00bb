//! Peak memory of a recorded computation, without running it.
//!
//! A [`Trace`] lists operations over tensors that have shapes and no values. [`simulate`] walks along it as the CPU backend
//! of Burn would, but counts bytes instead of computing: a storage lives as long as a tensor that looks at it is used
//! again, a view takes no memory, and an element-wise operation writes over an operand that nothing else needs.
//!
//! The crate knows no model, no device and no Burn.
//!
//! ```
//! use memory_planner::{Action, Operand, Operation, Tensor, TensorId, Trace, simulate};
//!
//! let [x, y] = [1, 2].map(TensorId);
//! let floats = |id| Tensor { id, shape: vec![256], element: 4 };
//! let trace = Trace {
//!     held: vec![floats(x)],
//!     // y = exp(x), while x is needed no longer: in place.
//!     operations: vec![Operation {
//!         name: "exp",
//!         action: Action::Unary,
//!         inputs: vec![Operand { tensor: x, consumed: true, contiguous: false }],
//!         outputs: vec![floats(y)],
//!         part: 0,
//!     }],
//!     forward: 1,
//!     kept: [y].into(),
//! };
//! assert_eq!(simulate(&trace).forward.bytes, 1024);
//! ```

mod layout;
mod simulation;
mod trace;

pub use simulation::{Peak, Profile, simulate};
pub use trace::{Action, Operand, Operation, Range, Tensor, TensorId, Trace, View};
