//! Counting the objects under an attention map.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Bool, Device, Int, Tensor};

use super::piecewise_linear::PiecewiseLinear;

/// Learned functions of the counter.
const FUNCTIONS: usize = 8;
/// Keeps the quotient of two boxes without area finite.
const UNION_EPSILON: f64 = 1e-12;
/// Keeps the gradient of the square root finite where nothing is counted.
const ROOT_EPSILON: f64 = 1e-20;

/// Configuration of [`Counter`].
#[derive(Config, Debug)]
pub struct CounterConfig {
    /// Most objects that are counted.
    pub objects: usize,
    /// Whether the attention lies in the unit interval already, so that no sigmoid is applied.
    #[config(default = false)]
    pub already_sigmoided: bool,
}

/// Counts objects from attention weights and boxes, so that several boxes on the same object count once (Zhang et al.,
/// "Learning to Count Objects in Natural Images for Visual Question Answering", ICLR 2018, section 4).
#[derive(Module, Debug)]
pub struct Counter {
    /// The functions f1 to f8 of the paper, in that order.
    f: Vec<PiecewiseLinear>,
    objects: usize,
    already_sigmoided: bool,
}

impl CounterConfig {
    /// Creates the counter on `device`; its learned functions start as the identity.
    pub fn init(&self, device: &Device) -> Counter {
        Counter {
            f: (0..FUNCTIONS)
                .map(|_| PiecewiseLinear::identity(device))
                .collect(),
            objects: self.objects,
            already_sigmoided: self.already_sigmoided,
        }
    }
}

impl Counter {
    /// The count as a soft one-hot vector, scaled by how sure it is.
    ///
    /// # Shapes
    ///
    /// - `boxes`: `[batch, 4, m]` as left, top, right, bottom; `m` is at least `objects`
    /// - `attention`: `[batch, m]`
    /// - `masked`: `[batch, m]`, true for padding, which is not counted; none: no box is
    /// - result: `[batch, objects + 1]`
    pub fn forward(
        &self,
        boxes: Tensor<3>,
        attention: Tensor<2>,
        masked: Option<&Tensor<2, Bool>>,
    ) -> Tensor<2> {
        let (boxes, attention) = self.strongest(boxes, attention, masked);
        let row = attention.clone().unsqueeze_dim::<3>(1); // [batch, 1, objects]
        let column = attention.clone().unsqueeze_dim::<3>(2); // [batch, objects, 1]
        let relevance = column.clone() * row.clone(); // [batch, objects, objects]
        let distance = intersection_over_union(boxes).neg().add_scalar(1.0);

        let likeness = self.likeness(&relevance, &distance, (column - row).abs());
        let copies = likeness.sum_dim(2); // [batch, objects, 1]: boxes of the object that a box is on
        let edges = self.f[0].forward(relevance) * self.f[1].forward(distance.clone());
        let edges = (edges / (copies.clone() * copies.clone().swap_dims(1, 2)))
            .sum_dim(2)
            .sum_dim(1); // [batch, 1, 1]
        let loops = self.f[0].forward(attention.clone().square()) / copies.squeeze_dim::<2>(2);
        let count = (edges.squeeze_dim::<2>(2) + loops.sum_dim(1)) // [batch, 1]
            .add_scalar(ROOT_EPSILON)
            .sqrt()
            .clamp(0.0, self.objects as f64);

        soft_one_hot(count, self.objects) * self.confidence(attention, distance)
    }

    /// Boxes `[batch, 4, objects]` and attention `[batch, objects]` of the most attended boxes, in any order.
    fn strongest(
        &self,
        boxes: Tensor<3>,
        attention: Tensor<2>,
        masked: Option<&Tensor<2, Bool>>,
    ) -> (Tensor<3>, Tensor<2>) {
        let batch = attention.dims()[0];
        let attention = if self.already_sigmoided {
            attention
        } else {
            sigmoid(attention)
        };
        // Without attention a box is on no object.
        let attention = match masked {
            Some(masked) => attention.mask_fill(masked.clone(), 0.0),
            None => attention,
        };
        let kept = attention.clone().detach().argtopk(self.objects, 1); // [batch, objects]
        let of_boxes = kept
            .clone()
            .unsqueeze_dim::<3>(1)
            .expand([batch, 4, self.objects]);
        (boxes.gather(2, of_boxes), attention.gather(1, kept))
    }

    /// How much two boxes look like the same object, `[batch, objects, objects]`: alike in their attention and in their
    /// relation to every other box. All arguments have that shape.
    fn likeness(
        &self,
        relevance: &Tensor<3>,
        distance: &Tensor<3>,
        attention_difference: Tensor<3>,
    ) -> Tensor<3> {
        let alike = |difference: Tensor<4>| self.f[2].forward(difference.neg().add_scalar(1.0));
        let relation = self.f[3].forward(relevance.clone()) * self.f[4].forward(distance.clone());
        // [batch, other box, objects, objects]
        let differences = relation.clone().unsqueeze_dim::<4>(3) - relation.unsqueeze_dim::<4>(2);
        alike(differences.abs()).prod_dim(1).squeeze_dim::<3>(1)
            * alike(attention_difference.unsqueeze_dim::<4>(1)).squeeze_dim::<3>(1)
    }

    /// How far attention `[batch, objects]` and distances `[batch, objects, objects]` are from undecided: `[batch, 1]`.
    fn confidence(&self, attention: Tensor<2>, distance: Tensor<3>) -> Tensor<2> {
        let attention = self.f[5].forward(attention).sub_scalar(0.5).abs();
        let distance = self.f[6].forward(distance).sub_scalar(0.5).abs();
        self.f[7].forward(attention.mean_dim(1) + distance.flatten::<2>(1, 2).mean_dim(1))
    }
}

/// Intersection over union of every pair of boxes: `[batch, 4, n]` to `[batch, n, n]`.
fn intersection_over_union(boxes: Tensor<3>) -> Tensor<3> {
    let [batch, _, n] = boxes.dims();
    let low = boxes.clone().narrow(1, 0, 2); // [batch, 2, n]
    let high = boxes.narrow(1, 2, 2);
    let area = (high.clone() - low.clone()).clamp_min(0.0).prod_dim(1); // [batch, 1, n]

    let first = |x: &Tensor<3>| x.clone().unsqueeze_dim::<4>(3).expand([batch, 2, n, n]);
    let second = |x: &Tensor<3>| x.clone().unsqueeze_dim::<4>(2).expand([batch, 2, n, n]);
    let sides = first(&high).min_pair(second(&high)) - first(&low).max_pair(second(&low));
    let intersection = sides.clamp_min(0.0).prod_dim(1).squeeze_dim::<3>(1);
    let union = area.clone() + area.swap_dims(1, 2) - intersection.clone();
    intersection / union.add_scalar(UNION_EPSILON)
}

/// `[batch, 1]` to `[batch, most + 1]`: a number between two integers is shared between them. The gradient is that of
/// the shares; which integers they are has none.
fn soft_one_hot(number: Tensor<2>, most: usize) -> Tensor<2> {
    let [batch, _] = number.dims();
    let places = Tensor::<1, Int>::arange(0..most as i64 + 1, &number.device())
        .unsqueeze::<2>()
        .expand([batch, most + 1]);
    let low = number.clone().detach().floor(); // [batch, 1]
    let share = number - low.clone();
    let at = |place: Tensor<2, Int>| {
        places
            .clone()
            .equal(place.expand([batch, most + 1]))
            .float()
    };
    let low = low.int();
    let high = low.clone().add_scalar(1).clamp_max(most as i64);
    at(low) * share.clone().neg().add_scalar(1.0) + at(high) * share
}
