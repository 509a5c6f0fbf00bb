//! Files that were good before something happened to them. The fuzz targets under `fuzz/` look further.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use weight_files::WeightFile;

use crate::archive::checkpoint;
use crate::memory::peak_of;

const SEED: u64 = 1;
const ROUNDS: usize = 1500;

/// Numbers that sizes and offsets go wrong at.
const NUMBERS: [u64; 8] = [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, u64::MAX];

/// Changes a few bytes, numbers or stretches.
fn mutate(bytes: &mut Vec<u8>, random: &mut impl Rng) {
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(0..bytes.len().max(1)).min(bytes.len());
        let end = (at + random.random_range(1..=16)).min(bytes.len());
        match random.random_range(0..6) {
            0 if at < end => bytes[at] = random.random(),
            1 if at < end => bytes[at] ^= 1 << random.random_range(0..8),
            2 => {
                let number = NUMBERS[random.random_range(0..NUMBERS.len())].to_le_bytes();
                let width = [1, 2, 4, 8][random.random_range(0..4)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&number[..width]);
            }
            3 => drop(bytes.drain(at..end)),
            4 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ if random.random_ratio(1, 8) => bytes.truncate(at),
            _ => {}
        }
    }
}

/// Opens a file and reads all of it, within the memory that its length allows.
fn read(bytes: Vec<u8>) -> bool {
    let allowed = 128 * bytes.len() + (1 << 16);
    let (good, peak) = peak_of(|| {
        let Ok(file) = WeightFile::from_bytes("mutated", bytes) else {
            return false;
        };
        file.tensors().all(|(name, info)| match file.floats(name) {
            Ok(floats) => floats.len() == info.elements(),
            Err(_) => true,
        })
    });
    assert!(peak <= allowed, "{peak} bytes, {allowed} allowed");
    good
}

/// Mutates a file again and again; `wrap` makes a file of what was mutated.
fn check(original: &[u8], wrap: impl Fn(&[u8]) -> Vec<u8>) {
    assert!(read(wrap(original)), "the original is good");
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut good = 0;
    for _ in 0..ROUNDS {
        let mut bytes = original.to_vec();
        mutate(&mut bytes, &mut random);
        good += usize::from(read(wrap(&bytes)));
    }
    assert!((1..ROUNDS).contains(&good), "{good} of {ROUNDS} were read");
}

fn as_it_is(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

#[test]
fn mutated_checkpoints_are_read_or_refused() {
    check(include_bytes!("files/state_dict.pth"), as_it_is);
}

#[test]
fn mutated_old_checkpoints_are_read_or_refused() {
    check(include_bytes!("files/legacy.pth"), as_it_is);
}

#[test]
fn mutated_pickles_are_read_or_refused() {
    check(include_bytes!("files/state_dict.pkl"), checkpoint);
}

#[test]
fn mutated_safetensors_are_read_or_refused() {
    check(include_bytes!("files/state_dict.safetensors"), as_it_is);
}

/// Every tensor of a checkpoint as PyTorch wrote it, by its name.
fn tensors(bytes: Vec<u8>) -> Option<Vec<(String, Vec<f32>)>> {
    let file = WeightFile::from_bytes("flipped", bytes).ok()?;
    // Positions are whole numbers, which are no weights.
    let floats = file.tensors().filter(|(_, info)| info.is_float());
    let names: Vec<_> = floats.map(|(name, _)| name.to_owned()).collect();
    let read = names.into_iter().map(|name| {
        let floats = file.floats(&name).ok()?;
        Some((name, floats))
    });
    read.collect()
}

#[test]
fn a_flipped_bit_is_refused_or_changes_no_tensor() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/files/cases/weights");
    let whole = std::fs::read(format!("{folder}/f64.pth")).expect("a checkpoint");
    let expected = tensors(whole.clone()).expect("it is read");
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut refused = 0;
    for _ in 0..600 {
        let mut flipped = whole.clone();
        let at = random.random_range(0..flipped.len());
        flipped[at] ^= 1 << random.random_range(0..8);
        match tensors(flipped) {
            Some(found) => assert_eq!(found, expected, "byte {at}"),
            None => refused += 1,
        }
    }
    assert!(refused > 100, "{refused} of 600 flips are refused");
}
