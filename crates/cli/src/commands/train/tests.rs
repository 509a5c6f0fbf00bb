use nvml_stand_in::{Card, Cards, GIB};
use tempfile::TempDir;

use super::*;

#[test]
fn the_configuration_decides_whether_the_card_is_sampled() {
    let folder = TempDir::new().expect("a folder");
    let cards = Cards::new(vec![Card::new("NVIDIA Test Card", GIB)]);
    let library = cards.install(folder.path()).expect("the stand-in");
    let mut config = Config::default();
    config.hardware.nvml_library = library.display().to_string();
    let device = |gpu| CudaDevice {
        ordinal: 0,
        gpu,
        instance: None,
        name: "NVIDIA Test Card".to_owned(),
        uuid: None,
        memory: gpu_probe::Memory {
            total: GIB,
            used: 0,
            free: GIB,
        },
        processes: Vec::new(),
        environment: Vec::new(),
    };
    let sampled = |config: &Config| {
        let card = card(config, Some(&device(0))).expect("the card");
        let mut samples = card.samples();
        // The first sample is due at once, on another thread.
        for _ in 0..1000 {
            samples.extend(card.samples());
            std::thread::sleep(Duration::from_millis(1));
            if !samples.is_empty() {
                break;
            }
        }
        samples.len()
    };
    assert_eq!(sampled(&config), 1);
    config.logging.card_seconds = 0;
    assert_eq!(sampled(&config), 0);

    assert!(card(&config, None).is_none());
    assert!(card(&config, Some(&device(3))).is_none(), "no such card");
}
