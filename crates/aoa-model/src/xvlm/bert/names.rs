//! Names of the parameters in PyTorch checkpoints.

/// Tensors of a checkpoint that are no parameters, by the end of their name: the numbers 0, 1, 2 and so on.
pub const BUFFERS: [&str; 1] = ["embeddings.position_ids"];

/// What a checkpoint has in a path where a module has the left side.
const RENAMED: [(&str, &str); 7] = [
    (".query.", ".self.query."),
    (".key.", ".self.key."),
    (".value.", ".self.value."),
    (".intermediate.", ".intermediate.dense."),
    (".layer_norm.gamma", ".LayerNorm.weight"),
    (".layer_norm.beta", ".LayerNorm.bias"),
    ("cls.", "cls.predictions."),
];

/// Name in a PyTorch checkpoint of the parameter at `path` of a [`Bert`](super::Bert), or of any module of
/// [`xvlm`](crate::xvlm) that has one inside.
pub fn pytorch_name(path: &str) -> String {
    RENAMED
        .iter()
        .fold(path.to_owned(), |name, (from, to)| name.replace(from, to))
}
