//! What each rule says, why it is there, and an example of its cure. The page of rules is made of this.

use super::{Example, Rule, RuleDoc};

const fn files(wrong: &'static str, mended: &'static str) -> Example {
    Example::Files { wrong, mended }
}

const fn toml(wrong: &'static str, mended: &'static str) -> Example {
    Example::Toml { wrong, mended }
}

impl Rule {
    /// What the page of rules says of it. A test applies the examples.
    #[expect(clippy::too_many_lines, reason = "a table, with one row a rule")]
    pub fn doc(self) -> RuleDoc {
        let (id, title, why, example) = match self {
            Self::TomlFile => (
                "toml-file",
                "A folder of presets holds files that end in `.toml`, `schema.json` for editors, and nothing else.",
                "A file of another kind is never read. A preset in such a file would seem to be checked and would not be.",
                files("configs/16gb.yaml", "configs/16gb.toml"),
            ),
            Self::Readable => (
                "readable",
                "Every file can be read: a regular file of at most 1 MiB, UTF-8; and there is at least one.",
                "What cannot be read is not checked, and a check of no files proves nothing. Links to folders are \
                 not followed.",
                files(
                    "configs/16gb.toml, saved as UTF-16",
                    "configs/16gb.toml, saved as UTF-8",
                ),
            ),
            Self::Reachable => (
                "reachable",
                "Every preset has a name of its own that leads to it, and every preset of the program has been seen.",
                "The program knows its own presets by name, so in its own folder every file is one of them, and the check sees a \
                 file for each. Elsewhere, too, a name stands for one file. One that ends in `.toml` is taken for a path.",
                files(
                    "mine/16gb.toml\nmine/old/16gb.toml",
                    "mine/16gb.toml\nmine/old/16gb-slow.toml",
                ),
            ),
            Self::ValidToml => (
                "valid-toml",
                "The text is TOML, nested no more than 16 levels deep.",
                "A file with a syntax error sets none of its values.",
                toml("[logging\nevery_steps = 50", "[logging]\nevery_steps = 50"),
            ),
            Self::NoKeyTwice => (
                "no-key-twice",
                "No key and no section stands twice in a file.",
                "One of the two values would be lost, and nothing would say which.",
                toml(
                    "[logging]\nevery_steps = 50\nevery_steps = 20",
                    "[logging]\nevery_steps = 20",
                ),
            ),
            Self::KnownKeys => (
                "known-keys",
                "Every section and every key is one that the program has.",
                "A misspelt key sets nothing, and the run trains with the value of the layer below.",
                toml("[training]\nbach_size = 8", "[training]\nbatch_size = 8"),
            ),
            Self::ValueType => (
                "value-type",
                "Every value has the type of its key.",
                "A number in quotes is text.",
                toml(
                    "[training]\nbatch_size = \"8\"",
                    "[training]\nbatch_size = 8",
                ),
            ),
            Self::ValueRange => (
                "value-range",
                "Every value lies in the range of its key, and has its form or is one of its choices.",
                "`aoa config show` prints every key. The error message lists the allowed values.",
                toml("[model]\ndropout = 1.5", "[model]\ndropout = 0.15"),
            ),
            Self::ExtendsResolves => (
                "extends-resolves",
                "`extends` names an existing preset, and no preset extends itself through others.",
                "An overlay is incomplete without the preset that it extends.",
                toml("extends = \"24bg\"", "extends = \"24gb\""),
            ),
            Self::AccumulationAgrees => (
                "accumulation-agrees",
                "Both spellings of accumulation in a file agree.",
                "`training.update_freq` and `memory_optimization.gradient_accumulation_steps` are the same fact. A file may state \
                 one, and the other follows from it.",
                toml(
                    "[training]\nbatch_size = 8\nupdate_freq = 4\n\n[memory_optimization]\ngradient_accumulation_steps = 2",
                    "[training]\nbatch_size = 8\nupdate_freq = 4",
                ),
            ),
            Self::HeadsDivide => (
                "heads-divide",
                "The number of heads divides the hidden size: `model.heads` `model.num_hid`, and `xvlm.text_heads` \
                 `xvlm.text_hidden`.",
                "Every head works on an equal number of channels.",
                toml("[model]\nnum_hid = 700", "[model]\nnum_hid = 704"),
            ),
            Self::KeysCompatible => (
                "keys-compatible",
                "No two values contradict one another.",
                "The message names both values and where each was set.",
                toml(
                    "[xvlm]\ntext_layers = 6",
                    "[xvlm]\ntext_layers = 6\nfusion_layer = 3",
                ),
            ),
            Self::Described => (
                "described",
                "Every preset has a description of its own.",
                "`aoa presets list` shows it, and it is how a preset is chosen. An overlay that states none has that of the preset \
                 below it.",
                toml(
                    "[preset]\ndescription = \"\"",
                    "[preset]\ndescription = \"24 GB GPU of a desktop: a fifth of the memory stays for the screen\"",
                ),
            ),
            Self::FamilyAgrees => (
                "family-agrees",
                "All members of a family declare equal keys under `[family]`.",
                "Members promise one effective batch only if they agree on it. The declaration of the majority is taken as right.",
                toml("[family]\nmax_distance = 8", "[family]\nmax_distance = 2"),
            ),
            Self::FamilyMembers => (
                "family-members",
                "A family has more than one member.",
                "The only member of a family is compared with nothing; often its `family.name` is misspelt. A preset may go its \
                 own way, so this is a warning, and the check still ends with exit code 0.",
                toml("[family]\nname = \"vpa\"", "[family]\nname = \"vqa\""),
            ),
            Self::FamilyResult => (
                "family-result",
                "Members of a family agree in every key that decides the result and takes no memory.",
                "Such keys are epochs, seed, data set, loss weights, optimizer, clipping and schedule: no card needs another value. \
                 `family.may_differ` names keys that are left out; learning rates follow the rule `learning-rates`. The value of most \
                 members is taken as correct.",
                toml(
                    "[optimizer]\nclip_norm = 0.5",
                    "[optimizer]\nclip_norm = 0.25",
                ),
            ),
            Self::EffectiveBatch => (
                "effective-batch",
                "`batch_size` x `update_freq` lies within `family.max_distance` of `family.effective_batch`.",
                "Members of a family train to the same result because an update sees as many samples on every device.",
                toml(
                    "[training]\nbatch_size = 8\nupdate_freq = 3",
                    "[training]\nbatch_size = 8\nupdate_freq = 4",
                ),
            ),
            Self::LearningRates => (
                "learning-rates",
                "Learning rates go with the micro-batches as `family.learning_rates` declares.",
                "With \"falling\", a member with a smaller `batch_size` never has a higher `lr` or `xvlm_lr`; members with the same \
                 have no order. With \"equal\" all have the same rates, with \"free\" nothing is compared.",
                toml(
                    "[training]\nbatch_size = 4\nupdate_freq = 8\nlr = 3e-4",
                    "[training]\nbatch_size = 4\nupdate_freq = 8\nlr = 2.5e-4",
                ),
            ),
            Self::MonotoneBatch => (
                "monotone-batch",
                "Less memory never means a larger `training.batch_size`.",
                "A micro-batch that is too large for a larger card does not fit a smaller one.",
                toml(
                    "[training]\nbatch_size = 32\nupdate_freq = 1\nlr = 3.2e-4\nxvlm_lr = 6e-5",
                    "[training]\nbatch_size = 16\nupdate_freq = 2\nlr = 3.2e-4\nxvlm_lr = 6e-5",
                ),
            ),
            Self::MonotoneLayers => (
                "monotone-layers",
                "Less memory never means more layers: `model.aoa_layers`, `xvlm.text_layers`, `xvlm.decoder_layers`, and the sum of \
                 `xvlm.depths`.",
                "Each layer has parameters and keeps activations.",
                toml("[model]\naoa_layers = 8", "[model]\naoa_layers = 4"),
            ),
            Self::MonotoneWidth => (
                "monotone-width",
                "Less memory never means a wider model: `model.num_hid`, `xvlm.embed_dim`, `xvlm.text_hidden`, \
                 `xvlm.text_intermediate`.",
                "Parameters grow with the square of the width.",
                toml("[model]\nnum_hid = 1280", "[model]\nnum_hid = 1024"),
            ),
            Self::MonotoneWorkers => (
                "monotone-workers",
                "Less memory never means more `memory_optimization.num_workers`.",
                "A smaller card has smaller micro-batches, in a smaller machine.",
                toml(
                    "[memory_optimization]\nnum_workers = 24",
                    "[memory_optimization]\nnum_workers = 12",
                ),
            ),
            Self::MonotonePrefetch => (
                "monotone-prefetch",
                "Less memory never means a larger `memory_optimization.prefetch_factor`.",
                "Prefetched samples wait in host memory, and a smaller machine has less of it.",
                toml(
                    "[memory_optimization]\nprefetch_factor = 8",
                    "[memory_optimization]\nprefetch_factor = 4",
                ),
            ),
            Self::MonotoneShuffleBuffer => (
                "monotone-shuffle-buffer",
                "Less memory never means a larger `data_loading.shuffle_buffer_size`.",
                "The buffer holds encoded images in host memory where data are streamed: from shards, or with \
                 `data_loading.streaming = true`.",
                toml(
                    "[data_loading]\nshuffle_buffer_size = 10000",
                    "[data_loading]\nshuffle_buffer_size = 4000",
                ),
            ),
            Self::MonotoneMemoryUse => (
                "monotone-memory-use",
                "Less memory never means a higher `memory_optimization.max_memory_usage`.",
                "What the system and other programs take is a larger part of a smaller card.",
                toml(
                    "[memory_optimization]\nmax_memory_usage = 0.98",
                    "[memory_optimization]\nmax_memory_usage = 0.9",
                ),
            ),
            Self::MonotoneSavings => (
                "monotone-savings",
                "Less memory never means fewer savings: `dynamic_batch_size`, `memory_efficient_attention`, \
                 `gradient_checkpointing`, `use_compression`, and no `preload_data`.",
                "If a larger card must save memory, a smaller one must too.",
                toml(
                    "[preset]\ndescription = \"12 GB GPU\"\nmin_device_memory = \"11GiB\"\n\n[memory_optimization]\n\
                     memory_efficient_attention = false",
                    "[preset]\ndescription = \"12 GB GPU\"\nmin_device_memory = \"11GiB\"\n\n[memory_optimization]\n\
                     memory_efficient_attention = true",
                ),
            ),
            Self::ModelBuilds => (
                "model-builds",
                "The sizes describe a model that can be built.",
                "Some sizes have to fit each other in ways that show only when the model is put together, such as an image and \
                 the windows of its encoder. `--no-plan` skips this rule and the next.",
                toml("[dataset]\nimage_size = 500", "[dataset]\nimage_size = 480"),
            ),
            Self::PlannedPeak => (
                "planned-peak",
                "The planned peak of memory is within the budget.",
                "The plan is that of `aoa plan`; the budget is the part `max_memory_usage` of `preset.min_device_memory`, or of \
                 `preset.min_host_memory` where the preset is not for a GPU. Where it states neither, nothing is compared.",
                toml(
                    "[training]\nbatch_size = 16\nupdate_freq = 2\n\n[memory_optimization]\ngradient_checkpointing = false",
                    "[training]\nbatch_size = 8\nupdate_freq = 4\n\n[memory_optimization]\ngradient_checkpointing = true",
                ),
            ),
            Self::PreloadFits => (
                "preload-fits",
                "A preset with `data_loading.preload_data` says how much host memory its machine has, and the images fit.",
                "Every image of the data set is kept, `image_size`² x 3 bytes or, where it is cropped at random, the pixels of its file \
                 if these are more, and its region features where the model looks at them. Compression is not counted on, because what it saves depends on the images.",
                toml(
                    "[preset]\ndescription = \"24 GB GPU, images in host memory\"\nmin_host_memory = \"4GiB\"\n\n[data_loading]\n\
                     preload_data = true",
                    "[preset]\ndescription = \"24 GB GPU, images in host memory\"\nmin_host_memory = \"30GiB\"\n\n[data_loading]\n\
                     preload_data = true",
                ),
            ),
            Self::QueueFits => (
                "queue-fits",
                "What a run keeps in host memory fits: the data set, preloaded images and the prefetch queue.",
                "At most `num_workers` x `prefetch_factor` x `training.batch_size` decoded samples wait, and the workers decode \
                 some more. They are compared with `preset.min_host_memory`, or with 4 GiB where it is not stated.",
                toml(
                    "extends = \"48gb\"\n\n[preset]\ndescription = \"48 GB GPU, a long queue\"\nmin_host_memory = \"16GiB\"\n\n\
                     [data_loading]\npreload_data = false\n\n[memory_optimization]\nprefetch_factor = 1000",
                    "extends = \"48gb\"\n\n[preset]\ndescription = \"48 GB GPU, a queue\"\nmin_host_memory = \"16GiB\"\n\n\
                     [data_loading]\npreload_data = false\n\n[memory_optimization]\nprefetch_factor = 8",
                ),
            ),
        };
        RuleDoc {
            id,
            title,
            why,
            example,
        }
    }
}
