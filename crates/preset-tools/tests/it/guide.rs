use preset_tools::{Language, guide};

/// The tables of a Markdown text, row by row and cell by cell.
fn tables(text: &str) -> Vec<Vec<Vec<&str>>> {
    let mut tables = vec![Vec::new()];
    for line in text.lines() {
        match line
            .strip_prefix('|')
            .and_then(|line| line.strip_suffix('|'))
        {
            Some(cells) if cells.contains("---") => {}
            Some(cells) => {
                let cells = cells.split('|').map(str::trim).collect();
                tables.last_mut().unwrap().push(cells);
            }
            None => tables.push(Vec::new()),
        }
    }
    tables.retain(|table| !table.is_empty());
    tables
}

/// The guide by hand that the presets come from.
#[test]
fn the_tables_of_the_guide_by_hand() {
    let by_hand = tables(include_str!("files/seed-tables.zh.md"));
    let shapes: Vec<usize> = by_hand.iter().map(Vec::len).collect();
    assert_eq!(shapes, [5, 5, 4], "all tables were read");
    let text = guide(Language::Zh).unwrap();
    let generated = tables(&text);
    for table in by_hand {
        let same_head = generated.iter().find(|found| found[0] == table[0]);
        assert_eq!(same_head, Some(&table));
    }
}

#[test]
fn both_languages_say_the_same() {
    let texts = [Language::En, Language::Zh].map(|language| guide(language).unwrap());
    let [english, chinese] = texts.each_ref().map(|text| tables(text));
    assert_eq!(english.len(), chinese.len());
    for (english, chinese) in english.iter().zip(&chinese) {
        assert_eq!(english.len(), chinese.len());
    }
    for text in &texts {
        assert!(
            !text.contains(['{', '}']),
            "a fact was not filled in: {text}"
        );
        assert!(!text.contains("  # \n"), "an effect is missing: {text}");
        assert!(!text.contains("|  |"), "a cell is empty: {text}");
    }
    let settings = |text: &str| -> Vec<String> {
        let blocks = text.split("```").skip(1).step_by(2);
        let lines = blocks.flat_map(str::lines);
        lines
            .map(|line| line.split(" #").next().unwrap().trim().to_owned())
            .collect()
    };
    assert_eq!(settings(&texts[0]), settings(&texts[1]));
    for line in [
        "batch_size = 10",
        "update_freq = 5",
        "max_memory_usage = 0.8",
    ] {
        assert!(
            settings(&texts[0]).iter().any(|found| found == line),
            "{line}"
        );
    }
    for sentence in ["从8增加到10", "从4减少到3", "从0.85减少到0.8"] {
        assert!(texts[1].contains(sentence), "{sentence}");
    }
}
