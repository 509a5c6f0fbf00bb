//! By which names an image is known: data sets name files, features often name the number in them.

/// Names that the features of an image may have, the most exact first.
///
/// `train2014/COCO_train2014_000000000009.jpg` is tried as it is, without its folder, without its ending, and as `9`: the number
/// behind the last underscore or the name that is a number.
pub(crate) fn candidates(image: &str) -> Vec<String> {
    let file = image.rsplit('/').next().unwrap_or(image);
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let mut names: Vec<String> = vec![image.to_owned()];
    let mut add = |name: &str| {
        if !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    };
    add(file);
    add(stem);
    for ending in ["jpg", "png"] {
        add(&format!("{stem}.{ending}"));
    }
    let number = stem.rsplit('_').next().unwrap_or(stem);
    if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
        let short = number.trim_start_matches('0');
        add(if short.is_empty() { "0" } else { short });
    }
    names
}

#[cfg(test)]
mod tests {
    use super::candidates;

    #[test]
    fn an_image_is_known_by_its_path_its_file_and_its_number() {
        let check = |image: &str, expected: &[&str]| {
            let found = candidates(image);
            for name in expected {
                assert!(found.iter().any(|found| found == name), "{image}: {name}");
            }
            found
        };
        let coco = "train2014/COCO_train2014_000000000009.jpg";
        let names = check(
            coco,
            &[
                "COCO_train2014_000000000009",
                "COCO_train2014_000000000009.jpg",
                "9",
            ],
        );
        assert_eq!(names[0], coco);
        check("images/n161313.jpg", &["n161313"]);
        check("VG_100K/0025.jpg", &["0025", "25"]);
        assert!(!check("a1.png", &["a1"]).contains(&"1".to_owned()));
        check("0.png", &["0"]);
    }
}
