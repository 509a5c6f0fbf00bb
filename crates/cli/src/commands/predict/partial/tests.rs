use std::fs;

use data_pipeline::{Shapes, ShapesConfig, Split};

use super::*;

fn header() -> Header {
    Header {
        checkpoint: "a".to_owned(),
        questions: 1,
        files: 2,
        settings: 3,
        top_k: 4,
    }
}

#[test]
fn answers_that_depend_on_something_else_are_refused_by_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("out.json");
    let config = ShapesConfig {
        seed: 0,
        images: 1,
        questions_per_image: 1,
    };
    let source = Shapes::new(config, Split::Test).expect("a split");
    let open = |header: &Header, force| Partial::open(&to, header, &source, force);
    open(&header(), false).expect("it begins");
    let begun = fs::read(folder.path().join("out.json.partial")).expect("the file");

    let of = |change: fn(&mut Header)| {
        let mut header = header();
        change(&mut header);
        header
    };
    for (changed, named) in [
        (of(|it| it.checkpoint.push('b')), "another checkpoint"),
        (of(|it| it.questions += 1), "other questions"),
        (of(|it| it.files += 1), "other images"),
        (of(|it| it.settings += 1), "other settings"),
        (of(|it| it.top_k += 1), "--top-k"),
    ] {
        let Err(PredictError::Stale { what, .. }) = open(&changed, false) else {
            panic!("{named} should be refused");
        };
        assert!(what.contains(named), "{what}");
        let there = fs::read(folder.path().join("out.json.partial")).expect("the file");
        assert_eq!(there, begun);
    }
    open(&header(), false).expect("it goes on");
    open(&of(|it| it.files += 1), true).expect("it begins anew");
    assert!(matches!(
        open(&header(), false),
        Err(PredictError::Stale { .. })
    ));
}
