//! JSON that is read back bit for bit. serde_json prints the shortest text that stands for a number, but reads numbers only to within
//! their last bit; so they are written as texts behind a sign, which the standard library reads exactly.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Error, Value};

/// Stands before a number. A text that begins with it has it twice.
const SIGN: char = '#';

/// As JSON whose numbers, whole ones apart, are texts. NaN and infinities become null, as everywhere in JSON.
///
/// # Errors
/// What serde refuses to write.
pub fn pack(value: &impl Serialize) -> Result<Value, Error> {
    let mut json = serde_json::to_value(value)?;
    each(&mut json, &mut |value| match value {
        Value::Number(number) if number.is_f64() => {
            // Rust's own text of a number is the shortest that is read as the same.
            let text = format!("{SIGN}{:?}", number.as_f64().unwrap_or(f64::NAN));
            *value = Value::String(text);
        }
        Value::String(text) if text.starts_with(SIGN) => text.insert(0, SIGN),
        _ => {}
    });
    Ok(json)
}

/// What [`pack`] made.
///
/// # Errors
/// If it is of another shape, or made of numbers where there must be some and null stands.
pub fn unpack<T: DeserializeOwned>(mut json: Value) -> Result<T, Error> {
    each(&mut json, &mut |value| {
        let Value::String(text) = value else { return };
        let Some(rest) = text.strip_prefix(SIGN) else { return };
        *value = match rest.parse::<f64>() {
            Ok(number) if !rest.starts_with(SIGN) => Value::from(number),
            _ => Value::String(rest.to_owned()),
        };
    });
    serde_json::from_value(json)
}

/// Calls `change` for every value that holds no others.
fn each(json: &mut Value, change: &mut impl FnMut(&mut Value)) {
    match json {
        Value::Array(values) => values.iter_mut().for_each(|value| each(value, change)),
        Value::Object(fields) => fields.values_mut().for_each(|value| each(value, change)),
        value => change(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_comes_back() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut numbers = vec![0.0, -0.0, 1.0, 0.1, f64::MIN_POSITIVE, 5e-324, f64::MAX, 2.0f64.powi(60)];
        let any = |_| f64::from_bits(random.u64(..));
        numbers.extend((0..10_000).map(any).filter(|number| number.is_finite()));
        numbers.extend((0..10_000).map(|_| f64::from(random.f32()) / 3.0));
        let text = pack(&numbers).expect("numbers").to_string();
        let read: Vec<f64> = unpack(serde_json::from_str(&text).expect("JSON")).expect("numbers");
        let bits = |numbers: &[f64]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&read), bits(&numbers));
    }

    #[test]
    fn texts_and_whole_numbers_stay_what_they_are() {
        let all = serde_json::json!({ "a": ["", "#", "##1.5", "#1.5", "1.5", "#x"], "b": 18446744073709551615u64, "c": null });
        let read: Value = unpack(pack(&all).expect("JSON")).expect("JSON");
        assert_eq!(read, all);
    }
}
