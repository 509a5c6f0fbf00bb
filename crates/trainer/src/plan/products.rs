//! What the CPU backend's matrix library takes beside operands and results.
//!
//! The library, `gemm`, copies operands into the order in which its kernels read them, in blocks that fit the processor's
//! caches. Some copies live as long as a product; some go into a buffer of the thread, which it keeps. All sizes here are the
//! library's own, for the caches that it found.

use gemm_common::cache::{CACHE_INFO, KernelParams, kernel_params};
use gemm_common::gemm::{DEFAULT_RHS_PACKING_THRESHOLD, L2_SLAB};

/// Dot products that the library computes one by one on processors with wide vectors.
const DOT_PRODUCTS: usize = 256;

/// Numbers that a kernel takes of the columns of a product at once, of its rows, and that a vector register has.
#[derive(Debug, Clone, Copy)]
struct Kernel {
    columns: usize,
    rows: usize,
    lanes: usize,
}

/// A product of matrices, `[rows, inner]` times `[inner, columns]`, whose result lies row by row.
#[derive(Debug, Clone, Copy)]
pub struct Product {
    /// Rows of the first matrix and of the result.
    pub rows: usize,
    /// Columns of the first matrix, rows of the second.
    pub inner: usize,
    /// Columns of the second matrix and of the result.
    pub columns: usize,
    /// Whether the first matrix lies row by row. A transposed one does not.
    pub first_by_rows: bool,
    /// Whether the second does.
    pub second_by_rows: bool,
}

impl Product {
    /// Bytes of the copies that last as long as the product.
    pub fn packed_bytes(&self) -> usize {
        let Self {
            rows,
            inner,
            columns,
            ..
        } = *self;
        // A vector, or a sum of few outer products: nothing is copied.
        if rows <= 1 || columns <= 1 || inner <= 2 {
            return 0;
        }
        // Neither is anything for few dot products of rows.
        let in_line = self.first_by_rows && !self.second_by_rows;
        if in_line && rows * columns <= DOT_PRODUCTS && cfg!(target_arch = "x86_64") {
            return 0;
        }
        let kernel = Kernel::of_this_processor();
        // The library computes the transpose of a result that lies row by row.
        let KernelParams { kc, mc, nc } = if columns <= 64 && rows <= 64 {
            let block = inner.min(512);
            let numbers = CACHE_INFO[1].cache_bytes / size_of::<f32>();
            KernelParams {
                kc: block,
                mc: round_down(numbers / block, kernel.columns),
                nc: rows.next_multiple_of(kernel.rows),
            }
        } else {
            kernel_params(
                columns,
                rows,
                inner,
                kernel.columns,
                kernel.rows,
                size_of::<f32>(),
            )
        };
        // Without a third cache all rows are one block.
        let block_of_rows = if nc > 0 {
            nc
        } else {
            rows.next_multiple_of(kernel.rows)
        };
        let few = if self.first_by_rows {
            DEFAULT_RHS_PACKING_THRESHOLD
        } else {
            2
        };
        let of_rows = if columns > few * kernel.columns {
            block_of_rows
        } else {
            0
        };
        let whole = self.second_by_rows && columns.is_multiple_of(kernel.lanes);
        let of_columns = if columns <= 2 * mc && !whole {
            columns.next_multiple_of(kernel.columns)
        } else {
            0
        };
        kc * (of_rows + of_columns) * size_of::<f32>()
    }

    /// Whether several threads compute it together.
    pub fn is_shared(&self) -> bool {
        const SHARED_WORK: usize = 192 * 192 * 192;
        let work = self.rows.saturating_mul(self.inner);
        work.saturating_mul(self.columns) >= SHARED_WORK && threads() > 1
    }
}

impl Kernel {
    /// As the library chooses it.
    fn of_this_processor() -> Self {
        const fn kernel(columns: usize, rows: usize, lanes: usize) -> Kernel {
            Kernel {
                columns,
                rows,
                lanes,
            }
        }
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx512f") {
                return kernel(64, 6, 16);
            }
            if std::arch::is_x86_feature_detected!("fma") {
                return kernel(16, 6, 8);
            }
        }
        if cfg!(target_arch = "aarch64") {
            return kernel(16, 4, 4);
        }
        kernel(2, 4, 1)
    }
}

/// Threads that share the work of the CPU backend.
pub fn threads() -> usize {
    rayon::current_num_threads()
}

/// Bytes of the buffer that a thread keeps from its first product on: its second-level cache.
pub fn thread_buffer_bytes() -> usize {
    CACHE_INFO[1].cache_bytes
}

/// Bytes of the buffers of all threads of [`keep_thread_buffers`].
pub fn thread_buffers_bytes() -> usize {
    (threads() + 1) * thread_buffer_bytes()
}

/// Gives this thread, and all threads that share the work of the CPU backend, the buffers that they would otherwise make
/// for their first products, so that memory in use does not grow for another reason than the work at hand.
pub fn keep_thread_buffers() {
    let make = || L2_SLAB.with(|_| ());
    make();
    rayon::broadcast(|_| make());
}

fn round_down(number: usize, multiple: usize) -> usize {
    number / multiple * multiple
}
