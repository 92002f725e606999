//! Text files as they come, and what else comes in their place.

/// Byte order marks, which some editors and consoles write first.
const UTF8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
const UTF16_LITTLE: &[u8] = &[0xff, 0xfe];
const UTF16_BIG: &[u8] = &[0xfe, 0xff];

/// The text of a file: UTF-8, or UTF-16 with a byte order mark, as Windows writes it. The mark is left out.
///
/// # Errors
/// What the file is instead, as the end of "it is ...".
pub fn decode(bytes: &[u8]) -> Result<String, String> {
    let wide = |bytes: &[u8], read: fn([u8; 2]) -> u16| {
        let damaged = || "damaged UTF-16".to_owned();
        if !bytes.len().is_multiple_of(2) {
            return Err(damaged());
        }
        let units = bytes.chunks_exact(2).filter_map(|pair| Some(read(pair.try_into().ok()?)));
        char::decode_utf16(units).collect::<Result<String, _>>().map_err(|_| damaged())
    };
    if let Some(text) = bytes.strip_prefix(UTF16_LITTLE) {
        return wide(text, u16::from_le_bytes);
    }
    if let Some(text) = bytes.strip_prefix(UTF16_BIG) {
        return wide(text, u16::from_be_bytes);
    }
    let text = bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes);
    String::from_utf8(text.to_vec())
        .map_err(|_| what(bytes).unwrap_or("not text. Save it as UTF-8").to_owned())
}

/// What a file is that stands in place of another, by its first bytes, and what to do about it. None if that is not known.
pub fn what(bytes: &[u8]) -> Option<&'static str> {
    let text = bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes).trim_ascii_start();
    // Eight bytes have to be enough: a checkpoint's first eight are read alone.
    let starts = |with: &[u8]| bytes.starts_with(with);
    Some(match () {
        () if starts(b"version ") => {
            "a Git LFS pointer, which only stands for the file. Fetch the file itself, with `git lfs pull` or from its \
             host's page"
        }
        () if text.starts_with(b"<") => {
            "a web page, such as one that asks to sign in or says that there is no such file. Open the address in a \
             browser to see it"
        }
        () if starts(b"PK\x03\x04") => {
            "a zip archive, in which PyTorch stores weights. Save the model with \
             `model.save_pretrained(folder, safe_serialization=True)`"
        }
        () if matches!(bytes, [0x80, 2..=5, ..]) => {
            "a Python pickle, in which PyTorch stores weights. Save the model with \
             `model.save_pretrained(folder, safe_serialization=True)`"
        }
        () if starts(b"\x1f\x8b") => "compressed with gzip. Unpack it",
        () if starts(b"\x89HDF") => "HDF5, in which Keras stores weights. Patchlab reads safetensors",
        () if starts(b"GGUF") => "GGUF, in which llama.cpp stores weights. Patchlab reads safetensors",
        () if starts(UTF16_LITTLE) || starts(UTF16_BIG) => "text in UTF-16. Save it as UTF-8",
        () => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_utf_16_are_read() {
        let text = "{\"a\": \"\u{e9}\u{1f600}\"}\r\n";
        let marked = [UTF8_MARK, text.as_bytes()].concat();
        let little: Vec<u8> =
            UTF16_LITTLE.iter().copied().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let big: Vec<u8> =
            UTF16_BIG.iter().copied().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect();
        for bytes in [text.as_bytes(), &marked, &little, &big] {
            assert_eq!(decode(bytes).as_deref(), Ok(text));
        }
        assert_eq!(decode(&[0xff, 0xfe, 0, 0xd8]).expect_err("half a character"), "damaged UTF-16");
        assert_eq!(decode(&[0xff, 0xfe, 0]).expect_err("half a unit"), "damaged UTF-16");
    }

    #[test]
    fn what_stands_in_place_of_a_file_is_named() {
        for (bytes, name) in [
            (b"version https://git-lfs.github.com/spec/v1\n".as_slice(), "Git LFS pointer"),
            (b"version ", "Git LFS pointer"),
            (b"<!DOCTYPE html>", "web page"),
            (b"\n  <html>", "web page"),
            (b"PK\x03\x04rest", "zip archive"),
            (b"\x80\x02ctorch", "pickle"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"\x89HDF\r\n\x1a\n", "HDF5"),
            (b"GGUF\x03\0\0\0", "GGUF"),
            (b"\xff\xfe{\0", "UTF-16"),
        ] {
            let found = what(bytes).unwrap_or_else(|| panic!("{bytes:?} is not known"));
            assert!(found.contains(name), "{found}");
        }
        assert_eq!(what(b"{\"n_layer\": 12}"), None);
        assert_eq!(what(b""), None);
        assert!(decode(b"\xc3(").expect_err("no text").contains("UTF-8"));
    }
}
