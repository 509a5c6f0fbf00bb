//! What the golden numbers do not show of the fine branch: absent inputs, and images shared by questions.

use aoa_model::cfr::{FineBranch, FineBranchConfig, FineInput, pytorch_name};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Distribution, Int, Tensor, Tolerance};
use integration_tests::random_numbers;

const REGION_DIM: usize = 6;

fn config() -> FineBranchConfig {
    FineBranchConfig::new(20, 3, REGION_DIM, 8, 5, 2, 2, 3, 2)
}

/// Three questions about two images.
fn input(device: &Device, entities: bool, statistical_words: bool) -> FineInput {
    let table = |rows: &[[i64; 4]]| {
        Tensor::<1, Int>::from_data(rows.concat().as_slice(), device).reshape([rows.len(), 4])
    };
    FineInput {
        question: table(&[[1, 2, 3, 20], [4, 5, 20, 20], [6, 7, 8, 9]]),
        entities: entities.then(|| table(&[[10, 20, 20, 20], [11, 12, 20, 20], [13, 20, 20, 20]])),
        image_of: Tensor::from_ints([1, 0, 1], device),
        regions: Tensor::random([2, 5, REGION_DIM], Distribution::Normal(0.0, 1.0), device),
        masked_regions: None,
        statistical_words: statistical_words.then(|| table(&[[14, 15, 16, 20], [17, 18, 19, 0]])),
    }
}

/// PyTorch names of the parameters.
fn names(branch: &FineBranch) -> Vec<String> {
    #[derive(Default)]
    struct Names {
        path: Vec<String>,
        found: Vec<String>,
    }
    impl ModuleVisitor for Names {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
            self.found.push(pytorch_name(&self.path.join(".")));
        }
    }
    let mut names = Names::default();
    branch.visit(&mut names);
    names.found
}

#[test]
fn fine_branch_has_only_the_parts_of_its_inputs() {
    let _guard = random_numbers();
    let device = Device::flex();
    for entities in [false, true] {
        for statistical_words in [false, true] {
            let branch = config()
                .with_entity_weight(entities.then_some(0.5))
                .with_statistical_weight(statistical_words.then_some(0.5))
                .init(&device);
            let logits = branch.forward(input(&device, entities, statistical_words), None);
            assert_eq!(logits.dims(), [3, 5]);

            let names = names(&branch);
            let has = |part: &str| names.iter().any(|name| name.starts_with(part));
            for part in ["ew_emb.", "qe_joint."] {
                assert_eq!(has(part), entities, "{part}");
            }
            for part in ["sw_emb.", "s_emb.", "vs_joint."] {
                assert_eq!(has(part), statistical_words, "{part}");
            }
            assert_eq!(has("v_projection.main.1.weight_v"), !statistical_words);
        }
    }
}

#[test]
#[should_panic(expected = "entities are given exactly where they are configured")]
fn fine_branch_refuses_an_input_it_has_no_part_for() {
    let _guard = random_numbers();
    let device = Device::flex();
    let branch = config().init(&device);
    branch.forward(input(&device, true, false), None);
}

#[test]
fn fine_branch_treats_every_sample_by_itself() {
    let _guard = random_numbers();
    let device = Device::flex();
    let branch = config()
        .with_entity_weight(Some(0.5))
        .with_statistical_weight(Some(0.5))
        .init(&device);
    let all = input(&device, true, true);
    let logits = branch.forward(all.clone(), None);

    let images: Vec<i64> = all.image_of.to_data().iter().collect();
    for (sample, image) in images.into_iter().enumerate() {
        let image = image as usize;
        let alone = FineInput {
            question: all.question.clone().narrow(0, sample, 1),
            entities: all.entities.clone().map(|ids| ids.narrow(0, sample, 1)),
            image_of: Tensor::from_ints([0], &device),
            regions: all.regions.clone().narrow(0, image, 1),
            masked_regions: None,
            statistical_words: all
                .statistical_words
                .clone()
                .map(|ids| ids.narrow(0, image, 1)),
        };
        let expected = logits.clone().narrow(0, sample, 1).into_data();
        branch
            .forward(alone, None)
            .into_data()
            .assert_approx_eq::<f32>(&expected, Tolerance::default());
    }
}
