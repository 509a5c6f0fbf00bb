//! Zip archives for tests.

/// An archive of entries that are stored as they are.
pub fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    zip_with_method(entries, 0)
}

/// An archive that says of its entries that they are packed by the given method.
pub fn zip_with_method(entries: &[(&str, &[u8])], method: u16) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for (name, content) in entries {
        let header = archive.len() as u32;
        let length = content.len() as u32;
        // Version, flags, method, time and date, checksum, lengths; the checksum is not looked at.
        let mut common = Vec::new();
        for short in [20, 0, method, 0, 0, 0, 0] {
            common.extend(u16::to_le_bytes(short));
        }
        common.extend(length.to_le_bytes());
        common.extend(length.to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);

        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(header.to_le_bytes());
        directory.extend(name.as_bytes());

        archive.extend(b"PK\x03\x04");
        archive.extend(&common);
        archive.extend(name.as_bytes());
        archive.extend(*content);
    }
    let start = archive.len() as u32;
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend((entries.len() as u16).to_le_bytes());
    archive.extend((entries.len() as u16).to_le_bytes());
    archive.extend((directory.len() as u32).to_le_bytes());
    archive.extend(start.to_le_bytes());
    archive.extend([0, 0]);
    archive
}

/// A checkpoint of a pickle and four storages of 64 bytes, `0` to `3`.
pub fn checkpoint(pickle: &[u8]) -> Vec<u8> {
    let storage: Vec<u8> = (0..64).collect();
    zip(&[
        ("a/data.pkl", pickle),
        ("a/byteorder", b"little"),
        ("a/data/0", &storage),
        ("a/data/1", &storage),
        ("a/data/2", &storage),
        ("a/data/3", &storage),
    ])
}
