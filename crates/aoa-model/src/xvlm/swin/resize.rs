//! Bias tables for windows of another size.
//!
//! A table is resized on plain data, since that happens once, when weights of another resolution are imported.

/// Cubic splines without knots next to the ends need this many points.
const SMALLEST_TABLE: usize = 4;

/// Why a bias table was not resized.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResizeError {
    /// The table does not have a row for each offset.
    #[error(
        "a bias table of {heads} heads for windows of {window} has {expected} values, not {got}"
    )]
    Size {
        /// Rows and columns of the window.
        window: usize,
        /// Columns of the table.
        heads: usize,
        /// Values that such a table has.
        expected: usize,
        /// Values that this one has.
        got: usize,
    },
    /// A window of fewer than three cells, from which a cubic spline cannot be drawn.
    #[error("a bias table for windows of {window} is too small to be resized; it takes 3 or more")]
    Window {
        /// Rows and columns of the window.
        window: usize,
    },
}

/// Resizes a table of relative position biases from windows of `from` cells to windows of `to` cells, as X-VLM does.
///
/// The offsets of the old table are spread out geometrically, densely around 0, until they reach the largest offset of
/// the new one; between them runs an interpolating tensor-product cubic spline (not-a-knot ends), and beyond the last
/// one its edge value.
///
/// # Shapes
///
/// - `table`: `[(2 * from - 1)^2, heads]`, row-major, as a `PyTorch` checkpoint stores it
/// - result: `[(2 * to - 1)^2, heads]`; the table itself when `from == to`
///
/// # Errors
///
/// When the table has another number of values, or when `from` or `to` is too small.
pub fn resize_bias_table(
    table: &[f32],
    heads: usize,
    from: usize,
    to: usize,
) -> Result<Vec<f32>, ResizeError> {
    if let Some(window) = [from, to].into_iter().find(|window| *window == 0) {
        return Err(ResizeError::Window { window });
    }
    let (source, target) = (2 * from - 1, 2 * to - 1);
    let expected = source * source * heads;
    if table.len() != expected {
        return Err(ResizeError::Size {
            window: from,
            heads,
            expected,
            got: table.len(),
        });
    }
    if from == to {
        return Ok(table.to_vec());
    }
    if source < SMALLEST_TABLE {
        return Err(ResizeError::Window { window: from });
    }
    let spline = Spline::through(spread_offsets(from - 1, to - 1));
    let largest = (to - 1) as f64;
    let weights: Vec<Vec<f64>> = (0..target)
        .map(|row| spline.weights_at(row as f64 - largest))
        .collect();

    // Along the rows of the table, then along the columns: [target, source, heads], [target, target, heads].
    let stretched: Vec<f64> = weights
        .iter()
        .flat_map(|weights| {
            let width = source * heads;
            (0..width).map(move |column| {
                let rows = weights.iter().enumerate();
                rows.map(|(row, weight)| weight * f64::from(table[row * width + column]))
                    .sum()
            })
        })
        .collect();
    let mut resized = Vec::with_capacity(target * target * heads);
    for row in stretched.chunks_exact(source * heads) {
        for weights in &weights {
            for head in 0..heads {
                let columns = weights.iter().enumerate();
                let value: f64 = columns
                    .map(|(column, weight)| weight * row[column * heads + head])
                    .sum();
                resized.push(value as f32);
            }
        }
    }
    Ok(resized)
}

/// `-s_n .. -s_1, 0, s_1 .. s_n` with `s_k = 1 + q + .. + q^(k-1)` and `q` such that `s_n` is about `reach`.
fn spread_offsets(n: usize, reach: usize) -> Vec<f64> {
    let sums = |q: f64| {
        (0..n).scan(0.0, move |sum, k| {
            *sum += q.powi(k as i32);
            Some(*sum)
        })
    };
    let (mut low, mut high) = (1.01, 1.5);
    let mut q = low;
    while high - low > 1e-6 {
        q = f64::midpoint(low, high);
        if sums(q).last().unwrap_or(0.0) > reach as f64 {
            high = q;
        } else {
            low = q;
        }
    }
    let positive: Vec<f64> = sums(q).collect();
    let negative = positive.iter().rev().map(|offset| -offset);
    negative
        .chain([0.0])
        .chain(positive.iter().copied())
        .collect()
}

/// Interpolating cubic spline through values at given points, as a linear map of the values.
struct Spline {
    points: Vec<f64>,
    /// Second derivative at each point, as weights of the values: `[points][values]`.
    curvature: Vec<Vec<f64>>,
}

impl Spline {
    /// For at least four rising points. The first two and the last two intervals each share one cubic (not-a-knot).
    fn through(points: Vec<f64>) -> Self {
        let n = points.len();
        let h: Vec<f64> = points.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // Rows [left side | right side] of equations in the second derivatives, the right side as weights of the values.
        let mut rows = vec![vec![0.0; 2 * n]; n];
        for i in 1..n - 1 {
            let (before, after) = (h[i - 1], h[i]);
            // The slopes of two neighbouring cubics agree.
            rows[i][i - 1] = before / 6.0;
            rows[i][i] = (before + after) / 3.0;
            rows[i][i + 1] = after / 6.0;
            rows[i][n + i - 1] = 1.0 / before;
            rows[i][n + i] = -1.0 / before - 1.0 / after;
            rows[i][n + i + 1] = 1.0 / after;
        }
        // The third derivative does not jump at the second and at the last but one point.
        for (row, middle) in [(0, 1), (n - 1, n - 2)] {
            let (before, after) = (h[middle - 1], h[middle]);
            rows[row][middle - 1] = after;
            rows[row][middle] = -before - after;
            rows[row][middle + 1] = before;
        }
        Self {
            points,
            curvature: solve(rows),
        }
    }

    /// Weight of each value in the spline's value at `x`; beyond the ends, at the nearest end.
    fn weights_at(&self, x: f64) -> Vec<f64> {
        let points = &self.points;
        let last = points.len() - 1;
        let x = x.clamp(points[0], points[last]);
        let left = points[1..last].partition_point(|point| *point <= x);
        let right = left + 1;
        let h = points[right] - points[left];
        let (a, b) = ((points[right] - x) / h, (x - points[left]) / h);
        let bend = |t: f64| (t * t * t - t) * h * h / 6.0;
        let curvature = self.curvature[left].iter().zip(&self.curvature[right]);
        let mut weights: Vec<f64> = curvature.map(|(l, r)| bend(a) * l + bend(b) * r).collect();
        weights[left] += a;
        weights[right] += b;
        weights
    }
}

/// Solves the systems whose `n` rows hold `n` coefficients and then the right sides; gives the solutions, row by row.
/// Gaussian elimination with pivoting.
fn solve(mut rows: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = rows.len();
    for column in 0..n {
        let size = |row: &usize| rows[*row][column].abs();
        let pivot = (column..n).max_by(|a, b| size(a).total_cmp(&size(b)));
        rows.swap(column, pivot.unwrap_or(column));
        let scale = rows[column][column];
        let pivot: Vec<f64> = rows[column].iter().map(|value| value / scale).collect();
        for row in &mut rows {
            let factor = row[column];
            for (value, pivot) in row.iter_mut().zip(&pivot) {
                *value -= factor * pivot;
            }
        }
        rows[column] = pivot;
    }
    rows.into_iter().map(|row| row[n..].to_vec()).collect()
}
