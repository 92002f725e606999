//! The settings of an analysis: a struct that the analysis reads, and a list for forms and help, both made by
//! [`settings!`] from one declaration.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// A setting of an analysis.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Setting {
    /// Name in requests and on the command line.
    pub name: &'static str,
    /// The description that users read.
    pub description: &'static str,
    /// Allowed values and the default.
    pub range: SettingRange,
}

/// Allowed values of a setting and its default.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SettingRange {
    /// Free text.
    Text {
        /// The default.
        default: &'static str,
    },
    /// A whole number.
    Count {
        /// The default.
        default: u32,
        /// The smallest allowed.
        min: u32,
        /// The largest allowed.
        max: u32,
    },
    /// One of a few words.
    Choice {
        /// The default; not necessarily the first option.
        default: &'static str,
        /// The allowed words.
        options: &'static [&'static str],
    },
    /// Yes or no.
    Flag {
        /// The default.
        default: bool,
    },
}

/// A setting without its name, as a field of [`settings!`] declares it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spec {
    /// Used if the field has no doc comment: for settings that several analyses share.
    description: &'static str,
    range: SettingRange,
}

/// Free text.
pub(super) const fn text(default: &'static str) -> Spec {
    Spec { description: "", range: SettingRange::Text { default } }
}

/// A whole number from `min` to `max`.
pub(super) const fn count(default: u32, min: u32, max: u32) -> Spec {
    Spec { description: "", range: SettingRange::Count { default, min, max } }
}

/// Yes or no.
pub(super) const fn flag(default: bool) -> Spec {
    Spec { description: "", range: SettingRange::Flag { default } }
}

/// One of the words of an enum.
pub(super) const fn choice<T: strum::VariantNames>(default: &'static str) -> Spec {
    Spec { description: "", range: SettingRange::Choice { default, options: T::VARIANTS } }
}

impl Spec {
    /// Adds a description, for settings that several analyses share.
    pub(super) const fn described(self, description: &'static str) -> Self {
        Self { description, ..self }
    }
}

impl Setting {
    /// The setting of a field, described by its doc comment or else by `spec`.
    pub(super) const fn of(name: &'static str, doc: &'static str, spec: Spec) -> Self {
        let description = if doc.is_empty() { spec.description } else { doc.trim_ascii() };
        Self { name, description, range: spec.range }
    }
}

/// The type of an analysis's settings.
pub(super) trait Declared: DeserializeOwned {
    /// The settings, in the order of the struct's fields.
    const LIST: &'static [Setting];
}

/// Declares a struct of settings. A field is `name: Type = spec`; its doc comment is the description that
/// users read. The type follows from the spec: `text` a `String`, `count` a `usize`, `flag` a `bool`,
/// `choice` an enum.
macro_rules! settings {
    ($($(#[doc = $doc:literal])* $field:ident: $type:ty = $spec:expr,)*) => {
        /// The analysis, by its settings.
        #[derive(Debug, serde::Deserialize)]
        pub(super) struct Settings {
            $($(#[doc = $doc])* $field: $type,)*
        }

        impl crate::analyses::settings::Declared for Settings {
            const LIST: &'static [crate::analyses::settings::Setting] = &[$(
                crate::analyses::settings::Setting::of(stringify!($field), concat!($($doc),*), $spec),
            )*];
        }
    };
}
pub(super) use settings;

/// Fills in the defaults of `list` and checks `given` against the ranges.
///
/// # Errors
/// [`Error::Setting`] for an unknown name or a value outside its range.
pub(super) fn complete(
    analysis: &str,
    list: &[Setting],
    given: &Map<String, Value>,
) -> Result<Map<String, Value>> {
    let refuse = |name: &str, message: String| Err(Error::Setting { name: name.to_owned(), message });
    let names: Vec<&str> = list.iter().map(|setting| setting.name).collect();
    if let Some(name) = given.keys().find(|name| !names.contains(&name.as_str())) {
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return refuse(name, format!("`{analysis}` has no such setting. It has: {known}."));
    }
    let mut complete = Map::new();
    for Setting { name, range, .. } in list {
        let value = match given.get(*name) {
            None => range.default(),
            Some(value) => match range.accept(value) {
                Ok(value) => value,
                Err(message) => return refuse(name, message),
            },
        };
        complete.insert((*name).to_owned(), value);
    }
    Ok(complete)
}

impl SettingRange {
    fn default(&self) -> Value {
        match *self {
            SettingRange::Text { default } | SettingRange::Choice { default, .. } => Value::from(default),
            SettingRange::Count { default, .. } => Value::from(default),
            SettingRange::Flag { default } => Value::from(default),
        }
    }

    /// The value, in the type of the range, or why it is not allowed. Values from the command line arrive as
    /// text.
    fn accept(&self, value: &Value) -> Result<Value, String> {
        match self {
            SettingRange::Text { .. } if value.is_string() => Ok(value.clone()),
            SettingRange::Text { .. } => Err(format!("{value} is not text.")),
            SettingRange::Count { min, max, .. } => {
                let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
                number
                    .filter(|number| (u64::from(*min)..=u64::from(*max)).contains(number))
                    .map(Value::from)
                    .ok_or_else(|| format!("{value} is not a whole number from {min} to {max}."))
            }
            SettingRange::Choice { options, .. } => match value.as_str() {
                Some(text) if options.contains(&text) => Ok(value.clone()),
                _ => Err(format!("{value} is not one of {}.", options.join(", "))),
            },
            SettingRange::Flag { .. } => match (value.as_bool(), value.as_str()) {
                (Some(flag), _) => Ok(Value::from(flag)),
                (_, Some("true" | "yes")) => Ok(Value::from(true)),
                (_, Some("false" | "no")) => Ok(Value::from(false)),
                _ => Err(format!("{value} is neither yes nor no.")),
            },
        }
    }
}
