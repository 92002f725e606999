//! Numbers as bytes, and their conversion to and from 16 bits. Rounding to fp16 changes a number by at most a 2048th.

use half::bf16;
use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

/// Little-endian f32 as little-endian f16. None if a number is too large for it, or the bytes are no whole numbers.
pub fn narrow(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let mut numbers = Vec::new();
    append_f32(bytes, &mut numbers);
    let mut halves = vec![f16::ZERO; numbers.len()];
    halves.convert_from_f32_slice(&numbers);
    let fit = halves.iter().all(|half| half.is_finite());
    fit.then(|| halves.reinterpret_cast().iter().flat_map(|bits| bits.to_le_bytes()).collect())
}

/// Little-endian f16 as little-endian f32, exactly.
pub fn widen(halves: &[u8]) -> Vec<u8> {
    let mut numbers = Vec::new();
    append_f16(halves, &mut numbers);
    numbers.into_iter().flat_map(f32::to_le_bytes).collect()
}

/// Appends numbers of one format, given as bytes.
pub(crate) type Append = fn(&[u8], &mut Vec<f32>);

/// Appends little-endian f32.
pub(crate) fn append_f32(bytes: &[u8], numbers: &mut Vec<f32>) {
    let (fours, _) = bytes.as_chunks();
    numbers.extend(fours.iter().map(|&four| f32::from_le_bytes(four)));
}

/// Appends little-endian f16, widened.
pub(crate) fn append_f16(bytes: &[u8], numbers: &mut Vec<f32>) {
    let bits = halves(bytes);
    bits.reinterpret_cast::<f16>().convert_to_f32_slice(room_for(bits.len(), numbers));
}

/// Appends little-endian bf16, widened.
pub(crate) fn append_bf16(bytes: &[u8], numbers: &mut Vec<f32>) {
    let bits = halves(bytes);
    bits.reinterpret_cast::<bf16>().convert_to_f32_slice(room_for(bits.len(), numbers));
}

fn halves(bytes: &[u8]) -> Vec<u16> {
    let (pairs, _) = bytes.as_chunks();
    pairs.iter().map(|&pair| u16::from_le_bytes(pair)).collect()
}

/// `count` further numbers, to be overwritten.
fn room_for(count: usize, numbers: &mut Vec<f32>) -> &mut [f32] {
    let start = numbers.len();
    numbers.resize(start + count, 0.0);
    &mut numbers[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(numbers: &[f32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    #[test]
    fn what_was_narrowed_stays_as_it_is() {
        let numbers = bytes(&[0.0, -1.5, 3.140625, 65504.0, 6e-8]);
        let once = widen(&narrow(&numbers).expect("small numbers"));
        assert_eq!(narrow(&once).map(|halves| widen(&halves)), Some(once.clone()));
        assert_eq!(once[..16], numbers[..16]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(narrow(&bytes(&[1.0, 1e5])), None);
        assert_eq!(narrow(&bytes(&[f32::NAN])), None);
        assert_eq!(narrow(&[0, 0, 0]), None);
    }

    #[test]
    fn numbers_are_appended_to_those_that_are_there() {
        let mut numbers = vec![1.0];
        append_f16(&f16::from_f32(2.5).to_le_bytes(), &mut numbers);
        append_bf16(&bf16::from_f32(-3.0).to_le_bytes(), &mut numbers);
        append_f32(&bytes(&[0.1]), &mut numbers);
        assert_eq!(numbers, [1.0, 2.5, -3.0, 0.1]);
    }
}
