//! What a smaller or a larger value of a key does, in a few words.
//!
//! The doc comment of a key says what it is; this table says what changes with it, in every language of the guide. It
//! has the keys in which presets for GPUs differ, which a test watches.

use std::cmp::Ordering;

use serde_json::Value as Json;

/// Languages of the guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// Chinese.
    Zh,
}

/// The effects of one key.
struct Effects {
    key: &'static str,
    /// Of less, or of off, in English and Chinese.
    less: [&'static str; 2],
    /// Of more, or of on, in English and Chinese.
    more: [&'static str; 2],
}

static EFFECTS: &[Effects] = &[
    Effects {
        key: "training.batch_size",
        less: ["takes less device memory", "减少显存压力"],
        more: ["takes more device memory", "占用更多显存"],
    },
    Effects {
        key: "training.update_freq",
        less: [
            "fewer, larger micro-batches reach the effective batch",
            "微批次更大，累积更少",
        ],
        more: [
            "reaches the effective batch by accumulation",
            "通过累积达到等效批大小",
        ],
    },
    Effects {
        key: "training.lr",
        less: [
            "a lower rate suits a smaller model and micro-batch",
            "降低学习率适应小批量",
        ],
        more: [
            "a larger model and micro-batch bear a higher rate",
            "提高学习率适应大批量",
        ],
    },
    Effects {
        key: "training.xvlm_lr",
        less: ["X-VLM learns at a lower rate", "降低 X-VLM 学习率"],
        more: ["X-VLM learns at a higher rate", "提高 X-VLM 学习率"],
    },
    Effects {
        key: "model.aoa_layers",
        less: ["a simpler model with fewer activations", "减少模型复杂度"],
        more: ["a deeper model with more activations", "增加模型复杂度"],
    },
    Effects {
        key: "model.num_hid",
        less: ["a narrower model with fewer parameters", "减少隐藏层大小"],
        more: ["a wider model with more parameters", "增大隐藏层"],
    },
    Effects {
        key: "model.dropout",
        less: ["regularises a little less", "稍微降低正则化"],
        more: ["regularises a little more", "稍微提高正则化"],
    },
    Effects {
        key: "memory_optimization.dynamic_batch_size",
        less: [
            "memory is plentiful, so the micro-batch is fixed",
            "显存充足，固定批大小",
        ],
        more: ["the micro-batch follows the memory", "需要动态调整"],
    },
    Effects {
        key: "memory_optimization.max_memory_usage",
        less: ["leaves room for the system", "留出系统余量"],
        more: ["uses the device memory fully", "充分利用显存"],
    },
    Effects {
        key: "memory_optimization.gradient_accumulation_steps",
        less: [
            "fewer, larger micro-batches reach the effective batch",
            "微批次更大，累积更少",
        ],
        more: [
            "reaches the effective batch by accumulation",
            "通过累积达到等效批大小",
        ],
    },
    Effects {
        key: "memory_optimization.memory_efficient_attention",
        less: ["keeps whole score matrices", "保留完整的注意力矩阵"],
        more: [
            "takes less device memory, at a small cost in time",
            "分块计算注意力，节省显存",
        ],
    },
    Effects {
        key: "memory_optimization.gradient_checkpointing",
        less: [
            "keeps all activations and computes nothing twice",
            "保留全部激活，不重复计算",
        ],
        more: [
            "takes much less device memory, at a cost in time",
            "重新计算激活，以时间换显存",
        ],
    },
    Effects {
        key: "memory_optimization.num_workers",
        less: ["takes less host memory", "占用更少主机内存"],
        more: [
            "keeps a faster device busy, for more host memory",
            "解码更快，占用更多主机内存",
        ],
    },
    Effects {
        key: "memory_optimization.prefetch_factor",
        less: [
            "fewer samples wait in host memory",
            "减少预取，节省主机内存",
        ],
        more: [
            "more samples wait in host memory",
            "增加预取，占用更多主机内存",
        ],
    },
    Effects {
        key: "data_loading.preload_data",
        less: [
            "keeps no decoded images in host memory",
            "避免预加载过多数据",
        ],
        more: [
            "faster epochs, at a cost in host memory",
            "可以预加载大量数据",
        ],
    },
    Effects {
        key: "data_loading.use_compression",
        less: [
            "host memory is plentiful, so nothing is compressed",
            "不需要压缩",
        ],
        more: [
            "takes less host memory, at a small cost in time",
            "启用压缩节省内存",
        ],
    },
    Effects {
        key: "data_loading.shuffle_buffer_size",
        less: [
            "takes less host memory where data are streamed",
            "减小流式读取的缓冲，节省内存",
        ],
        more: [
            "mixes better where data are streamed",
            "增大流式读取的缓冲，打乱更充分",
        ],
    },
];

/// The place of a value in the order off, "auto", on.
fn switched(value: &Json) -> Option<u8> {
    match value {
        Json::Bool(on) => Some(2 * u8::from(*on)),
        Json::String(word) if word == "auto" => Some(1),
        _ => None,
    }
}

/// What comes of a key's value being `to` where it was `from`; `None` where nothing is known of it, or the two are equal
/// or have no order.
pub fn effect(key: &str, from: &Json, to: &Json, language: Language) -> Option<&'static str> {
    let order = match (from, to) {
        (Json::Bool(_) | Json::String(_), Json::Bool(_) | Json::String(_)) => {
            switched(to)?.cmp(&switched(from)?)
        }
        (Json::Number(from), Json::Number(to)) => to.as_f64()?.partial_cmp(&from.as_f64()?)?,
        _ => return None,
    };
    let effects = EFFECTS.iter().find(|effects| effects.key == key)?;
    let [en, zh] = match order {
        Ordering::Less => effects.less,
        Ordering::Greater => effects.more,
        Ordering::Equal => return None,
    };
    Some(match language {
        Language::En => en,
        Language::Zh => zh,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use config_schema::{Layers, Resolved, keys, preset_summaries, presets, resolve};

    use super::*;
    use crate::compare::compare;

    #[test]
    fn every_row_is_of_a_key() {
        let rows: BTreeSet<&str> = EFFECTS.iter().map(|effects| effects.key).collect();
        assert_eq!(rows.len(), EFFECTS.len(), "one row a key");
        for row in rows {
            assert!(keys().any(|key| key.path == row), "{row}");
        }
    }

    #[test]
    fn keys_in_which_presets_for_gpus_differ_have_a_row() {
        let summaries = preset_summaries().unwrap();
        let for_gpus = summaries
            .iter()
            .filter(|one| one.min_device_memory.is_some());
        let resolved: Vec<(&str, Resolved)> = for_gpus
            .map(|one| {
                let resolved = resolve(&Layers::preset(&one.name), &presets::lookup);
                (one.name.as_str(), resolved.unwrap())
            })
            .collect();
        assert!(resolved.len() > 1);
        let columns: Vec<_> = resolved.iter().map(|(name, one)| (*name, one)).collect();
        for row in compare(&columns) {
            if !row.same && !row.key.starts_with("preset.") {
                assert!(
                    EFFECTS.iter().any(|effects| effects.key == row.key),
                    "{}",
                    row.key
                );
            }
        }
    }

    #[test]
    fn the_effect_follows_the_order() {
        let less = effect("training.lr", &2.into(), &1.0.into(), Language::En);
        let more = effect("training.lr", &1.0.into(), &2.into(), Language::En);
        assert!(less.is_some() && more.is_some() && less != more);
        assert_ne!(
            less,
            effect("training.lr", &2.into(), &1.into(), Language::Zh)
        );
        assert_eq!(
            effect("training.lr", &1.into(), &1.into(), Language::En),
            None
        );
        assert_eq!(
            effect("training.seed", &1.into(), &2.into(), Language::En),
            None
        );
        let preload =
            |from: Json, to: Json| effect("data_loading.preload_data", &from, &to, Language::Zh);
        let (less, more) = (Some("避免预加载过多数据"), Some("可以预加载大量数据"));
        assert_eq!(preload(true.into(), false.into()), less);
        assert_eq!(preload(true.into(), "auto".into()), less);
        assert_eq!(preload(false.into(), true.into()), more);
        assert_eq!(preload(false.into(), "auto".into()), more);
        assert_eq!(preload("auto".into(), "auto".into()), None);
    }
}
