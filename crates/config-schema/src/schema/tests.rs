use super::*;

#[test]
fn every_key_is_documented_and_bounded() {
    for section in sections() {
        assert!(
            !section.doc.is_empty(),
            "[{}] has no description",
            section.name
        );
        for key in &section.keys {
            assert!(!key.doc.is_empty(), "{} has no description", key.path);
            if let Kind::Number(bounds) = &key.kind {
                assert!(
                    bounds.min.is_some() && bounds.max.is_some(),
                    "{} lacks a range",
                    key.path
                );
            }
        }
    }
}

fn check(path: &str, expected: &str) {
    let key = keys().find(|key| key.path == path);
    assert_eq!(
        key.map(|key| key.kind.to_string()).as_deref(),
        Some(expected),
        "{path}"
    );
}

#[test]
fn kinds_in_words() {
    check("training.batch_size", "an integer from 1 to 65536");
    check("training.update_freq", "an integer from 1 to 4096");
    check("training.seed", "an integer, 0 or more");
    check("training.max_steps", "an integer from 0 to 1000000000");
    check("model.dropout", "a number of at least 0.0 and below 1.0");
    check(
        "memory_optimization.max_memory_usage",
        "a number above 0.0 and at most 1.0",
    );
    check(
        "dataset.name",
        "one of \"shapes\", \"easy-vqa\", \"folder\", \"vqa2\", \"okvqa\", \"gqa\", \"vizwiz\", \"textvqa\", \"visual-genome\", \
         \"visual7w\", \"xvlm\", \"lxmert\", \"cfr\"",
    );
    let modes = "one of \"f32\", \"tf32\", \"bf16\", \"f16\", \"auto\"";
    check("precision.mode", modes);
    check("training.epochs", "an integer from 1 to 100000");
    check("data_loading.streaming", "true, false or \"auto\"");
    check("dataset.shapes_described", "true or false");
    check("data_loading.preload_data", "true, false or \"auto\"");
    check("logging.run_dir", "a string");
    check(
        "optimizer.fine_betas",
        "a list of 2, each a number of at least 0.0 and at most 0.999999",
    );
    check(
        "schedule.cfr_warmup_factors",
        "a list of 1 to 1000, each a number of at least 0.0 and at most 1000.0",
    );
}

#[test]
fn declaration_order_is_kept() {
    let names: Vec<&str> = sections()
        .iter()
        .map(|section| section.name.as_str())
        .collect();
    assert_eq!(names[..3], ["preset", "family", "hardware"]);
    assert_eq!(names.last(), Some(&"logging"));
}

#[test]
fn the_schema_is_closed_and_knows_extends() {
    let schema = json_schema();
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(schema["properties"]["extends"]["type"], "string");
    for section in sections() {
        let closed = &schema["properties"][&section.name]["additionalProperties"];
        assert_eq!(closed, &json!(false), "[{}]", section.name);
    }
}
