//! What a file is that is no pcap and no pcapng, and what its owner can do about it.

/// How other files begin, what they are, and what helps.
const KNOWN: [(&[u8], &str); 11] = [
    (b"\x1f\x8b", "it is packed by gzip twice; unpack it once: gzip -d"),
    (b"\x28\xb5\x2f\xfd", "it is packed by zstd twice; unpack it once: zstd -d"),
    (b"BZh", "it is packed by bzip2; unpack it first: bzip2 -d"),
    (b"\xfd7zXZ", "it is packed by xz; unpack it first: xz -d"),
    (b"\x04\x22\x4d\x18", "it is packed by lz4; unpack it first: lz4 -d"),
    (b"PK\x03\x04", "it is a zip archive; unpack it first: unzip"),
    (b"7z\xbc\xaf", "it is a 7z archive; unpack it first: 7z x"),
    (b"snoop\0", "it is a snoop file; convert it first: editcap -F pcapng IN OUT"),
    (b"GMBU", "it is a Network Monitor file; convert it first: editcap -F pcapng IN OUT"),
    (b"RTSS", "it is a Network Monitor file; convert it first: editcap -F pcapng IN OUT"),
    (b"\xa1\xb2\xcd\x34", "it is a pcap of a modified libpcap; convert it first: editcap -F pcapng IN OUT"),
];
/// Octets of an unknown file that are shown.
const SHOWN: usize = 12;

/// Half a sentence: what it is, what to do.
pub(super) fn advice(file: &[u8]) -> String {
    if file.is_empty() {
        return "it is empty (0 octets)".to_owned();
    }
    if let Some((_, advice)) = KNOWN.iter().find(|(magic, _)| file.starts_with(magic)) {
        return (*advice).to_owned();
    }
    let start = &file[..file.len().min(SHOWN)];
    let printable = start.iter().all(|octet| octet.is_ascii_graphic() || octet.is_ascii_whitespace());
    let start = match std::str::from_utf8(start) {
        Ok(text) if printable => format!("{text:?}"),
        _ => start.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(" "),
    };
    format!(
        "it begins with {start}. pcap and pcapng are read, plain or packed by gzip or zstd; editcap converts others"
    )
}
