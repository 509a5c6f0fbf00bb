//! What the configurations of X-VLM, ALBEF and BLIP call keys, and what they have that there is no key for.

use config_schema::suggest;

/// What becomes of a foreign key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The key takes its value.
    Key(&'static str),
    /// The key takes its value if it is a part of all steps: a fraction, or none. A number of steps is something else.
    Part(&'static str, &'static str),
    /// The key takes its value if the file ranks answers; where images are ranked, the name means something else.
    Answers(&'static str, &'static str),
    /// The key takes the word that stands here for the value, if one does.
    Word(&'static str, &'static [(&'static str, &'static str)]),
    /// No key takes it, and why.
    None(&'static str),
}

use Meaning::{Answers, Key, None, Part, Word};

/// Names of the section that holds the schedule.
const SCHEDULES: [&str; 3] = ["scheduler", "lr_scheduler", "schedule"];

/// What X-VLM calls that section.
const SCHEDULE: &str = "schedular";

/// A key that only files have that rank images.
pub(super) const RANKS_IMAGES: &str = "temp";

const DATA: &str = "the data set is named by `dataset.name` and `dataset.root`";
const SIZES: &str = "the sizes of the model are the keys of [xvlm]";
const DISTILLATION: &str = "there is no distillation from a second model";
const SCHEDULED: &str = "\"cosine\" and \"linear\" warm up from 0 and end at 0 by steps";
const CONTRASTIVE: &str = "it belongs to the contrastive loss of pre-training and retrieval, which question answering does not use";
const PRETRAINING: &str = "it belongs to pre-training";
const OTHER_ENCODER: &str = "the image encoder is Swin; its sizes are the keys of [xvlm]";
const MODE: &str = "precision.mode";
/// Switches of PyTorch's automatic mixed precision.
const HALF: &[(&str, &str)] = &[
    ("true", "f16"),
    ("yes", "f16"),
    ("on", "f16"),
    ("false", "f32"),
    ("no", "f32"),
    ("off", "f32"),
];
const BRAIN: &[(&str, &str)] = &[
    ("true", "bf16"),
    ("yes", "bf16"),
    ("on", "bf16"),
    ("false", "f32"),
    ("no", "f32"),
    ("off", "f32"),
];
/// Levels of Apex. O3 has no weights in single precision, so it is no mode here.
const LEVELS: &[(&str, &str)] = &[("o0", "f32"), ("o1", "f16"), ("o2", "f16")];
/// The words of Accelerate, PyTorch and Lightning.
const TYPES: &[(&str, &str)] = &[
    ("no", "f32"),
    ("false", "f32"),
    ("32", "f32"),
    ("32-true", "f32"),
    ("fp32", "f32"),
    ("float32", "f32"),
    ("true", "f16"),
    ("16", "f16"),
    ("16-mixed", "f16"),
    ("fp16", "f16"),
    ("float16", "f16"),
    ("half", "f16"),
    ("bf16", "bf16"),
    ("bf16-mixed", "bf16"),
    ("bfloat16", "bf16"),
];
const ADAMW: &str = "X-VLM is always trained with AdamW, see `optimizer.xvlm_form`";
const WORDS: &str =
    "`xvlm.vocabulary` is the path of the vocabulary's file, `xvlm.weights` that of weights";

static MEANINGS: &[(&str, Meaning)] = &[
    // Images and questions.
    ("image_res", Key("dataset.image_size")),
    ("image_size", Key("dataset.image_size")),
    ("max_tokens", Key("dataset.max_question_tokens")),
    (
        "max_words",
        None("it counts words; for X-VLM, `dataset.max_question_tokens` counts word pieces"),
    ),
    (
        "answer_list",
        None("the answers that are ranked are those of the data set"),
    ),
    ("train_file", None(DATA)),
    ("train_files", None(DATA)),
    ("train_file_regions", None(DATA)),
    ("train_file_text", None(DATA)),
    ("train_dataset_size", None(DATA)),
    ("val_file", None(DATA)),
    ("test_file", None(DATA)),
    ("vqa_root", None(DATA)),
    ("vg_root", None(DATA)),
    ("ann_root", None(DATA)),
    ("image_root", None(DATA)),
    ("coco_root", None(DATA)),
    ("dataset", None(DATA)),
    (
        "eos",
        None("the end of a text is the vocabulary's own token `[SEP]`"),
    ),
    ("prompt", None("questions are read as they are")),
    ("careful_hflip", None("images are not flipped")),
    ("min_scale", None("images are not cropped at random")),
    // Batches.
    ("batch_size_train", Key("training.batch_size")),
    ("batch_size_test", Key("evaluation.batch_size")),
    ("batch_size_test_text", None(CONTRASTIVE)),
    (
        "accelerator.grad_accumulate_steps",
        Key("training.update_freq"),
    ),
    ("accum_iter", Key("training.update_freq")),
    // Model.
    (
        "k_test",
        Answers(
            "xvlm.k_test",
            "beside `temp` it counts the images that retrieval ranks, not answers",
        ),
    ),
    ("num_dec_layers", Key("xvlm.decoder_layers")),
    (
        "patch_size",
        None(
            "it is the stride of the whole image encoder, and `xvlm.patch_size` that of its first layer, 4",
        ),
    ),
    (
        "use_swin",
        None("the image encoder is `model.image_encoder`"),
    ),
    ("use_clip_vit", None(OTHER_ENCODER)),
    ("clip_config", None(OTHER_ENCODER)),
    ("clip_name", None(OTHER_ENCODER)),
    ("vit", None(OTHER_ENCODER)),
    (
        "vit_ckpt_layer",
        None(
            "`memory_optimization.checkpoint_segment` is the number of layers that are rebuilt together",
        ),
    ),
    (
        "vit_grad_ckpt",
        Key("memory_optimization.gradient_checkpointing"),
    ),
    (
        "use_checkpoint",
        Key("memory_optimization.gradient_checkpointing"),
    ),
    ("vision_config", None(SIZES)),
    ("text_config", None(SIZES)),
    ("bert_config", None(SIZES)),
    ("med_config", None(SIZES)),
    ("vision_width", None(SIZES)),
    ("use_roberta", None("the text encoder is BERT")),
    ("text_encoder", None(WORDS)),
    ("text_decoder", None(WORDS)),
    ("tokenizer", None(WORDS)),
    (
        "pretrained",
        None("`xvlm.weights` is the path of weights to begin with"),
    ),
    (
        "load_params",
        None("`xvlm.weights` is the path of weights to begin with"),
    ),
    (
        "load_pretrain",
        None("`xvlm.weights` is the path of weights to begin with"),
    ),
    (
        "large_lr_for_dec",
        None("all parameters of X-VLM have one learning rate"),
    ),
    // Other tasks and other losses.
    ("embed_dim", None(CONTRASTIVE)),
    ("temp", None(CONTRASTIVE)),
    ("queue_size", None(CONTRASTIVE)),
    ("negative_all_rank", None(CONTRASTIVE)),
    ("momentum", None(DISTILLATION)),
    ("alpha", None(DISTILLATION)),
    ("distill", None(DISTILLATION)),
    ("warm_up", None(DISTILLATION)),
    ("mlm_probability", None(PRETRAINING)),
    ("mask_prob", None(PRETRAINING)),
    ("max_masks", None(PRETRAINING)),
    ("mask_whole_word", None(PRETRAINING)),
    ("skipgram_prb", None(PRETRAINING)),
    ("skipgram_size", None(PRETRAINING)),
    ("calc_image_bbox_loss", None(PRETRAINING)),
    ("images", None(PRETRAINING)),
    ("regions", None(PRETRAINING)),
    ("texts", None(PRETRAINING)),
    ("aux", None(PRETRAINING)),
    ("ckpt_frequent", None("every epoch ends with a checkpoint")),
    ("ckpt_frequent_step", Key("checkpoint.every_steps")),
    ("inference", None("answers are always ranked")),
    // Optimizer.
    ("optimizer.opt", None(ADAMW)),
    ("optimizer.lr", Key("training.xvlm_lr")),
    ("init_lr", Key("training.xvlm_lr")),
    ("optimizer.weight_decay", Key("optimizer.xvlm_weight_decay")),
    ("weight_decay", Key("optimizer.xvlm_weight_decay")),
    (
        "optimizer.lr_mult",
        None("all parameters of X-VLM have one learning rate"),
    ),
    ("optimizer.betas", Key("optimizer.xvlm_betas")),
    ("optimizer.opt_betas", Key("optimizer.xvlm_betas")),
    ("optimizer.eps", Key("optimizer.xvlm_eps")),
    ("optimizer.opt_eps", Key("optimizer.xvlm_eps")),
    ("optimizer.momentum", None(ADAMW)),
    ("optimizer.clip_grad", Key("optimizer.clip_norm")),
    ("accelerator.clip_grad_norm", Key("optimizer.clip_norm")),
    ("clip_grad_norm", Key("optimizer.clip_norm")),
    ("clip_grad", Key("optimizer.clip_norm")),
    ("grad_clip", Key("optimizer.clip_norm")),
    ("max_grad_norm", Key("optimizer.clip_norm")),
    ("accelerator.rng_seed", Key("training.seed")),
    (
        "accelerator.syncbn",
        None("there is no batch normalisation"),
    ),
    // Number formats.
    ("accelerator.fp16_opt_level", Word(MODE, LEVELS)),
    ("fp16_opt_level", Word(MODE, LEVELS)),
    ("opt_level", Word(MODE, LEVELS)),
    (
        "accelerator.fp16_loss_scale",
        None(
            "the loss scale is always dynamic; it begins at two to the power of `precision.loss_scale_exponent`",
        ),
    ),
    ("fp16", Word(MODE, HALF)),
    ("use_fp16", Word(MODE, HALF)),
    ("amp", Word(MODE, HALF)),
    ("use_amp", Word(MODE, HALF)),
    ("bf16", Word(MODE, BRAIN)),
    ("use_bf16", Word(MODE, BRAIN)),
    ("mixed_precision", Word(MODE, TYPES)),
    ("precision", Word(MODE, TYPES)),
    ("dtype", Word(MODE, TYPES)),
    // Schedule.
    ("schedular.sched", Key("schedule.xvlm")),
    (
        "schedular.lr",
        None("it repeats `optimizer.lr` and is not used"),
    ),
    ("schedular.epochs", Key("training.epochs")),
    ("max_epoch", Key("training.epochs")),
    (
        "schedular.num_warmup_steps",
        Part(
            "schedule.warmup_fraction",
            "`schedule.warmup_fraction` is a part of all steps, not their number",
        ),
    ),
    (
        "schedular.num_training_steps",
        None("it follows from the data set and `training.epochs`"),
    ),
    ("schedular.min_lr", None(SCHEDULED)),
    ("schedular.decay_rate", None(SCHEDULED)),
    ("schedular.decay_epochs", None(SCHEDULED)),
    ("schedular.warmup_lr", None(SCHEDULED)),
    (
        "schedular.warmup_epochs",
        None("`schedule.warmup_fraction` is a part of all steps, not a number of epochs"),
    ),
    ("schedular.cooldown_epochs", None(SCHEDULED)),
    ("min_lr", None(SCHEDULED)),
    ("warmup_lr", None(SCHEDULED)),
    ("decay_rate", None(SCHEDULED)),
    ("lr_decay_rate", None(SCHEDULED)),
    (
        "warmup_steps",
        None("`schedule.warmup_fraction` is a part of all steps, not their number"),
    ),
    (
        "start_eval",
        None("every epoch is followed by an evaluation, see `evaluation.every_epochs`"),
    ),
];

/// What a key means that is written as `name`, with its section if it has one. For a section it is what each of its keys
/// means.
pub(super) fn meaning(name: &str) -> Option<Meaning> {
    let mut name = suggest::normal(name);
    if let Some((section, key)) = name.split_once('.')
        && SCHEDULES.contains(&section)
    {
        name = format!("{SCHEDULE}.{key}");
    }
    let mut meanings = MEANINGS.iter();
    meanings
        .find(|(alias, _)| *alias == name)
        .map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use config_schema::keys;

    use super::*;

    #[test]
    fn the_table_names_keys_that_exist_and_each_name_once() {
        let mut names = BTreeSet::new();
        for (name, meaning) in MEANINGS {
            assert!(names.insert(name), "{name}");
            assert_eq!(*name, suggest::normal(name));
            if let Key(key) | Part(key, _) | Answers(key, _) | Word(key, _) = meaning {
                assert!(keys().any(|one| one.path == *key), "{key}");
            }
            if let Word(path, words) = meaning {
                let key = keys().find(|key| key.path == *path).expect("the key");
                for (_, ours) in *words {
                    assert!(
                        key.read(&format!("{ours:?}")).is_ok(),
                        "{path} takes no {ours}"
                    );
                }
            }
        }
    }
}
