//! What the guide says around the values. `{name}` is a fact that the presets give.

/// The words of the guide in one language.
pub(super) struct Words {
    /// From the title to the table of core differences.
    pub(super) opening: &'static str,
    pub(super) item: &'static str,
    pub(super) note: &'static str,
    pub(super) core: [Row; 4],
    /// Off and on.
    pub(super) switch: [&'static str; 2],
    pub(super) same: &'static str,
    pub(super) batches: &'static str,
    pub(super) batch_columns: [&'static str; 4],
    pub(super) memory: &'static str,
    pub(super) training: &'static str,
    pub(super) model: &'static str,
    pub(super) parameter: &'static str,
    pub(super) training_effect: &'static str,
    pub(super) model_effect: &'static str,
    pub(super) data_loading: &'static str,
    pub(super) more_memory: &'static str,
    pub(super) less_memory: &'static str,
    pub(super) closing: &'static str,
    /// `{from}` and `{to}` are values.
    pub(super) up: &'static str,
    pub(super) down: &'static str,
    pub(super) comma: &'static str,
}

/// A row of the core differences.
pub(super) struct Row {
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    /// `{n}` is the value, `{percent}` the value in percent.
    pub(super) unit: &'static str,
    /// Where the card with less memory has less, or off. `{percent}` is by how much.
    pub(super) less: &'static str,
    /// Where it has more, or on.
    pub(super) more: &'static str,
}

pub(super) static EN: Words = Words {
    opening: "\
<!-- Written by `cargo xtask docs` from configs/. -->

# Guide to the presets for GPUs

[中文](guide.zh-CN.md)

## {large} and {small} compared

The presets `{large_preset}` and `{small_preset}` are of one family, `{family}`, which promises an effective batch of
{effective_batch} samples, or at most {distance} away from it. With less memory, micro-batches are smaller and more of
them make an update.

### Core differences",
    item: "setting",
    note: "why",
    core: [
        Row {
            key: "training.batch_size",
            name: "Micro-batch",
            unit: "{n}",
            less: "{percent} % smaller to fit the memory",
            more: "{percent} % larger",
        },
        Row {
            key: "training.update_freq",
            name: "Gradient accumulation",
            unit: "{n} micro-batches",
            less: "fewer micro-batches reach the effective batch",
            more: "reaches the effective batch by accumulation",
        },
        Row {
            key: "memory_optimization.max_memory_usage",
            name: "Memory usage",
            unit: "{percent} %",
            less: "leaves room for the system",
            more: "uses the device memory fully",
        },
        Row {
            key: "memory_optimization.dynamic_batch_size",
            name: "Dynamic micro-batch",
            unit: "{n}",
            less: "{small} needs no adjustment",
            more: "{small} needs adjustment while it runs",
        },
    ],
    switch: ["off", "on"],
    same: "the same",
    batches: "### Effective batches",
    batch_columns: ["preset", "micro-batch", "micro-batches of an update", "effective batch"],
    memory: "## In detail\n\n### 1. Memory",
    training: "### 2. Training",
    model: "### 3. Model",
    parameter: "key",
    training_effect: "effect",
    model_effect: "effect",
    data_loading: "### 4. Data loading",
    more_memory: "\
## Advice

The preset is chosen by the memory of the card; `--preset NAME` names another. `aoa plan --preset NAME` says what a run
will need before it begins, `aoa fit` measures it, `aoa monitor` says what a run uses while it goes on, and
`aoa presets diff A B` shows all in which presets differ.

### Where `{small_preset}` leaves memory unused

`aoa train --preset {headroom}` is this:",
    less_memory: "### Where `{small_preset}` runs out of memory\n\n`aoa train --preset {tight}` is this:",
    closing: "\
Where that is still too much, `aoa plan --preset {tight} --memory-budget 20GiB` says what else would save some. A run that
meets its budget all the same goes on in smaller micro-batches, with the same samples and the same effective batch.

### For a card of another size

`aoa presets derive --vram 16GiB` makes a preset for it, of the same effective batch.",
    up: "up from {from}",
    down: "down from {from}",
    comma: ": ",
};

pub(super) static ZH: Words = Words {
    opening: "\
<!-- 由 `cargo xtask docs` 根据 configs/ 生成。 -->

# GPU配置对比指南

[English](guide.md)

## {small} vs {large} GPU 优化策略对比

预设 `{large_preset}` 和 `{small_preset}` 同属 `{family}` 家族。该家族承诺的等效批大小是 {effective_batch} 个样本，成员与它最多相差
{distance} 个。显存较少时，微批次更小，一次参数更新由更多的微批次组成。

### 核心差异",
    item: "配置项",
    note: "说明",
    core: [
        Row {
            key: "training.batch_size",
            name: "批处理大小",
            unit: "{n}",
            less: "减少{percent}%以适配显存",
            more: "增加{percent}%",
        },
        Row {
            key: "training.update_freq",
            name: "梯度累积",
            unit: "{n}步",
            less: "累积更少即可达到等效批大小",
            more: "通过累积达到等效批大小",
        },
        Row {
            key: "memory_optimization.max_memory_usage",
            name: "内存使用率",
            unit: "{percent}%",
            less: "为系统留出余量",
            more: "充分利用显存",
        },
        Row {
            key: "memory_optimization.dynamic_batch_size",
            name: "动态批处理",
            unit: "{n}",
            less: "{small}不需要动态调整",
            more: "{small}需要动态调整",
        },
    ],
    switch: ["关闭", "开启"],
    same: "相同",
    batches: "### 等效批大小",
    batch_columns: ["预设", "微批次", "每次更新的微批次数", "等效批大小"],
    memory: "## 详细配置对比\n\n### 1. 内存优化策略",
    training: "### 2. 训练参数对比",
    model: "### 3. 模型参数对比",
    parameter: "参数",
    training_effect: "影响",
    model_effect: "说明",
    data_loading: "\
表中沿用 YAML 配置里的名字 `AOA_layers`；在 TOML 预设中写作 `aoa_layers`。

### 4. 数据加载策略",
    more_memory: "\
## 优化建议

程序按显卡的显存自动选择预设，也可以用 `--preset NAME` 指定。`aoa plan --preset NAME` 在训练之前算出所需的显存，`aoa fit` 实际测量它，`aoa monitor`
显示训练时的实际用量，`aoa presets diff A B` 列出两个预设的全部差异。

### 如果 `{small_preset}` 的显存仍有富余

使用 `aoa train --preset {headroom}`，它的内容是：",
    less_memory: "### 如果 `{small_preset}` 的显存不足\n\n使用 `aoa train --preset {tight}`，它的内容是：",
    closing: "\
如果仍然不够，`aoa plan --preset {tight} --memory-budget 20GiB` 会指出还有哪些设置可以节省显存。训练中即使超出预算，程序也会改用更小的
微批次继续，样本不变，等效批大小也不变。

### 其他大小的显卡

`aoa presets derive --vram 16GiB` 为它生成一个预设，等效批大小相同。",
    up: "从{from}增加到{to}",
    down: "从{from}减少到{to}",
    comma: "，",
};
