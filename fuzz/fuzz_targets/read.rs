use weight_files::WeightFile;

/// Opens a file and reads its tensors, up to sixteen times its length, since tensors may share their numbers.
pub fn read(bytes: Vec<u8>) {
    let mut budget = 16 * bytes.len();
    let Ok(file) = WeightFile::from_bytes("fuzz", bytes) else {
        return;
    };
    for (name, info) in file.tensors() {
        budget = budget.saturating_sub(info.bytes());
        if budget == 0 {
            break;
        }
        if let Ok(floats) = file.floats(name) {
            assert_eq!(floats.len(), info.elements());
        }
    }
}
