//! Training in less memory on [Burn](burn).
//!
//! - [`Stack`] runs layers in segments and keeps only the borders between them; the backward pass rebuilds each segment
//!   ([`Checkpointing`]).
//! - [`attention`] and [`window_attention`] never hold all attention weights, forward or backward.
//! - [`project`] and [`gelu_linear`] are linear layers whose backward pass keeps and allocates less than Burn's.
//! - [`LayerNorm`] keeps its input and nothing else for the backward pass.
//! - [`gelu`] is exact forward and backward on every backend, and runs on all cores of a CPU.
//! - [`Precision`] makes these, [`product`] and [`convolve`] multiply in half precision and keep half operands.
//! - [`dropout`] draws its mask from keys ([`RowKeys`]), so that a rebuilt segment drops the same numbers.
//! - [`capture`] lets a forward and backward pass be recorded without being carried out.
//!
//! Everything works on every backend of Burn that is compiled, with and without autodiff, and on capture devices.
//!
//! ```
//! use burn::nn::{Linear, LinearConfig};
//! use burn::tensor::{Device, Tensor};
//! use burn_frugal::{Checkpointing, Stack};
//!
//! let device = Device::flex().autodiff();
//! let layers: Vec<Linear> = (0..4).map(|_| LinearConfig::new(8, 8).init(&device)).collect();
//! let stack = Stack { checkpointing: Checkpointing { rebuild: true, ..Checkpointing::default() } };
//! let x = Tensor::<2>::ones([2, 8], &device);
//! let pass = stack.pass(&layers, &x);
//! let y = pass.run(&layers, x, None, true, |_index, layer, x, _context| layer.forward(x));
//! assert_eq!(y.dims(), [2, 8]);
//! ```

pub mod capture;
mod checkpointing;
mod dropout;
mod ops;
mod precision;
mod segments;

pub use checkpointing::{Checkpointing, Pass, Stack};
pub use dropout::{RowKeys, dropout};
pub use ops::{
    LayerNorm, attention, convolve, gelu, gelu_linear, identity, operand, product, project,
    project_by, window_attention,
};
pub use precision::Precision;
pub use segments::{SegmentWatch, SegmentWork, watch_segments};
