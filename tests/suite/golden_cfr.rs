//! The fine branch and its parts against the public implementation.

use aoa_model::cfr::{
    BanFusionConfig, BcNetConfig, BiAttentionConfig, CounterConfig, FcNetConfig, FineInput,
    ImageSide, Masked, QuestionEmbeddingConfig, WordEmbeddingConfig, pytorch_name,
};
use aoa_model::{ClassifierActivation, ClassifierConfig};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor};
use integration_tests::{Case, LoadWeights, fine_branch_config, gradients_by_path, random_numbers};

/// What is compared while a case's module runs, and the loss that its outputs make.
struct Check<'a> {
    case: &'a Case,
    device: Device,
    loss: Tensor<1>,
}

impl<'a> Check<'a> {
    fn new(case: &'a Case) -> Self {
        let device = Device::flex().autodiff();
        Self {
            case,
            loss: Tensor::zeros([1], &device),
            device,
        }
    }

    fn load<M: Module>(&self, module: M) -> M {
        LoadWeights::into_module(module, self.case, &pytorch_name)
    }

    fn input<const D: usize>(&self, name: &str) -> Tensor<D> {
        let name = format!("input.{name}");
        self.case.tensor(&name, &self.device).require_grad()
    }

    fn ids(&self, name: &str) -> Tensor<2, Int> {
        self.case.ints(&format!("input.{name}"), &self.device)
    }

    fn intermediate<const D: usize>(&self, name: &str, actual: &Tensor<D>) {
        self.case
            .assert_output(&format!("output.{name}"), &actual.to_data());
    }

    /// Compares an output and adds its share of the loss.
    fn output<const D: usize>(&mut self, name: &str, actual: Tensor<D>) {
        self.intermediate(name, &actual);
        let own = format!("cotangent.{name}");
        let name = if self.case.has(&own) {
            &own
        } else {
            "cotangent"
        };
        let share = (actual * self.case.tensor(name, &self.device)).sum();
        self.loss = self.loss.clone() + share;
    }

    /// Compares the gradients of all trained weights; those of the inputs remain.
    fn weights<M: Module>(&self, module: &M) -> burn::tensor::Gradients {
        let case = self.case;
        let mut gradients = self.loss.clone().backward();
        let parameters = GradientsParams::from_module(&mut gradients, module);
        let found = gradients_by_path(module, &parameters, &pytorch_name);
        for name in case.names() {
            if let Some(name) = name.strip_prefix("grad.") {
                assert!(found.contains_key(name), "{}: no {name}", case.name);
            }
        }
        for (name, gradient) in found {
            case.assert_gradient(&format!("grad.{name}"), &gradient);
        }
        gradients
    }

    fn gradient<const D: usize>(
        &self,
        name: &str,
        input: &Tensor<D>,
        gradients: &burn::tensor::Gradients,
    ) {
        let gradient = input.grad(gradients);
        let gradient = gradient.unwrap_or_else(|| panic!("{name} has a gradient"));
        self.case
            .assert_gradient(&format!("grad_input.{name}"), &gradient.into_data());
    }
}

fn dropout(case: &Case) -> [f64; 2] {
    let rate = |index: usize| case.config("dropout")[index].as_f64().expect("a rate");
    [rate(0), rate(1)]
}

fn activation(case: &Case) -> ClassifierActivation {
    match case.config("activation").as_str() {
        Some("relu") => ClassifierActivation::Relu,
        Some("swish") => ClassifierActivation::Swish,
        other => panic!("{}: activation {other:?}", case.name),
    }
}

#[test]
fn golden_cfr_fc_nets() {
    let _guard = random_numbers();
    for case in Case::all("ban_fcnet") {
        let mut check = Check::new(&case);
        let dims = case.config("dims").as_array().expect("a list");
        let dims = dims
            .iter()
            .map(|dim| dim.as_u64().expect("a size") as usize);
        let rate = case.number("dropout");
        let net = FcNetConfig::new(dims.collect(), case.config("act") == "ReLU")
            .with_dropout((rate > 0.0).then_some(rate));
        let net = check.load(net.init(&check.device));

        let x = check.input::<3>("x");
        check.output("y", net.forward(x.clone(), None));
        check.gradient("x", &x, &check.weights(&net));
    }
}

#[test]
fn golden_cfr_bc_nets() {
    let _guard = random_numbers();
    for case in Case::all("ban_bcnet") {
        let mut check = Check::new(&case);
        let maps = case.config("h_out").as_u64().map(|maps| maps as usize);
        let net = BcNetConfig::new(case.size("v_dim"), case.size("q_dim"), case.size("h_dim"))
            .with_k(case.size("k"))
            .with_maps(maps)
            .with_dropout(dropout(&case));
        let net = check.load(net.init(&check.device));

        let (v, q) = (check.input::<3>("v"), check.input::<3>("q"));
        check.output("logits", net.forward(v.clone(), q.clone(), None));
        let weights = case.has("input.w").then(|| check.input::<3>("w"));
        if let Some(weights) = &weights {
            let pooled = net.pooled(v.clone(), q.clone(), weights.clone(), None);
            check.output("pooled", pooled);
        }
        let gradients = check.weights(&net);
        check.gradient("v", &v, &gradients);
        check.gradient("q", &q, &gradients);
        if let Some(weights) = &weights {
            check.gradient("w", weights, &gradients);
        }
    }
}

#[test]
fn golden_cfr_attention_maps() {
    let _guard = random_numbers();
    for case in Case::all("ban_biattention") {
        let mut check = Check::new(&case);
        let attention = BiAttentionConfig::new(
            case.size("x_dim"),
            case.size("y_dim"),
            case.size("z_dim"),
            case.size("glimpse"),
        )
        .with_k(case.size("k"));
        let attention = check.load(attention.init(&check.device));

        let (v, q) = (check.input::<3>("v"), check.input::<3>("q"));
        let maps = attention.forward(v.clone(), q.clone(), Masked::NONE, None);
        check.output("p", maps.weights);
        check.output("logits", maps.logits);
        let gradients = check.weights(&attention);
        check.gradient("v", &v, &gradients);
        check.gradient("q", &q, &gradients);
    }
}

#[test]
fn golden_cfr_classifiers() {
    let _guard = random_numbers();
    for case in Case::all("ban_classifier") {
        let mut check = Check::new(&case);
        let classifier = ClassifierConfig::new(
            case.size("in_dim"),
            case.size("hid_dim"),
            case.size("out_dim"),
        )
        .with_dropout(case.number("dropout"))
        .with_activation(activation(&case));
        let classifier = check.load(classifier.init(&check.device));

        let x = check.input::<2>("x");
        check.output("logits", classifier.forward(x.clone(), None));
        check.gradient("x", &x, &check.weights(&classifier));
    }
}

#[test]
fn golden_cfr_counters() {
    let _guard = random_numbers();
    for case in Case::all("ban_counter") {
        let mut check = Check::new(&case);
        let sigmoided = case.config("already_sigmoided").as_bool();
        let counter = CounterConfig::new(case.size("objects"))
            .with_already_sigmoided(sigmoided.expect("a boolean"));
        let counter = check.load(counter.init(&check.device));

        let boxes = check.input::<3>("boxes");
        let attention = check.input::<2>("attention");
        check.output(
            "count",
            counter.forward(boxes.clone(), attention.clone(), None),
        );
        let gradients = check.weights(&counter);
        check.gradient("boxes", &boxes, &gradients);
        check.gradient("attention", &attention, &gradients);
    }
}

#[test]
fn golden_cfr_word_embeddings() {
    let _guard = random_numbers();
    for case in Case::all("ban_word_embedding") {
        let mut check = Check::new(&case);
        let embedding = WordEmbeddingConfig::new(case.size("ntoken"), case.size("emb_dim"))
            .with_train_second(case.has("grad.emb_.weight"));
        let embedding = check.load(embedding.init(&check.device));

        check.output("emb", embedding.forward(check.ids("ids")));
        check.weights(&embedding);
    }
}

#[test]
fn golden_cfr_question_embeddings() {
    let _guard = random_numbers();
    for case in Case::all("ban_question_embedding") {
        let mut check = Check::new(&case);
        let bidirectional = case.config("bidirectional").as_bool();
        let encoder = QuestionEmbeddingConfig::new(case.size("in_dim"), case.size("num_hid"))
            .with_layers(case.size("nlayers"))
            .with_bidirectional(bidirectional.expect("a boolean"));
        let encoder = check.load(encoder.init(&check.device));

        let x = check.input::<3>("x");
        let states = encoder.forward(x.clone());
        check.output("all", states.clone());
        check.output("last", encoder.summary(states));
        check.gradient("x", &x, &check.weights(&encoder));
    }
}

#[test]
fn golden_cfr_fusions() {
    let _guard = random_numbers();
    for case in Case::all("ban_fusion") {
        let mut check = Check::new(&case);
        let counts = case.config("counter").as_bool().expect("a boolean");
        let fusion = BanFusionConfig::new(
            case.size("dim_1"),
            case.size("dim_2"),
            case.size("gamma"),
            case.number("omega"),
        )
        .with_objects(counts.then(|| case.size("objects")));
        let fusion = check.load(fusion.init(&check.device));

        let (x, y) = (check.input::<3>("mod1"), check.input::<3>("mod2"));
        let boxes = counts.then(|| check.input::<3>("b"));
        check.output(
            "y",
            fusion.forward(x.clone(), y.clone(), Masked::NONE, boxes.clone(), None),
        );
        let gradients = check.weights(&fusion);
        check.gradient("mod1", &x, &gradients);
        check.gradient("mod2", &y, &gradients);
        if let Some(boxes) = &boxes {
            check.gradient("b", boxes, &gradients);
        }
    }
}

#[test]
fn golden_cfr_fine_branches() {
    let _guard = random_numbers();
    for case in Case::all("fine_branch") {
        let mut check = Check::new(&case);
        let entities = case.has("input.entities").then(|| check.ids("entities"));
        let words = case
            .has("input.semantic_words")
            .then(|| check.ids("semantic_words"));
        let config = fine_branch_config(&case)
            .with_entity_weight(entities.is_some().then(|| case.number("omega_q")))
            .with_statistical_weight(words.is_some().then(|| case.number("omega_v")))
            .with_train_second(case.has("grad.w_emb.emb_.weight"))
            .with_activation(activation(&case));
        let branch = check.load(config.init(&check.device));

        let question = check.ids("question");
        let regions = check.input::<3>("v");
        let samples = question.dims()[0] as i64;
        let input = FineInput {
            question: question.clone(),
            entities: entities.clone(),
            image_of: Tensor::arange(0..samples, &check.device),
            regions: regions.clone(),
            masked_regions: None,
            statistical_words: words.clone(),
        };

        let embedded = branch.w_emb.forward(question.clone());
        check.intermediate("q_emb", &branch.q_emb.forward(embedded));
        if let (Some(part), Some(entities)) = (&branch.entities, &entities) {
            check.intermediate("e_emb", &part.ew_emb.forward(entities.clone()));
        }
        let encoded = branch.words(question, entities, None);
        if branch.entities.is_some() {
            check.intermediate("qe_joint", &encoded);
        }
        if let (ImageSide::Statistical(part), Some(words)) = (&branch.image, &words) {
            let embedded = part.sw_emb.forward(words.clone());
            check.intermediate("s_emb", &part.s_emb.forward(embedded));
        }
        let image = branch.regions(regions.clone(), None, words, None);
        if matches!(branch.image, ImageSide::Statistical(_)) {
            check.intermediate("vs_joint", &image);
        }
        let refined = branch.refine(encoded, image, None, input.image_of.clone(), None);
        check.intermediate("q_aoa", &refined.words);
        check.intermediate("v_aoa", &refined.regions);
        check.intermediate("vq_joint", &branch.join(refined, None));

        check.output("logits", branch.forward(input, None));
        check.gradient("v", &regions, &check.weights(&branch));
    }
}
