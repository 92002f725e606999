//! The built module's file: what of it a visitor need not fetch.

use anyhow::{Context, Result, ensure};

/// The module without its function names, which take a fifth of its compressed size and serve nothing but stack
/// traces.
///
/// Trunk does not pass wasm-bindgen's option for it, and the compiler's `strip` also removes the list of features
/// that wasm-bindgen reads.
pub(crate) fn without_names(module: &[u8]) -> Result<Vec<u8>> {
    const CUSTOM: u8 = 0;
    let (header, mut rest) = module.split_at_checked(8).context("the module is cut short")?;
    ensure!(header.starts_with(b"\0asm"), "this is not a WebAssembly module");
    let mut kept = header.to_vec();
    while let Some((&kind, after_kind)) = rest.split_first() {
        let (content, after) = sized(after_kind)?;
        let name = if kind == CUSTOM { sized(content)?.0 } else { b"" };
        if name != b"name" && name != b"producers" {
            kept.extend_from_slice(&rest[..rest.len() - after.len()]);
        }
        rest = after;
    }
    Ok(kept)
}

/// Splits bytes that begin with their length, as WebAssembly writes it, from what follows them.
fn sized(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let digits = bytes.iter().position(|byte| byte & 0x80 == 0).context("the module is cut short")? + 1;
    let length = bytes[..digits].iter().rev().fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f));
    bytes[digits..].split_at_checked(length).context("the module is cut short")
}

#[cfg(test)]
mod tests {
    use super::without_names;

    #[test]
    fn only_names_and_producers_go() {
        let header = b"\0asm\x01\0\0\0";
        let code = b"\x0a\x81\0\x2a"; // One byte, its length in two digits.
        let names = b"\0\x07\x04nameab";
        let other = b"\0\x06\x04mineX";
        let module = [&header[..], names, code, other, names].concat();
        assert_eq!(without_names(&module).ok(), Some([&header[..], code, other].concat()));
        assert!(without_names(&module[..module.len() - 1]).is_err());
        assert!(without_names(b"<!doctype html>").is_err());
    }
}
