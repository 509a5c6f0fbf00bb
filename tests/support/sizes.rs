//! Sizes of modules as golden cases give them.

use aoa_model::cfr::FineBranchConfig;
use aoa_model::xvlm::bert::BertConfig;

use crate::golden::Case;

/// The BERT of a case, looking at a context of so many channels.
pub fn bert_config(case: &Case, context_width: usize) -> BertConfig {
    BertConfig::new(
        case.size("vocab_size"),
        case.size("hidden_size"),
        case.size("num_hidden_layers"),
        case.size("num_attention_heads"),
        case.size("intermediate_size"),
        case.size("max_position_embeddings"),
        case.size("fusion_layer"),
        context_width,
    )
}

/// The fine branch of a case, without entities and statistical words.
pub fn fine_branch_config(case: &Case) -> FineBranchConfig {
    FineBranchConfig::new(
        case.size("ntoken"),
        case.size("emb_dim"),
        case.size("v_dim"),
        case.size("num_hid"),
        case.size("num_answers"),
        case.size("aoa_layers"),
        case.size("heads"),
        case.size("dim_head"),
        case.size("gamma"),
    )
}
